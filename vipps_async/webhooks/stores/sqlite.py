"""A store in an SQLite file, for the processes of one machine.

What the file holds if a process dies: before the lease is committed, nothing; while the handler runs, the lease, which
runs out, since SQLite undoes the transaction; after its commit, the effect and the mark.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import attrs

from vipps_async._loops.per_loop import PerLoop
from vipps_async._wire.durations import checked_duration
from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores import _schema
from vipps_async.webhooks.stores._sqlite_file import EventsFile
from vipps_async.webhooks.stores._sqlite_inbox import SQLiteInbox
from vipps_async.webhooks.stores._sqlite_marks import Marks
from vipps_async.webhooks.stores._sqlite_transaction import HandlerTransaction, held_if_busy
from vipps_async.webhooks.stores.base import LONGEST_RETENTION, Claim

if TYPE_CHECKING:
    from aiosqlite import Connection

    from vipps_async.webhooks.stores._sqlite_connection import ClaimConnection


@attrs.frozen
class SQLiteClaim(Claim):
    """A claim with the connection on which the event is marked.

    What a handler writes through `connection` commits together with the mark, when the event's handlers are done, or
    not at all. From its first statement on, a read included, nothing else can write to the file, so that what it read
    still holds when it writes: do what takes long before.
    """

    _connection: "Connection | None" = attrs.field(default=None, repr=False)

    @property
    def connection(self) -> "Connection":
        """The connection, good until the claim is left.

        Its first statement waits for others who write, and begins a transaction. That is the store's to end: a handler
        may use savepoints, but neither commit nor roll back nor attach another file, which raises
        `sqlite3.ProgrammingError`. If SQLite ends it, as after ``INSERT OR ROLLBACK``, no statement is taken any more,
        and the event has to come again, also if the handler does not let the error through.

        Raises:
            RuntimeError: the claim is a duplicate, and must change nothing.
        """
        if self._connection is None:
            raise RuntimeError("a duplicate has no connection: its event took effect before")
        return self._connection


class SQLiteStore:
    """Remembers events in a file; what handlers write through their claim takes effect exactly once.

    The first use creates file and tables, and switches the file to write-ahead logging, which needs a local disk. Leave
    the store with ``async with``, or `close` it once the receiver is closed. Processes queue for writing in the order
    of their arrival; one that is stopped while it writes keeps the others waiting for a few seconds each, after which
    their events have to come again. A store works in one event loop at a time, and not in a process that was forked
    while it was open.

    Args:
        path: the file; the one with the shop's own tables lets handlers write to those.
        retention: how long, in seconds or as a timedelta, an event is remembered after its last delivery; a little
            longer than Vipps MobilePay redelivers.
        lease: after how long, likewise, the claim of a process that was killed is free; one that lives renews it.
        connections: how many handlers run at once; each has a thread, which is kept for the next.
        clock: seconds since 1970, the same in all processes.

    Raises:
        ConfigurationError: aiosqlite is not installed, or an argument is not above 0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: float | timedelta = timedelta(days=8),
        lease: float | timedelta = timedelta(seconds=60),
        connections: int = 8,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if connections < 1:
            raise ConfigurationError(f"connections={connections!r} must be 1 or more")
        self._connection_type = _connection_type()
        self._file = PerLoop(partial(EventsFile, os.fspath(path), connections), owner="this SQLiteStore")
        self._retention = checked_duration("retention", retention, most=LONGEST_RETENTION)
        leased = checked_duration("lease", lease)
        self._marks = Marks(clock=clock, retention=self._retention.total_seconds(), lease=leased.total_seconds())
        self._inbox = SQLiteInbox(self._opened, self._marks)

    async def __aenter__(self) -> "SQLiteStore":
        await self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def retention(self) -> timedelta:
        """The time for which an event is remembered after its last delivery."""
        return self._retention

    @property
    def inbox(self) -> SQLiteInbox:
        """The events that are held for later, and the dead letters among them."""
        return self._inbox

    @property
    def schema(self) -> str:
        """The SQL that creates the tables in a file that has none, as the first use of the store does by itself."""
        return "".join(_schema.migrations("sqlite", found=None, tables=[], place=""))

    async def create_schema(self) -> None:
        """Create the tables if they are not there, as the first use of the store does by itself.

        Raises:
            ConfigurationError: the file cannot be opened, is no database on a local disk, has tables without a version
                or of a newer one, or was open when the process forked.
            WrongEventLoop: another event loop uses the store.
            TimeoutError: another process wrote for too long.
        """
        await self._opened()

    async def close(self) -> None:
        """Close the file; a later claim opens it again.

        Raises:
            WrongEventLoop: another event loop uses the store.
        """
        file = self._file.get()
        self._file.pop()
        await file.close()

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[SQLiteClaim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: another task or process is inside its claim of the event; or no connection came free, or others
                wrote for too long; or, on leaving, another has taken the event after this claim could not renew its
                lease, and then nothing that was written through the claim is kept.
            ConfigurationError: as `create_schema`.
            RuntimeError: on leaving, SQLite has ended the handlers' transaction.
            WrongEventLoop: another event loop uses the store.
        """
        with held_if_busy(key):
            file = await self._opened()
            is_done = await self._marks.is_done(file, key)
        if is_done is False:
            raise ClaimHeld(key)
        if is_done:
            yield SQLiteClaim(is_duplicate=True)
            return
        mine = {"key": key, "holder": uuid4().hex}
        async with file.transaction(key) as transaction, self._leased(transaction, mine):
            connection = self._connection_type(transaction)
            try:
                yield SQLiteClaim(False, connection)
            finally:
                connection.leave()

    async def _opened(self) -> EventsFile:
        file = self._file.get()
        await file.open()
        return file

    @asynccontextmanager
    async def _leased(self, transaction: HandlerTransaction, mine: Mapping[str, str]) -> AsyncIterator[None]:
        try:
            await transaction.acquire(partial(self._marks.acquire, mine))
            async with _beside(self._renew(transaction, mine)):
                yield
            await transaction.complete(partial(self._marks.complete, mine))
        except BaseException:
            # Also if it was cancelled while it was acquired: its thread may have done that nevertheless.
            await transaction.release(partial(self._marks.release, mine))
            raise

    async def _renew(self, transaction: HandlerTransaction, mine: Mapping[str, str]) -> None:
        while True:
            await asyncio.sleep(self._marks.lease / 3)
            # Where others write for long, they are also in the way of those who would take the lease.
            with suppress(ClaimHeld, sqlite3.Error):
                await transaction.renew(partial(self._marks.renew, mine))


def _connection_type() -> "type[ClaimConnection]":
    try:
        from vipps_async.webhooks.stores._sqlite_connection import ClaimConnection  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        raise ConfigurationError("SQLiteStore needs aiosqlite: pip install 'vipps-async[sqlite]'") from error
    return ClaimConnection


@asynccontextmanager
async def _beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run *work* in a task that ends with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
