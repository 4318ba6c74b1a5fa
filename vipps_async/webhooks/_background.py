"""Work that nobody's cancellation ends but its own, and that is waited for in the end. Performs no I/O."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs work in tasks, and holds on to them until they end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def run(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Begin *work*, and return its task."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def ended(self) -> None:
        """Return once nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)


async def end_of(work: asyncio.Future[Any]) -> None:
    """Return once *work* has ended, however; cancelling this call does not cancel it."""
    # Takes two thirds of the time of asyncio.shield, and half that of asyncio.wait.
    has_ended = asyncio.get_running_loop().create_future()

    def tell(_: object) -> None:
        if not has_ended.done():
            has_ended.set_result(None)

    work.add_done_callback(tell)
    await has_ended


async def finished(work: asyncio.Future[T]) -> T:
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
