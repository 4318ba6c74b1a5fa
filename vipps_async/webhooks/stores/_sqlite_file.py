"""The file of an `SQLiteStore`: its connections, lent to handlers in transactions that only the store ends."""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from vipps_async.errors import ConfigurationError
from vipps_async.webhooks._background import finished

if TYPE_CHECKING:
    from aiosqlite import Connection

_logger = logging.getLogger("vipps_async.webhooks")

# Seconds to wait for another's write, or for a free connection; Webhooks API: an answer is awaited for 10 seconds.
PATIENCE = 5.0
_LASTING = "PRAGMA synchronous = FULL"


class EventsFile:
    """An open file: a connection for leases, and a few for handlers."""

    keeper: "Connection"

    def __init__(self, path: str, connect: Callable[[], "Connection"], connections: int) -> None:
        self._path = path
        self._connect = connect
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._is_closed = False
        self._lasting: Connection | None = None
        self._opening_lasting = asyncio.Lock()

    async def open(self, schema: str) -> None:
        """Open the file, and run *schema*.

        Raises:
            ConfigurationError: it cannot be opened, or is no database on a local disk.
        """
        try:
            # A lease that a power cut undoes is no loss: the disk need not have it before the handler runs.
            self.keeper = await self._new_connection("PRAGMA synchronous = NORMAL;" + schema)
        except sqlite3.DatabaseError as error:
            if is_busy(error):
                raise
            raise ConfigurationError(f"the events' file {self._path!r} cannot be used: {error}") from error

    async def close(self) -> None:
        """Close every connection, those with handlers as they come back."""
        self._is_closed = True
        for connection in (self.keeper, self._lasting, *self._idle):
            if connection is not None:
                await connection.close()

    async def lasting(self) -> "Connection":
        """Return the connection for statements whose effect has to outlast a power cut as soon as they are done."""
        async with self._opening_lasting:
            if self._lasting is None:
                self._lasting = await self._new_connection(_LASTING)
            return self._lasting

    @asynccontextmanager
    async def lend(self, settle: Callable[["Connection"], Awaitable[None]]) -> AsyncIterator["Connection"]:
        """Lend a connection in a transaction; *settle* and commit it, or roll it back."""
        await self._wait_for_one()
        try:
            connection = self._idle.pop() if self._idle else await self._new_connection(_LASTING)
            try:
                await connection.execute("BEGIN")  # locks nothing before the first statement
                self._lent.add(connection)
                yield connection
                self._lent.discard(connection)
                await settle(connection)
                await connection.commit()
            finally:
                await self._take_back(connection)
        finally:
            self._free.release()

    async def _wait_for_one(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            raise TimeoutError("every connection is with a handler for long: raise the store's connections") from error

    async def _take_back(self, connection: "Connection") -> None:
        self._lent.discard(connection)
        try:
            await connection.rollback()  # does nothing after a commit
        except BaseException:
            await connection.close()
            raise
        connection.row_factory = None
        self._idle.append(connection)
        if self._is_closed:
            await connection.close()

    async def _new_connection(self, script: str) -> "Connection":
        connection = self._connect()
        # A store that nobody closed must not keep the interpreter from ending.
        thread = connection._thread  # noqa: SLF001 - aiosqlite has no public way
        thread.daemon = True
        try:
            # To its end, or aiosqlite would not know what to close.
            await finished(asyncio.ensure_future(connection))
            await connection.set_authorizer(partial(self._authorize, connection))
            await _log_ahead(connection)
            await connection.executescript(script)
        except BaseException:
            await connection.close()
            await asyncio.to_thread(thread.join)  # which aiosqlite leaves out if it cannot connect
            raise
        return connection

    def _authorize(self, connection: "Connection", action: int, *_: object) -> int:
        if action != sqlite3.SQLITE_TRANSACTION or connection not in self._lent:
            return sqlite3.SQLITE_OK
        # It would part the handler's effect from the mark; all that SQLite says to that is "not authorized".
        _logger.error("a handler must neither commit nor roll back on its claim's connection: the store does that")
        return sqlite3.SQLITE_DENY


def connector(path: str | os.PathLike[str]) -> Callable[[], "Connection"]:
    """Return what makes a connection to the file at *path*.

    Raises:
        ConfigurationError: aiosqlite is not installed.
    """
    try:
        import aiosqlite  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError("SQLiteStore needs aiosqlite: pip install 'vipps-async[sqlite]'") from error
    return partial(aiosqlite.connect, os.fspath(path), timeout=PATIENCE, isolation_level=None)


async def _log_ahead(connection: "Connection") -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself while another process does the same."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            rows = await connection.execute_fetchall("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.02)
    if ("wal",) not in list(rows):
        raise sqlite3.DatabaseError("it must be a file on a local disk, which can have a write-ahead log")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else's write was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
