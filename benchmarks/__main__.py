"""Measure what this package costs, relative to doing without it.

    python -m benchmarks [--json FILE] [--only NAME ...] [--against CHECKOUT]

Both sides of a comparison run in turns, in one run and against the same server processes on loopback, so that their
ratio holds on a busy machine too. Needs what the tests need, and httpx; what is not installed is left out.

What takes many minutes is measured only if it is named: "stores", a store that remembers a million events against one
that remembers a thousand; "inboxes", a take out of an inbox in which a hundred thousand other events are against one in
which a hundred are; "contention", eight processes on one SQLite file against one; "sandbox", a sandbox that has seen
nine thousand payments against a new one; "agreements", one that has ten thousand agreements against one that has a
hundred; "page", its page with five thousand payments against fifty, in Chromium.

With --against, calls, deliveries and claims are measured in this version and in another checkout of the package.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

from benchmarks import (
    agreements,
    client,
    contention,
    imports,
    inboxes,
    page,
    parsing,
    sandbox,
    stores,
    versions,
    waits,
    webhooks,
)
from benchmarks.pairs import Row, Tables, report

Measure = Callable[[], Awaitable[Tables]]


def titled(title: str, compare: Callable[[], Awaitable[Sequence[Row]]]) -> Measure:
    """Return what measures one table."""

    async def measure() -> Tables:
        return {title: await compare()}

    return measure


BENCHMARKS: dict[str, Measure] = {
    "client": titled("Calls, 50 in flight", client.compare_clients),
    "flight": titled("Calls by how many are in flight; base: 10", client.compare_flights),
    "webhooks": titled("Deliveries of events, 20 in flight", webhooks.compare_receivers),
    "parsing": titled("Signatures and documents", parsing.compare_parsers),
    "imports": titled("Imports", imports.compare_imports),
    "memory": titled("10,000 idle waits; base: tasks that read a payment and sleep", waits.compare_memory),
    "polls": titled("A wait with the signal of events; base: without it", waits.compare_polls),
}
LONG: dict[str, Measure] = {
    "contention": titled("An SQLite file, 32 events at once", contention.compare_processes),
    "stores": stores.compare_stores,
    "inboxes": inboxes.compare_inboxes,
    "sandbox": sandbox.compare_lives,
    "agreements": titled("A sandbox with 10,000 agreements; base: with 100", agreements.compare_agreements),
    "page": titled("The sandbox's page with 5,000 payments; base: with 50", page.compare_pages),
}


async def measure(names: Collection[str]) -> Tables:
    """Measure what *names* says, one after the other, and return tables of figures."""
    tables: dict[str, Sequence[Row]] = {}
    for name, measure_one in {**BENCHMARKS, **LONG}.items():
        if name in names:
            tables |= await measure_one()
    return tables


def main() -> None:
    """Measure what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*BENCHMARKS, *LONG]
    options.add_argument(
        "--only", action="append", choices=names, help="measure this; all that is quick if none is named"
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare with the package in this folder")
    given = options.parse_args()
    if given.against:
        rows = asyncio.run(versions.compare_versions(given.against.resolve()))
        report({"This version; base: the other": rows}, given.json)
    else:
        report(asyncio.run(measure(given.only or BENCHMARKS)), given.json)


if __name__ == "__main__":
    main()
