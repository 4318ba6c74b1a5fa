"""A process that handles events in an SQLite store, when it is told on its standard input.

    open <path> <at once>        opens the store, and all the connections that it needs
    claim <events> <seconds>     handles so many new events, each with an effect, after which the handler takes longer

The answer to the second is a line of JSON: when the events began and ended, and how many seconds each took, or nothing
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
    """Do what is asked, until nothing more is."""
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            match line.split():
                case "open", path, number:
                    store, at_once = SQLiteStore(path), int(number)
                    answer = runner.run(claim(store, at_once, at_once, 0))
                case _, events, seconds:
                    answer = runner.run(claim(store, at_once, int(events), float(seconds)))
            print(answer, flush=True)


if __name__ == "__main__":
    main()
