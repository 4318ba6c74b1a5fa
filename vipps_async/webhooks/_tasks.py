"""Work that nobody's cancellation ends but its own, and that is waited for in the end. Performs no I/O."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

UNWINDING = 2.0  # seconds that work may take to end once it was cancelled


class BackgroundTasks:
    """Runs work in tasks, and holds on to them until they end."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], object] = {}

    def run(self, work: Coroutine[Any, Any, T], *, name: str, about: object = "") -> asyncio.Task[T]:
        """Begin *work*, and return its task; *about* is shown with its name if it is given up."""
        task = asyncio.create_task(work, name=name)
        self._running[task] = about
        task.add_done_callback(self._running.pop)
        return task

    async def close(self, timeout: float) -> list[str]:
        """Wait until nothing runs any more, for *timeout* seconds at most, then cancel what does.

        Returns:
            What was given up, with names; what does not end although it is cancelled is left behind.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while self._running and (left := until - loop.time()) > 0:
            await asyncio.wait(self._running, timeout=left)
        given_up = dict(self._running)
        await cancel(*given_up)
        return [f"{task.get_name()} {about}" for task, about in given_up.items()]


async def cancel(*tasks: asyncio.Task[Any]) -> bool:
    """Cancel *tasks*, give them a moment to end, and return whether all did; those that do not are abandoned."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return True
    _, running = await asyncio.wait(tasks, timeout=UNWINDING)
    return not running


async def end_of(work: asyncio.Future[Any], timeout: float | None = None) -> None:
    """Return once *work* has ended, however, or after *timeout* seconds; cancelling this call does not cancel it."""
    # asyncio.wait, which a delivery needs twice, makes each take a sixth longer.
    loop = asyncio.get_running_loop()
    has_ended = loop.create_future()

    def tell(_: object = None) -> None:
        if not has_ended.done():
            has_ended.set_result(None)

    work.add_done_callback(tell)
    timer = None if timeout is None else loop.call_later(timeout, tell)
    try:
        await has_ended
    finally:
        if timer is not None:
            timer.cancel()


async def wait_uncancelled(work: asyncio.Future[T]) -> T:
    """Await *work* to its end even if this task is cancelled meanwhile, which then counts after it."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await end_of(work)
        except asyncio.CancelledError as error:
            cancelled = error
    result = work.result()
    if cancelled is not None:
        raise cancelled
    return result
