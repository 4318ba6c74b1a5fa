"""The benchmarks run, and report what they measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.stores import STORES

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("store", STORES)
def test_stores_are_measured(store: str, tmp_path: Path) -> None:
    """benchmarks/stores.py compares two sizes of a store in each of its situations, and writes the figures down."""
    file = tmp_path / "figures.json"
    options = ["--store", store, "--events", "2000", "--rounds", "2", "--json", str(file)]
    told = subprocess.run([sys.executable, "benchmarks/stores.py", *options], cwd=ROOT, check=True, capture_output=True)
    if b"is left out" in told.stdout:
        pytest.skip(told.stdout.decode())
    title = "An event at 2,000 remembered events; base: at 1,000"
    rows = json.loads(file.read_text())[title]
    assert title in told.stdout.decode()
    assert {row["situation"] for row in rows} in ({"filling", "expiring"}, {"evicting"})
    assert all(row["ratio"] > 0 and row["CPU µs"] > 0 for row in rows)
