"""How processes share an SQLite file: how many events they handle in a second, and how long one of them waits at most.

One process and eight, with as many events at once in all, run in turns, so that what else the machine does falls on
both. Figures are medians over the rounds.
"""

import asyncio
import json
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.children import Child, child
from benchmarks.pairs import Row

AT_ONCE = 32  # in all processes


async def ask(children: list[Child], line: str) -> list[str]:
    """Ask all *children* at the same time, and return their answers."""
    return list(await asyncio.gather(*(child.ask(line) for child in children)))


def figures(answers: list[str]) -> dict[str, float]:
    """Return what a run of some processes comes to."""
    told: list[dict[str, Any]] = [json.loads(answer) for answer in answers]
    took = [seconds for each in told for seconds in each["took"]]
    handled = [seconds * 1000 for seconds in took if seconds is not None]
    length = max(each["ended"] for each in told) - min(each["began"] for each in told)
    last = quantiles(handled, n=100)[-1]
    return {
        "events/s": len(handled) / length,
        "median, ms": median(handled),
        "p99, ms": last,
        "p99 by median": last / median(handled),
        "not handled": float(len(took) - len(handled)),
    }


async def compare_processes(events: int = 1600, rounds: int = 7, processes: int = 8) -> list[Row]:
    """Compare one process with several, with handlers that only write, and with such that take 20 ms after it."""
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory()), "shop.db")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE effects (reference TEXT)")
        teams = [
            [await stack.enter_async_context(child("benchmarks.claiming")) for _ in range(number)]
            for number in (1, processes)
        ]
        for team in teams:
            await ask(team, f"open {path} {AT_ONCE // len(team)}")
        for seconds, count in ((0.0, events), (0.02, events // 10)):
            runs: list[list[dict[str, float]]] = [[], []]
            for _ in range(rounds):
                for team, told in zip(teams, runs, strict=True):
                    told.append(figures(await ask(team, f"claim {count // len(team)} {seconds}")))
            for team, told in zip(teams, runs, strict=True):
                medians = {name: median(run[name] for run in told) for name in told[0]}
                rows.append({"ms inside": f"{seconds * 1000:.0f}", "processes": f"{len(team)}", **medians})
    return rows
