"""An event loop in a thread of its own, for callers that have none. Performs no I/O.

One for each process: threads do not survive a fork, so that the child begins another.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs work from any thread in one event loop, which begins with the first work.

    Args:
        name: of the thread.
        on_start: called in the loop before its first work.
    """

    def __init__(self, name: str, on_start: Callable[[], object]) -> None:
        self._name = name
        self._on_start = on_start
        self._lock = Lock()
        self._process = 0
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a loop in this process."""
        return self._loop is not None and self._process == os.getpid()

    def start(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which runs from now on if it did not.

        Raises:
            Exception: whatever *on_start* raises; then there is no loop.
        """
        if self._process != os.getpid():
            self._lock, self._process, self._loop = Lock(), os.getpid(), None  # what a fork left is of no use
        with self._lock:
            if self._loop is None:
                self._loop = self._begin()
            return self._loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin *work* in the loop; what is returned can be waited for in any thread."""
        try:
            loop = self.start()
        except BaseException:
            work.close()
            raise
        return asyncio.run_coroutine_threadsafe(work, loop)

    def stop(self) -> None:
        """End the loop, and wait for its thread; nothing where there is none."""
        if not self.is_running or self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop = None

    def _begin(self) -> asyncio.AbstractEventLoop:
        loop, started = asyncio.new_event_loop(), Future[None]()

        def start() -> None:
            try:
                started.set_result(self._on_start() and None)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the start is told
                started.set_exception(error)
                loop.stop()

        def serve() -> None:
            try:
                loop.call_soon(start)
                loop.run_forever()
            finally:
                loop.close()

        # A daemon: the process ends although nobody stopped it, as it does for any crash.
        self._thread = Thread(target=serve, name=self._name, daemon=True)
        self._thread.start()
        started.result()
        return loop
