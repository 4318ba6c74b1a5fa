"""The benchmarks run, and report what they measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.agreements import compare_agreements
from benchmarks.contention import compare_processes
from benchmarks.inboxes import PLACES, compare_inboxes
from benchmarks.sandbox import compare_lives
from benchmarks.stores import STORES, compare_stores
from benchmarks.versions import WORKS, compare_versions

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("store", STORES)
async def test_stores_are_measured(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A store is compared at two sizes, in each of its situations."""
    tables = await compare_stores([store], many=2000, rounds=2)
    if "is left out" in (said := capsys.readouterr().out):
        pytest.skip(said)
    rows = tables["An event at 2,000 remembered events; base: at 1,000"]
    assert {row["situation"] for row in rows} in ({"filling", "expiring"}, {"evicting"})
    assert all(_is_positive(row["ratio"]) and _is_positive(row["CPU µs"]) for row in rows)


@pytest.mark.parametrize("place", PLACES)
async def test_inboxes_are_measured(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A take is compared with few other events and with more, blocked ones and due ones."""
    tables = await compare_inboxes([place], many=2000, rounds=2)
    if "is left out" in (said := capsys.readouterr().out):
        pytest.skip(said)
    rows = tables["A take out of an inbox of 2,000 other events; base: of 100"]
    assert [row["others"] for row in rows] == ["blocked", "due"]
    assert all(_is_positive(row["ratio"]) for row in rows)


async def test_contention_is_measured() -> None:
    """Processes that share an SQLite file are compared with one, and no event has to come again."""
    rows = await compare_processes(events=80, rounds=1, processes=2)
    assert [(row["ms inside"], row["processes"]) for row in rows] == [("0", "1"), ("0", "2"), ("20", "1"), ("20", "2")]
    assert all(_is_positive(row["events/s"]) and row["not handled"] == 0 for row in rows)


async def test_sandbox_is_measured() -> None:
    """What payments take of a sandbox is told, and the last compared with the first of another."""
    figures = await compare_lives(payments=60, batch=20)
    assert [row["payments"] for row in figures["What a payment's life takes of the sandbox's process"]] == ["20", "40"]
    (row,) = figures["A payment's life after 40 others; base: in a new sandbox"]
    assert _is_positive(row["ratio"])
    assert _is_positive(row["sandbox's CPU ratio"])


async def test_agreements_are_measured() -> None:
    """A page of a list and a charge are compared with few agreements and with more."""
    rows = await compare_agreements(few=100, many=150, rounds=2)
    assert [row["work"] for row in rows] == ["a page of a list", "a charge, created and read"]
    assert all(_is_positive(row["ratio"]) for row in rows)


async def test_versions_are_measured() -> None:
    """Each kind of work is done in both checkouts, here one and the same."""
    rows = await compare_versions(ROOT, rounds=2)
    assert [row["work"] for row in rows] == list(WORKS)
    assert all(_is_positive(row["CPU ratio"]) for row in rows)


def test_the_command_names_what_takes_long() -> None:
    """``python -m benchmarks --help`` names the benchmarks that run only if they are asked for."""
    pytest.importorskip("httpx", reason="calls are measured against httpx's")
    told = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, check=True, capture_output=True)
    named = set(re.findall(rb'"\w+"', told.stdout))
    assert {b'"stores"', b'"inboxes"', b'"sandbox"', b'"contention"'} <= named


def _is_positive(cell: object) -> bool:
    return isinstance(cell, float) and cell > 0
