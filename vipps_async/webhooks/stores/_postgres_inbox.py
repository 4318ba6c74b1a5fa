"""The inbox of a `PostgresStore`: a table beside that of the events that took effect."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from vipps_async.webhooks.stores._postgres_table import KEEP, Tables, advice_on_errors, storable_key
from vipps_async.webhooks.stores.base import RENEWAL_GAIN, DeadLetter, InboxSize, StoredEvent

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # asyncpg ships no marker of types

# A plan that was made, and kept, while the table was nearly empty reads all of it, also once it is large.
_BY_INDEX = ", ".join(f"set_config('enable_{step}', 'off', true)" for step in ("seqscan", "bitmapscan", "sort"))
_PLAN = f"SELECT {_BY_INDEX}"
# In a statement of its own, so that the next one sees what the one before has done who held the lock. It gives the
# events of a subject their ids in the order in which they become visible, and says which of them is the first.
_LOCK = f"SELECT pg_advisory_xact_lock(hashtextextended('{{inbox}} ' || $1 || ' ' || $2, 0)), {_BY_INDEX}"

_PUT = """
INSERT INTO {inbox} (key, receiver, subject, body, is_first)
SELECT $1, $2, $3, $4, NOT EXISTS (SELECT FROM {inbox} WHERE receiver = $2 AND subject = $3 AND is_first)
WHERE NOT EXISTS (SELECT FROM {table} WHERE key = $1 AND done)
ON CONFLICT (key) DO NOTHING RETURNING {durable}
"""
_TAKE = """
WITH next AS MATERIALIZED (
    SELECT key FROM {inbox} WHERE receiver = $1 AND is_first AND due_at < 'infinity' AND due_at <= now()
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE {inbox} SET holder = $2, due_at = now() + $3::interval, attempts = attempts + 1
WHERE key = (SELECT key FROM next) RETURNING id, key, receiver, subject, body, attempts AS attempt, holder
"""
_RENEW = "UPDATE {inbox} SET due_at = now() + $3::interval WHERE holder = $1 AND id = ANY ($2::bigint[])"
_COMPLETE = "DELETE FROM {inbox} WHERE key = $1 AND id = $2 AND holder = $3"
_POSTPONE = """
UPDATE {inbox} SET holder = NULL, due_at = now() + $4::interval, error = $5
WHERE key = $1 AND id = $2 AND holder = $3"""
_RELEASE = """
UPDATE {inbox} SET holder = NULL, due_at = now() + $4::interval, attempts = attempts - 1
WHERE key = $1 AND id = $2 AND holder = $3"""
_BURY = """
UPDATE {inbox} SET holder = NULL, is_first = is_first AND $5, due_at = CASE WHEN $5 THEN 'infinity'::timestamptz END,
    error = $4, died_at = now()
WHERE key = $1 AND id = $2 AND holder = $3"""
# The first of a subject is its earliest event, but one that is being handled is left to its end, although an earlier
# one was requeued meanwhile.
_CHOOSE_FIRST = """
WITH earliest AS MATERIALIZED (
    SELECT key FROM {inbox} WHERE receiver = $1 AND subject = $2 AND due_at IS NOT NULL ORDER BY id LIMIT 1
), put_back AS (
    UPDATE {inbox} SET is_first = false
    WHERE receiver = $1 AND subject = $2 AND is_first AND key <> (SELECT key FROM earliest)
    AND (holder IS NULL OR due_at <= now()) RETURNING true
)
UPDATE {inbox} SET is_first = true
WHERE key = (SELECT key FROM earliest) AND NOT is_first AND (
    EXISTS (SELECT FROM put_back)
    OR NOT EXISTS (SELECT FROM {inbox} WHERE receiver = $1 AND subject = $2 AND is_first)
)
"""
_DEAD = """
SELECT key, receiver, subject, body, attempts, error, stored_at, died_at FROM {inbox}
WHERE died_at IS NOT NULL ORDER BY died_at, id LIMIT $1"""
_FIND_DEAD = "SELECT receiver, subject FROM {inbox} WHERE key = $1 AND died_at IS NOT NULL"
_REQUEUE = """
UPDATE {inbox} SET due_at = now(), attempts = 0, died_at = NULL, error = NULL
WHERE key = $1 AND died_at IS NOT NULL RETURNING key"""
_DISCARD = """
WITH gone AS (DELETE FROM {inbox} WHERE key = $1 AND died_at IS NOT NULL RETURNING key)
INSERT INTO {table} AS mark (key, done, expires_at) SELECT key, true, now() + $2::interval FROM gone
ON CONFLICT (key) DO UPDATE SET done = true, expires_at = greatest(mark.expires_at, excluded.expires_at)
RETURNING {durable}
"""
_SIZE = "SELECT count(*) - count(died_at) AS waiting, count(died_at) AS dead FROM {inbox}"


class PostgresInbox:
    """Holds events in a table; `Inbox` describes what its methods do. Times are the server's.

    Args:
        tables: the store's.
        retention: how long a discarded event is remembered.

    Each method raises what the database says, TimeoutError if no connection came free within 3 seconds, or, as the
    store's claim, ConfigurationError and WrongEventLoop.
    """

    def __init__(self, tables: Tables, retention: timedelta) -> None:
        self._tables = tables
        self._retention = retention

    async def put(self, key: str, subject: str, body: bytes, *, receiver: str) -> bool:
        """Hold an event on disk from now on; return ``False`` if it is held already, or took effect before."""
        name, subject = storable_key(key), storable_key(subject)
        async with self._locked(receiver, subject) as connection:
            held = await connection.fetchval(self._tables.sql(_PUT), name, receiver, subject, body)
            if held is None:
                await connection.execute(self._tables.sql(KEEP), name, self._retention, RENEWAL_GAIN)
        return held is not None

    async def take(self, receiver: str, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event of *receiver* that has been due for longest, for *lease*; ``None`` if none is due."""
        async with self._transaction() as connection:
            await connection.execute(_PLAN)
            row = await connection.fetchrow(self._tables.sql(_TAKE), receiver, holder, lease)
        return StoredEvent(**row) if row else None

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events that *holder* has for another *lease* from now on."""
        async with self._transaction() as connection:
            await connection.execute(_PLAN)
            await connection.execute(self._tables.sql(_RENEW), holder, ids, lease)

    async def complete(self, event: StoredEvent) -> None:
        """Remove an event that took effect."""
        await self._settle(_COMPLETE, event)

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*."""
        await self._settle(_POSTPONE, event, pause, _printable(error))

    async def release(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*."""
        await self._settle(_RELEASE, event, pause)

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event."""
        await self._settle(_BURY, event, _printable(error), stops)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters that died first, *limit* at most."""
        async with self._tables.connection() as connection:
            return [DeadLetter(**row) for row in await connection.fetch(self._tables.sql(_DEAD), limit)]

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; ``False`` if there is none."""
        return await self._settle_dead(_REQUEUE, storable_key(key))

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, and mark its event as one that took effect; ``False`` if there is none."""
        return await self._settle_dead(_DISCARD, storable_key(key), self._retention)

    async def size(self) -> InboxSize:
        """Return how many events wait, and how many are dead."""
        async with self._tables.connection() as connection:
            return InboxSize(**await connection.fetchrow(self._tables.sql(_SIZE)))

    async def _settle(self, statement: str, event: StoredEvent, *values: object) -> None:
        place = event.receiver, event.subject
        async with self._locked(*place) as connection:
            await connection.execute(self._tables.sql(statement), event.key, event.id, event.holder, *values)
            await connection.execute(self._tables.sql(_CHOOSE_FIRST), *place)

    async def _settle_dead(self, statement: str, key: str, *values: object) -> bool:
        async with self._tables.connection() as connection:
            place = await connection.fetchrow(self._tables.sql(_FIND_DEAD), key)
        if place is None:
            return False
        async with self._locked(*place) as connection:
            settled = await connection.fetchval(self._tables.sql(statement), key, *values)
            await connection.execute(self._tables.sql(_CHOOSE_FIRST), *place)
        return settled is not None

    @asynccontextmanager
    async def _locked(self, receiver: str, subject: str) -> "AsyncIterator[PoolConnectionProxy]":
        """Return a transaction in which nobody else adds, settles or removes an event of the subject."""
        async with self._transaction() as connection:
            await connection.execute(self._tables.sql(_LOCK), receiver, subject)
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> "AsyncIterator[PoolConnectionProxy]":
        # Each statement has to see what was committed before it, whatever the database's default is.
        async with self._tables.connection() as connection, connection.transaction(isolation="read_committed"):
            with advice_on_errors():
                yield connection


def _printable(error: str) -> str:
    """Return *error* without what PostgreSQL's text cannot hold."""
    return error.replace("\0", "\\0").encode(errors="backslashreplace").decode()
