"""Transactions that write, each in its turn, from the store's own single steps to all that a handler does.

A transaction takes SQLite's lock for writing at its beginning, so that what it reads still holds when it writes. A
handler's statements run in it, but none that would end it. SQLite may end it by itself all the same: after ``INSERT OR
ROLLBACK``, a trigger's ``RAISE(ROLLBACK)``, a full disk. What is executed after that would be committed at once and
alone, so nothing is executed any more; and at the end the savepoint that was made at the beginning proves that the
transaction is still the same.
"""

import asyncio
import concurrent.futures
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from vipps_async.webhooks.stores._sqlite_thread import ConnectionThread
from vipps_async.webhooks.stores._write_turn import WriteTurn

T = TypeVar("T")

# Seconds to wait for others who write; Webhooks API: an answer is awaited for 10 seconds.
WRITE_TIMEOUT = 5.0
_SAVEPOINT = "vipps_claim"
_REFUSED = {
    sqlite3.SQLITE_TRANSACTION: "the store commits or rolls back what a handler does, together with the event's mark",
    sqlite3.SQLITE_ATTACH: "SQLite does not commit to two files as one: open the store in the file that is written to",
    sqlite3.SQLITE_DETACH: "the handler's transaction is that of one file",
}
_ROLLED_BACK = "SQLite rolled the claim's transaction back under its handler: the event has to come again"


class Writer(ConnectionThread):
    """A connection that writes, and its place in the queue of those who do."""

    def __init__(self, turn: WriteTurn) -> None:
        super().__init__()
        self._turn = turn
        self._is_handler = False
        self._refusal: str | None = None
        #: Whether a handler has left more than rows behind: temporary tables, or settings of the connection.
        self.is_altered = False

    async def open(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Make the connection, guarded."""
        await super().open(connect)
        self.connection.set_authorizer(self._authorize)

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
        """Run a handler's *work* in its transaction.

        Raises:
            sqlite3.OperationalError: SQLite has ended the transaction.
            sqlite3.ProgrammingError: the statement is none for a handler.
        """
        return await self.run(partial(self._guard, work))

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
            connection.execute(f"SAVEPOINT {_SAVEPOINT}")
        except BaseException:
            self._leave(connection)
            raise

    def _commit(self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
        try:
            _prove(connection)
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

    def _guard(self, work: Callable[[], T], connection: sqlite3.Connection) -> T:
        if not connection.in_transaction:
            raise sqlite3.OperationalError(_ROLLED_BACK)
        self._is_handler, self._refusal = True, None
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if self._refusal is None:
                raise
            raise sqlite3.ProgrammingError(self._refusal) from error  # SQLite says no more than "not authorized"
        finally:
            self._is_handler = False

    def _authorize(self, action: int, _: str | None, __: str | None, database: str | None, ___: str | None) -> int:
        if not self._is_handler:
            return sqlite3.SQLITE_OK
        self._refusal = _REFUSED.get(action)
        if self._refusal is not None:
            return sqlite3.SQLITE_DENY
        self.is_altered = self.is_altered or database == "temp" or action == sqlite3.SQLITE_PRAGMA
        return sqlite3.SQLITE_OK


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


def _prove(connection: sqlite3.Connection) -> None:
    try:
        connection.execute(f"RELEASE {_SAVEPOINT}")
    except sqlite3.OperationalError as error:
        raise RuntimeError(_ROLLED_BACK) from error


def is_busy(error: Exception) -> bool:
    """Whether somebody else's write was in the way, and for too long."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, TimeoutError) or code & 0xFF == sqlite3.SQLITE_BUSY
