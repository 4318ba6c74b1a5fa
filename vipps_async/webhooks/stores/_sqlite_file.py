"""The file of an `SQLiteStore`: a connection that reads, one that writes, and some for handlers."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.stores import _schema
from vipps_async.webhooks.stores._sqlite_forks import refuse_inherited
from vipps_async.webhooks.stores._sqlite_thread import ConnectionThread
from vipps_async.webhooks.stores._sqlite_transaction import HandlerTransaction, held_if_busy
from vipps_async.webhooks.stores._sqlite_writer import WRITE_TIMEOUT, Writer, is_busy
from vipps_async.webhooks.stores._write_turn import WriteTurn

T = TypeVar("T")

CONNECTION_TIMEOUT = 3.0  # seconds to wait until a handler is done with one
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('vipps_events', 'vipps_inbox')"
_VERSIONS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'vipps_schema'"


class EventsFile:
    """A file that is opened at its first use, in one event loop.

    Args:
        path: the file; beside it lies one that ends in ``-turn``, where those who write queue.
        connections: how many handlers have one at once.
    """

    _reader: ConnectionThread
    _writer: Writer

    def __init__(self, path: str, connections: int) -> None:
        self.path = path
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Writer] = []
        self._opening = asyncio.Lock()
        self._is_open = False
        self._is_closed = False

    async def open(self) -> None:
        """Open the file, unless it is open, and bring its tables up to date.

        Raises:
            ConfigurationError: it cannot be opened, is no database on a local disk, has other tables, or was open when
                the process forked.
            sqlite3.OperationalError: another program locked it for too long.
            TimeoutError: another process wrote for too long.
        """
        async with self._opening:
            if not self._is_open:
                refuse_inherited(self.path)
                try:
                    await self._open()
                except (sqlite3.DatabaseError, OSError) as error:
                    if is_busy(error):
                        raise
                    raise ConfigurationError(f"the events' file {self.path!r} cannot be used: {error}") from error
                self._is_open = True

    async def close(self) -> None:
        """Close every connection, those with handlers as they come back."""
        self._is_closed = True
        if self._is_open:
            for connection in (*self._idle, self._writer, self._reader):
                await connection.close()

    async def read(self, statement: str, values: Mapping[str, object]) -> list[Any]:
        """Return the rows of a query, which waits for nobody who writes."""
        return await self._reader.run(lambda connection: connection.execute(statement, values).fetchall())

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run a step of the store's own, as `Writer.write` does."""
        return await self._writer.write(work, durable=durable)

    @asynccontextmanager
    async def transaction(self, key: str) -> AsyncIterator[HandlerTransaction]:
        """Lend a connection to the handlers of the event *key*.

        Raises:
            ClaimHeld: none came free.
        """
        with held_if_busy(key):
            async with asyncio.timeout(CONNECTION_TIMEOUT):
                await self._free.acquire()
        try:
            writer = self._idle.pop() if self._idle else await self._new_writer()
            try:
                yield HandlerTransaction(writer, key)
            finally:
                await self._take_back(writer)
        finally:
            self._free.release()

    async def _take_back(self, writer: Writer) -> None:
        if writer.guard.is_altered or self._is_closed:
            await writer.close()
        else:
            writer.connection.row_factory, writer.connection.text_factory = None, str
            self._idle.append(writer)

    async def _open(self) -> None:
        async with AsyncExitStack() as opened:
            reader = ConnectionThread()
            opened.push_async_callback(reader.close)
            await reader.open(self.path)
            await reader.run(_log_ahead)
            writer = await self._new_writer()
            opened.push_async_callback(writer.close)
            if await reader.run(self._migrations):
                await writer.write(self._migrate, durable=True)
            opened.pop_all()
        self._reader, self._writer = reader, writer

    async def _new_writer(self) -> Writer:
        writer = Writer(WriteTurn(f"{self.path}-turn"))
        try:
            await writer.open(self.path)
        except BaseException:
            await writer.close()
            raise
        return writer

    def _migrations(self, connection: sqlite3.Connection) -> list[str]:
        tables = [name for (name,) in connection.execute(_TABLES)]
        ((has_version,),) = connection.execute(_VERSIONS)
        found = connection.execute("SELECT version FROM vipps_schema").fetchone()[0] if has_version else None
        return _schema.migrations("sqlite", found=found, tables=tables, place=f"the events' file {self.path!r}")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        for script in self._migrations(connection):  # what others have not run meanwhile
            for statement in _statements(script):
                connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements one by one: run as a script, they would be committed one by one."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself while another process does the same."""
    deadline = time.monotonic() + WRITE_TIMEOUT
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
    if mode != ("wal",):
        raise sqlite3.DatabaseError("it must be a file on a local disk, which can have a write-ahead log")
