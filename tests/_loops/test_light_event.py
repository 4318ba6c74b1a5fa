"""An event that takes little memory is an asyncio event all the same."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable

from vipps_async._loops.light_event import LightEvent

MANY = 1000


def size_of(make: Callable[[], object]) -> float:
    """How many bytes of memory each of many takes."""
    gc.collect()
    tracemalloc.start()
    try:
        made = [make() for _ in range(MANY)]
        return tracemalloc.get_traced_memory()[0] / len(made)
    finally:
        tracemalloc.stop()


async def test_all_who_wait_are_woken() -> None:
    """Setting it wakes everybody who waits for it; who gives up waiting does not keep the others from it."""
    event = LightEvent()
    first, second, third = (asyncio.create_task(event.wait()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    assert (first.done(), third.done()) == (False, False)
    event.set()
    assert await first
    assert await third
    assert event.is_set()


async def test_it_can_be_set_again() -> None:
    """Once it is cleared it is waited for again, and while it is set nobody has to wait."""
    event = LightEvent()
    for _ in range(2):
        waiting = asyncio.create_task(event.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        event.set()
        assert await waiting
        assert await event.wait()
        event.clear()


def test_it_takes_little_memory() -> None:
    """It takes less than a fifth of what asyncio's own event takes."""
    assert size_of(LightEvent) < size_of(asyncio.Event) / 5
