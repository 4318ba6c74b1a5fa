"""An event loop in a thread of its own, for callers that have none. Performs no I/O.

Threads do not survive a fork: each process that has work begins a loop of its own. What belongs to the parent's stays
as it is in the child, since destructors would close what the parent uses.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

import attrs

T = TypeVar("T")

# Of all loops of a process, and held over a fork, so that no child finds it locked for ever.
_starting = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


class LoopStopped(RuntimeError):
    """There was a loop, and it was stopped for good."""


@attrs.frozen
class _Running:
    loop: asyncio.AbstractEventLoop
    thread: Thread


class LoopThread:
    """Runs work from any thread in one event loop, which begins with the first work.

    Args:
        name: of the thread.
        on_start: called in the loop before its first work; by default nothing is.
    """

    def __init__(self, name: str, on_start: Callable[[], object] = lambda: None) -> None:
        self._name = name
        self._on_start = on_start
        self._by_process: dict[int, _Running] = {}
        self._is_stopped = False

    @property
    def is_running(self) -> bool:
        """Whether there is a loop in this process."""
        return os.getpid() in self._by_process

    def start(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which runs from now on if it did not.

        Raises:
            LoopStopped: it was stopped.
            Exception: whatever *on_start* raises; then there is no loop.
        """
        with _starting:
            if self._is_stopped:
                raise LoopStopped
            running = self._by_process.get(os.getpid())
            if running is None:
                running = self._by_process[os.getpid()] = self._begin()
        return running.loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin *work* in the loop; what is returned can be waited for in any thread.

        Raises:
            Exception: as `start`; then there is no work.
        """
        try:
            loop = self.start()
        except BaseException:
            work.close()
            raise
        return asyncio.run_coroutine_threadsafe(work, loop)

    def stop(self) -> None:
        """End the loop for good, and wait for its thread."""
        with _starting:
            self._is_stopped = True
            running = self._by_process.pop(os.getpid(), None)
        if running is not None:
            running.loop.call_soon_threadsafe(running.loop.stop)
            running.thread.join()

    def _begin(self) -> _Running:
        loop, started = asyncio.new_event_loop(), Future[None]()

        def start() -> None:
            try:
                self._on_start()
            except BaseException as error:  # noqa: BLE001 - whoever waits for the start is told
                loop.stop()
                started.set_exception(error)
            else:
                started.set_result(None)

        def serve() -> None:
            loop.call_soon(start)
            try:
                loop.run_forever()
            finally:
                loop.close()

        # A daemon, so that a process ends although nobody stopped the loop.
        thread = Thread(target=serve, name=self._name, daemon=True)
        thread.start()
        started.result()
        return _Running(loop, thread)
