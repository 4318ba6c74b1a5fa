"""Measure what this package costs, relative to doing without it.

    python -m benchmarks [--json FILE] [--only NAME ...]

Both sides of a comparison run in turns, in one run and against the same server processes on loopback, so that their
ratio holds on a busy machine too. Needs what the tests need, and httpx; what is not installed is left out.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from benchmarks import client, imports, parsing, waits, webhooks
from benchmarks.pairs import Row, report

BENCHMARKS: dict[str, tuple[str, Callable[[], Awaitable[list[Row]]]]] = {
    "client": ("Calls, 50 in flight", client.compare_clients),
    "flight": ("Calls by how many are in flight; base: 10", client.compare_flights),
    "webhooks": ("Deliveries of events, 20 in flight", webhooks.compare_receivers),
    "parsing": ("Signatures and documents", parsing.compare_parsers),
    "imports": ("Imports", imports.compare_imports),
    "memory": ("10,000 idle waits; base: tasks that sleep", waits.compare_memory),
    "polls": ("A wait with the signal of events; base: without it", waits.compare_polls),
}


async def measure(names: Collection[str]) -> dict[str, list[Row]]:
    """Measure what *names* says, one after the other, and return tables of figures."""
    return {title: await compare() for name, (title, compare) in BENCHMARKS.items() if name in names}


def main() -> None:
    """Measure what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", action="append", choices=BENCHMARKS, help="measure this; all if none is named")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = options.parse_args()
    report(asyncio.run(measure(given.only or BENCHMARKS)), given.json)


if __name__ == "__main__":
    main()
