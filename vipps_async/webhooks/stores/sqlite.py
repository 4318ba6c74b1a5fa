"""A store in an SQLite file, for the processes of one machine.

What the file holds if a process dies: before the lease is committed, nothing; while the handler runs, the lease, which
runs out, since SQLite undoes the transaction; after its commit, the effect and the mark.
"""

import asyncio
import logging
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

from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores import _sqlite_inbox
from vipps_async.webhooks.stores._sqlite_file import EventsFile, connector, is_busy
from vipps_async.webhooks.stores.base import RENEWAL_GAIN, Claim

if TYPE_CHECKING:
    from aiosqlite import Connection

_logger = logging.getLogger("vipps_async.webhooks")

_SCHEMA = """\
CREATE TABLE IF NOT EXISTS vipps_events (
    key TEXT NOT NULL PRIMARY KEY,
    holder TEXT,              -- who lets the event take effect; NULL once it did, which is the mark
    expires_at REAL NOT NULL  -- seconds since 1970: when the holder's lease ends, or when the mark may be purged
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vipps_events_expires_at ON vipps_events (expires_at);
"""
# A lease counts until it ends, a mark as long as it is there.
_LOOK = """
SELECT holder IS NULL, expires_at FROM vipps_events WHERE key = :key AND (holder IS NULL OR expires_at >= :now)"""
_KEEP = "UPDATE vipps_events SET expires_at = :expiry WHERE key = :key AND holder IS NULL AND expires_at < :expiry"
_ACQUIRE = """
INSERT INTO vipps_events (key, holder, expires_at) VALUES (:key, :holder, :until)
ON CONFLICT (key) DO UPDATE SET holder = :holder, expires_at = :until
WHERE holder IS NOT NULL AND expires_at < :now"""
_RENEW = "UPDATE vipps_events SET expires_at = :until WHERE key = :key AND holder = :holder"
_RELEASE = "DELETE FROM vipps_events WHERE key = :key AND holder = :holder"  # which a mark has no more
_COMPLETE = "UPDATE vipps_events SET holder = NULL, expires_at = :expiry WHERE key = :key AND holder = :holder"
# More than the one that an event adds, so that a table that is too large shrinks; few, so that no event waits. A lease
# that ended is still good for who has it, unless another took it: it stays for long.
_PURGE = """
DELETE FROM vipps_events WHERE key IN (
    SELECT key FROM vipps_events AS old
    WHERE expires_at < :now AND (holder IS NULL OR expires_at < :horizon)
    AND NOT EXISTS (SELECT 1 FROM vipps_inbox WHERE vipps_inbox.key = old.key)
    ORDER BY expires_at LIMIT 2
)"""


@attrs.frozen
class SQLiteClaim(Claim):
    """A claim with the connection on which the event is marked.

    What a handler writes through `connection` commits together with the mark, when the event's handlers are done, or
    not at all. From its first write on nothing else can write to the file: do what takes long before.
    """

    _connection: "Connection | None" = attrs.field(default=None, repr=False)

    @property
    def connection(self) -> "Connection":
        """The connection, in a transaction that is the store's to end: a handler may use savepoints, but not commit.

        Raises:
            RuntimeError: the claim is a duplicate, and must change nothing.
        """
        if self._connection is None:
            raise RuntimeError("a duplicate has no connection: its event took effect before")
        return self._connection

    async def lock(self) -> None:
        """Wait until nobody else writes, so that what is read from here on still holds when it is written.

        Call it before the first read. Without it SQLite refuses a write that follows a read ("database is locked",
        SQLITE_BUSY_SNAPSHOT) if others wrote in between, and the event has to come again.
        """
        await self.connection.execute("DELETE FROM vipps_events WHERE FALSE")


class SQLiteStore:
    """Remembers events in a file; what handlers write through their claim takes effect exactly once.

    The first use creates file and tables, and switches the file to write-ahead logging, which needs a local disk. Leave
    the store with ``async with``, or `close` it once the receiver is closed.

    Args:
        path: the file; the one with the shop's own tables lets handlers write to those.
        retention: how long an event is remembered after its last delivery; a little longer than Vipps MobilePay
            redelivers.
        lease: when the claim of a process that was killed is free again; one that lives renews it.
        connections: how many handlers run at once; each has a thread, which is kept for the next.
        clock: seconds since 1970, the same in all processes.

    Raises:
        ConfigurationError: aiosqlite is not installed, or an argument is not above 0.
    """

    schema = _SCHEMA + _sqlite_inbox.SCHEMA

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: timedelta = timedelta(days=8),
        lease: timedelta = timedelta(seconds=60),
        connections: int = 8,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if min(lease, retention) <= timedelta(0) or connections < 1:
            raise ConfigurationError("lease, retention and connections must be above 0")
        self._new_file = partial(EventsFile, os.fspath(path), connector(path), connections)
        self._retention = retention
        self._lease = lease.total_seconds()
        self._clock = clock
        self._file: EventsFile | None = None
        self._opening = asyncio.Lock()
        self._inbox = _sqlite_inbox.SQLiteInbox(self._opened, clock, retention)

    async def __aenter__(self) -> "SQLiteStore":
        await self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def retention(self) -> timedelta:
        """How long an event is remembered after its last delivery."""
        return self._retention

    @property
    def inbox(self) -> _sqlite_inbox.SQLiteInbox:
        """The events that are held for later, and the dead letters among them."""
        return self._inbox

    async def create_schema(self) -> None:
        """Create the tables if they are not there, as the first use of the store does by itself.

        Raises:
            ConfigurationError: the file cannot be opened, or is no database on a local disk.
            sqlite3.OperationalError: another process locked it for too long.
        """
        await (await self._opened()).keeper.executescript(self.schema)

    async def close(self) -> None:
        """Close the file; a later claim opens it again."""
        file, self._file = self._file, None
        if file is not None:
            await file.close()

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[SQLiteClaim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: another task or process is inside its claim of the event; or, on leaving, has taken it after
                this one could not renew its lease, and then nothing that was written through the claim is kept.
            ConfigurationError: as `create_schema`.
            sqlite3.OperationalError: another process, or a handler, locked the file for too long.
            TimeoutError: no connection became free.
        """
        file = await self._opened()
        if await self._is_done(file, key):
            yield SQLiteClaim(is_duplicate=True)
            return
        mine = {"key": key, "holder": uuid4().hex}
        async with self._leased(file, mine), file.lend(partial(self._complete, mine)) as connection:
            yield SQLiteClaim(False, connection)

    async def _opened(self) -> "EventsFile":
        async with self._opening:
            if self._file is None:
                file = self._new_file()
                await file.open(self.schema)
                self._file = file
            return self._file

    async def _is_done(self, file: "EventsFile", key: str) -> bool:
        # Only reads: duplicates, which are most deliveries, wait for no writer.
        times = self._times()
        rows = list(await file.keeper.execute_fetchall(_LOOK, {"key": key, **times}))
        for is_done, expires_at in rows:
            if not is_done:
                raise ClaimHeld(key)
            if expires_at + RENEWAL_GAIN.total_seconds() < times["expiry"]:
                await _changes(file.keeper, _KEEP, {"key": key, **times})
        return bool(rows)

    @asynccontextmanager
    async def _leased(self, file: "EventsFile", mine: Mapping[str, str]) -> AsyncIterator[None]:
        try:
            await self._acquire(file, mine)
            async with _beside(self._renew(file, mine)):
                yield
        except BaseException:
            # Also if cancelled while taking it: its thread has the statement, and runs it nevertheless.
            with suppress(sqlite3.Error, ValueError):  # locked, or closed: then the lease runs out
                await _changes(file.keeper, _RELEASE, mine)
            raise

    async def _acquire(self, file: "EventsFile", mine: Mapping[str, str]) -> None:
        if not await _changes(file.keeper, _ACQUIRE, {**mine, **self._times()}):
            raise ClaimHeld(mine["key"])  # taken since the look

    async def _renew(self, file: "EventsFile", mine: Mapping[str, str]) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with suppress(sqlite3.OperationalError):  # locked, also for those who want to take the lease
                await _changes(file.keeper, _RENEW, {**mine, **self._times()})

    async def _complete(self, mine: Mapping[str, str], connection: "Connection") -> None:
        if not connection.in_transaction:
            raise RuntimeError(f"SQLite rolled the transaction of event {mine['key']} back under its handler")
        values = {**mine, **self._times()}
        try:
            is_held = await _changes(connection, _COMPLETE, values)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            # Whoever has written has the lock, so this handler only read, and others wrote since: nothing is lost.
            await connection.rollback()
            await connection.execute("BEGIN IMMEDIATE")
            is_held = await _changes(connection, _COMPLETE, values)
        if not is_held:
            _logger.warning("event %s was taken over after its lease ran out; nothing is committed here", mine["key"])
            raise ClaimHeld(mine["key"])
        await connection.execute(_PURGE, values)

    def _times(self) -> dict[str, float]:
        now, retention = self._clock(), self._retention.total_seconds()
        return {"now": now, "until": now + self._lease, "expiry": now + retention, "horizon": now - retention}


async def _changes(connection: "Connection", statement: str, values: Mapping[str, object]) -> bool:
    """Run *statement*, and return whether it changed a row."""
    return (await connection.execute(statement, values)).rowcount > 0


@asynccontextmanager
async def _beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run *work* in a task that ends with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
