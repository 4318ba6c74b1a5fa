"""Transactions that write to an SQLite file, each in its turn: a step of the store's own, or all that a handler does.

A transaction takes SQLite's lock for writing at its beginning, so that what it reads still holds when it writes.
"""

import asyncio
import concurrent.futures
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from vipps_async.webhooks.stores._sqlite_guard import HandlerGuard, mark_beginning, prove_unbroken
from vipps_async.webhooks.stores._sqlite_thread import ConnectionThread
from vipps_async.webhooks.stores._write_turn import WriteTurn

T = TypeVar("T")

# Seconds to wait for others who write; Webhooks API: an answer is awaited for 10 seconds.
WRITE_TIMEOUT = 5.0


class Writer(ConnectionThread):
    """A connection that writes, and its place in the queue of those who do."""

    guard: HandlerGuard

    def __init__(self, turn: WriteTurn) -> None:
        super().__init__()
        self._turn = turn

    async def open(self, path: str) -> None:
        """Connect to the file at *path*, guarded."""
        await super().open(path)
        self.guard = HandlerGuard(self.connection)

    async def write(
        self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False, timeout: float | None = None
    ) -> T:
        """Run *work* in a transaction, and return what it returns.

        Args:
            work: what is called in the thread; what it raises undoes it.
            durable: return when it is on disk.
            timeout: seconds to wait for others who write, `WRITE_TIMEOUT` if it is not given.

        Raises:
            TimeoutError: others in the queue wrote for too long.
            sqlite3.OperationalError: a program that is not in the queue did, which `is_busy` tells from other errors.
        """
        return await self._in_turn(partial(self._write, work, durable=durable), timeout or WRITE_TIMEOUT)

    async def begin(self) -> None:
        """Begin a handler's transaction; does nothing if it has begun. Raises what `write` does."""
        await self._in_turn(partial(self._begin, durable=True), WRITE_TIMEOUT)

    async def execute(self, work: Callable[[], T]) -> T:
        """Run a handler's *work* in its transaction, as `HandlerGuard.run` does."""
        return await self.run(lambda connection: self.guard.run(connection, work))

    async def commit(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run *work* in the handler's transaction, and commit it.

        Raises:
            RuntimeError: SQLite has ended the transaction.
        """
        await self.run(partial(self._commit, work))

    def abandon(self, work: Callable[[sqlite3.Connection], None]) -> "concurrent.futures.Future[None]":
        """Undo what is not committed, and run *work* in a transaction if possible; what is asked for later comes after.

        It is not for who waits to hear of it: where it cannot be written, nothing is.
        """
        self.submit(self._leave)
        return self.submit(partial(self._attempt, work), turn=self._turn)

    async def _in_turn(self, step: Callable[..., T], timeout: float) -> T:
        async with asyncio.timeout(timeout):
            return await self.run(partial(step, deadline=time.monotonic() + timeout), turn=self._turn)

    # From here on in the thread.

    def _write(
        self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection, *, durable: bool, deadline: float
    ) -> T:
        self._begin(connection, durable=durable, deadline=deadline)
        return self._commit(work, connection)

    def _attempt(self, work: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection) -> None:
        with suppress(sqlite3.Error):
            self._write(work, connection, durable=False, deadline=time.monotonic() + WRITE_TIMEOUT)

    def _begin(self, connection: sqlite3.Connection, *, durable: bool, deadline: float) -> None:
        if connection.in_transaction:
            return
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            _lock(connection, deadline)
            mark_beginning(connection)
        except BaseException:
            self._leave(connection)
            raise

    def _commit(self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
        try:
            prove_unbroken(connection)
            result = work(connection)
            connection.commit()
            return result
        finally:
            self._leave(connection)

    def _leave(self, connection: sqlite3.Connection) -> None:
        try:
            connection.rollback()  # does nothing after a commit
        finally:
            self._turn.release()


def _lock(connection: sqlite3.Connection, deadline: float) -> None:
    """Begin a transaction that may write, once programs that are not in the queue let it."""
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return


def is_busy(error: Exception) -> bool:
    """Whether somebody else's write was in the way, and for too long."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, TimeoutError) or code & 0xFF == sqlite3.SQLITE_BUSY
