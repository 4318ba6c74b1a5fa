"""A connection to an SQLite file in a thread of its own, where it may block."""

import asyncio
import concurrent.futures
import sqlite3
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import attrs

from vipps_async.webhooks._tasks import wait_uncancelled
from vipps_async.webhooks.stores._sqlite_forks import note_closed, note_opened
from vipps_async.webhooks.stores._write_turn import WriteTurn

T = TypeVar("T")

_CLOSE_TIMEOUT = 5.0  # seconds


@attrs.frozen
class _Job:
    """A piece of work; cancelled while it waits, for others or for its turn to write, it is left out."""

    work: Callable[[], Any]
    turn: WriteTurn | None = None
    future: "concurrent.futures.Future[Any]" = attrs.field(factory=concurrent.futures.Future)

    def run(self) -> None:
        if self.turn:
            self.turn.acquire()
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self.work())
            except BaseException as error:  # noqa: BLE001 - it is meant for who waits
                self.future.set_exception(error)
        elif self.turn:
            self.turn.release()


_Jobs = SimpleQueue[_Job | None]


def _serve(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # which would keep alive what its work refers to until the next one comes


def _connect(path: str) -> sqlite3.Connection:
    # Writers that are not in the queue are waited for again and again, while there is time.
    return sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)


def _close(connection: sqlite3.Connection, file: tuple[int, int]) -> None:
    connection.close()
    note_closed(file)


def _end(jobs: _Jobs, close: Callable[[], None]) -> "concurrent.futures.Future[Any]":
    last = _Job(close)
    jobs.put(last)
    jobs.put(None)
    return last.future


class ConnectionThread:
    """Runs work with a connection, one piece after the other, in the order in which it was asked for.

    It ends when it is closed or forgotten, and does not keep the interpreter from ending.
    """

    connection: sqlite3.Connection

    def __init__(self) -> None:
        self._jobs: _Jobs = SimpleQueue()
        self._end: weakref.finalize[Any, Any] = weakref.finalize(self, self._jobs.put, None)
        self._thread = Thread(target=_serve, args=(self._jobs,), name="vipps_async sqlite", daemon=True)

    async def open(self, path: str) -> None:
        """Connect to the file at *path*, to the end even if this is cancelled, so that it is known what to close."""
        self._thread.start()
        job = _Job(partial(self._open, path))
        self._jobs.put(job)
        await wait_uncancelled(asyncio.wrap_future(job.future))

    def submit(
        self, work: Callable[[sqlite3.Connection], T], *, turn: WriteTurn | None = None
    ) -> "concurrent.futures.Future[T]":
        """Have *work* called in the thread, and return what will have its result.

        Args:
            work: what is called.
            turn: what the thread waits for first. If the work begins, it is the work that releases it.
        """
        job = _Job(partial(work, self.connection), turn)
        self._jobs.put(job)
        return job.future

    async def run(self, work: Callable[[sqlite3.Connection], T], *, turn: WriteTurn | None = None) -> T:
        """Return what *work* returns, as `submit` calls it; cancelled before it has begun, it does not begin."""
        return await asyncio.wrap_future(self.submit(work, turn=turn))

    async def close(self) -> None:
        """Close the connection, when what was asked for before is done."""
        last = self._end()
        if last:
            # A thread that another process keeps waiting closes it later.
            await wait_uncancelled(
                asyncio.ensure_future(asyncio.wait({asyncio.wrap_future(last)}, timeout=_CLOSE_TIMEOUT))
            )

    def _open(self, path: str) -> None:
        self.connection = _connect(path)
        self._end.detach()
        self._end = weakref.finalize(self, _end, self._jobs, partial(_close, self.connection, note_opened(path)))
        self._end.atexit = False  # the thread is gone then
