"""A process that says how many bytes it grows by when it begins to wait 10,000 times.

It waits for ``time``, for ``payments``, or for payments with the ``signal`` of events. The waits for payments rest as
they do from the start, before their first read.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from resource import getpagesize
from typing import Any

from benchmarks.client import KEYS
from vipps_async import VippsClient
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

WAITS = 10_000
LONG = 600.0  # seconds


def resident() -> int:
    """Return how many bytes of memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


async def growth(wait: Callable[[int], Coroutine[Any, Any, object]]) -> int:
    """Return how many bytes it takes that so many tasks wait."""
    gc.collect()
    before = resident()
    tasks = [asyncio.create_task(wait(number)) for number in range(WAITS)]
    await asyncio.sleep(0.1)  # until each of them waits
    gc.collect()
    grown = resident() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return grown


async def measure(what: str) -> int:
    """Return how many bytes waits of that kind take."""
    receiver = WebhookReceiver(url="https://shop.example/", secrets=["secret of nobody"], store=MemoryStore())
    async with VippsClient(KEYS, environment="http://127.0.0.1:1") as vipps:

        async def sleep(_: int) -> None:
            await asyncio.sleep(LONG)

        async def wait(number: int) -> None:
            await vipps.epayment.wait(f"acme-shop-123-{number}", timeout=LONG)

        async def wait_for_events(number: int) -> None:
            await vipps.epayment.wait(f"acme-shop-123-{number}", timeout=LONG, signal=receiver)

        return await growth({"time": sleep, "payments": wait, "signal": wait_for_events}[what])


if __name__ == "__main__":
    print(asyncio.run(measure(sys.argv[1])))
