"""A process that handles events in an SQLite store, when it is told on its standard input.

    open <path> <at once>        comes first, and opens all the connections that are needed
    claim <events> <seconds>     handles so many new events, each with an effect, after which the handler takes longer

The answer to each is a line of JSON: when the events began and ended, and how many seconds each took, or nothing
for one that was not handled.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4

from vipps_async.errors import ClaimHeld
from vipps_async.webhooks.stores.sqlite import SQLiteStore


async def handle(store: SQLiteStore, seconds: float) -> float | None:
    """Let a new event take effect; return how long that took, or None if it has to come again."""
    began = time.perf_counter()
    try:
        async with store.claim(uuid4().hex) as claim:
            await claim.connection.execute("INSERT INTO effects VALUES ('order-1')")
            await asyncio.sleep(seconds)
    except ClaimHeld:
        return None
    return time.perf_counter() - began


async def claim(store: SQLiteStore, at_once: int, events: int, seconds: float) -> str:
    """Handle events, and return what is to be answered."""
    left, took = iter(range(events)), list[float | None]()

    async def work() -> None:
        for _ in left:
            took.append(await handle(store, seconds))

    began = time.time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return json.dumps({"began": began, "ended": time.time(), "took": took})


def main() -> None:
    """Open a store, and do what is asked, until nothing more is."""
    _, path, at_once = sys.stdin.readline().split()
    store = SQLiteStore(path)
    with asyncio.Runner() as runner:
        print(runner.run(claim(store, int(at_once), int(at_once), 0)), flush=True)
        for line in sys.stdin:
            _, events, seconds = line.split()
            print(runner.run(claim(store, int(at_once), int(events), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
