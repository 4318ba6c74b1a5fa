"""A process that says how many bytes it grows by when it begins to wait 10,000 times.

It has 10,000 tasks that read a payment each, and then sleep (``time``), wait for it to change (``payments``), or wait
so with the ``signal`` of events. All rest after one read when it measures, holding the payment that they read.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from resource import getpagesize
from typing import Any

from benchmarks.children import child
from benchmarks.client import KEYS
from vipps_async import Payment, RetryPolicy, VippsClient
from vipps_async._http.polling import Polls, PollSchedule
from vipps_async.epayment import EPayment
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

WAITS = 10_000
LONG = 600.0  # seconds
PATIENT = RetryPolicy(attempt_timeout=LONG)  # all want to read at the same time, over 100 connections


def resident() -> int:
    """Return how many bytes of memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


async def growth(
    wait: Callable[[str], Coroutine[Any, Any, object]], all_have_read: Callable[[], Awaitable[object]]
) -> int:
    """Return how many bytes it takes that so many tasks wait."""
    gc.collect()
    before = resident()
    tasks = [asyncio.create_task(wait(f"acme-shop-123-{number:05}")) for number in range(WAITS)]
    await all_have_read()
    await asyncio.sleep(0.1)  # until each of them rests
    gc.collect()
    grown = resident() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return grown


async def measure(what: str) -> int:
    """Return how many bytes waits of that kind take."""
    receiver = WebhookReceiver(url="https://shop.example/", secrets=["secret of nobody"], store=MemoryStore())
    rested, reads = asyncio.Event(), 0

    def is_over(_: Payment) -> bool:
        nonlocal reads
        reads += 1
        if reads == WAITS:
            rested.set()
        return False

    async with child("benchmarks.answering") as server:
        url = f"http://127.0.0.1:{await server.hear()}"
        async with VippsClient(KEYS, environment=url, timeout=LONG, retry=PATIENT) as vipps:
            await vipps.epayment.get("acme-shop-123-00000")  # with the token
            payments = EPayment(vipps, Polls(PollSchedule(interval=LONG)))

            async def sleep(reference: str) -> None:
                payment = await payments.get(reference)
                is_over(payment)
                await asyncio.sleep(LONG)
                raise AssertionError(payment)  # which it holds until then

            async def wait(reference: str) -> None:
                await payments.wait(reference, timeout=2 * LONG, until=is_over)

            async def wait_for_events(reference: str) -> None:
                await payments.wait(reference, timeout=2 * LONG, until=is_over, signal=receiver)

            kinds = {"time": sleep, "payments": wait, "signal": wait_for_events}
            return await growth(kinds[what], rested.wait)


if __name__ == "__main__":
    print(asyncio.run(measure(sys.argv[1])))
