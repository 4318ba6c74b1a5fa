"""The inbox of a `PostgresStore`: a table beside that of the events that took effect."""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from vipps_async.webhooks.stores._postgres_table import KEEP, PATIENCE, advised, quoted, stored
from vipps_async.webhooks.stores.base import RENEWAL_GAIN, DeadLetter, InboxSize, StoredEvent

if TYPE_CHECKING:
    from asyncpg import Pool, Record  # type: ignore[import-untyped]  # asyncpg ships no marker of types

_SCHEMA = """\
CREATE TABLE IF NOT EXISTS {inbox} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE,
    receiver text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    holder text, -- who handles it
    due_at timestamptz DEFAULT now(), -- when it may be taken: once the holder's lease or a pause ends; 'infinity' for a
                                      -- dead one that stops its subject, NULL for one that does not
    died_at timestamptz,
    error text -- what ended the last attempt
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX IF NOT EXISTS "{name}_due_at" ON {inbox} (receiver, due_at);
CREATE INDEX IF NOT EXISTS "{name}_turn" ON {inbox} (subject, id);
ALTER TABLE {inbox} ALTER COLUMN subject SET (n_distinct = -0.5);
"""
# The lock, which ends with the statement's transaction, gives the events of a subject their ids in the order in which
# they become visible: nobody can take the second before the first is seen.
_PUT = """
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('{inbox} ' || $2::text, 0)))
INSERT INTO {inbox} (key, subject, body, receiver)
SELECT $1, $2, $3, $4 FROM turn WHERE NOT EXISTS (SELECT FROM {table} WHERE key = $1)
ON CONFLICT (key) DO NOTHING RETURNING id
"""
# A subject's first event is looked up for one event after the other, since a join of the events with those before them
# is quadratic; and in the index of turns, since n_distinct above calls subjects many and small, whatever was sampled.
_TAKE = """
WITH next AS MATERIALIZED (
    SELECT id FROM {inbox} AS one
    WHERE receiver = $1 AND due_at <= now() AND id = (
        SELECT id FROM {inbox} AS first
        WHERE first.subject = one.subject AND first.due_at IS NOT NULL ORDER BY id LIMIT 1
    ) AND NOT EXISTS (
        SELECT FROM {inbox} AS other
        WHERE other.subject = one.subject AND other.holder IS NOT NULL AND other.due_at > now()
    )
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE {inbox} AS taken SET holder = $2, due_at = now() + $3::interval, attempts = attempts + 1
FROM next WHERE taken.id = next.id
RETURNING taken.id, key, receiver, subject, body, attempts AS attempt, holder
"""
_RENEW = "UPDATE {inbox} SET due_at = now() + $3::interval WHERE holder = $1 AND id = ANY ($2::bigint[])"
_COMPLETE = "DELETE FROM {inbox} WHERE id = $1 AND holder = $2"
_POSTPONE = """
UPDATE {inbox} SET holder = NULL, due_at = now() + $3::interval, error = $4 WHERE id = $1 AND holder = $2"""
_RELEASE = """
UPDATE {inbox} SET holder = NULL, due_at = now() + $3::interval, attempts = attempts - 1
WHERE id = $1 AND holder = $2"""
_BURY = """
UPDATE {inbox} SET holder = NULL, due_at = CASE WHEN $4 THEN 'infinity'::timestamptz END, error = $3, died_at = now()
WHERE id = $1 AND holder = $2"""
_DEAD = """
SELECT key, receiver, subject, body, attempts, error, stored_at, died_at FROM {inbox}
WHERE died_at IS NOT NULL ORDER BY died_at, id LIMIT $1"""
_REQUEUE = """
UPDATE {inbox} SET due_at = now(), attempts = 0, died_at = NULL, error = NULL
WHERE key = $1 AND died_at IS NOT NULL RETURNING id"""
_DISCARD = """
WITH dead AS (DELETE FROM {inbox} WHERE key = $1 AND died_at IS NOT NULL RETURNING key)
INSERT INTO {table} (key, expires_at) SELECT key, now() + $2::interval FROM dead
ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at RETURNING key"""
_SIZE = "SELECT count(*) - count(died_at) AS waiting, count(died_at) AS dead FROM {inbox}"


class PostgresInbox:
    """Holds events in a table; `Inbox` describes what its methods do. Times are the server's.

    Args:
        pool: the store's.
        table: the name of the store's table.
        retention: how long an event that took effect is remembered.

    Each method raises what the database says, or TimeoutError if no connection came free within 3 seconds.
    """

    def __init__(self, pool: "Pool", table: str, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention
        self.table = quoted(table, "_inbox")
        self._names = {
            "table": quoted(table),
            "inbox": self.table,
            "name": f"{table.rpartition('.')[2]}_inbox",
        }

    @property
    def schema(self) -> str:
        """The SQL that makes the table."""
        return _SCHEMA.format_map(self._names)

    async def put(self, key: str, subject: str, body: bytes, *, receiver: str) -> bool:
        """Hold an event on disk from now on; return False if it is held already, or took effect before."""
        is_new = bool(await self._rows(_PUT, stored(key), stored(subject), body, receiver))
        if not is_new:
            await self._rows(KEEP, stored(key), self._retention, RENEWAL_GAIN)
        return is_new

    async def take(self, receiver: str, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event of *receiver* that has been due for longest for the length of *lease*; None if none is due."""
        rows = await self._rows(_TAKE, receiver, holder, lease)
        return StoredEvent(**rows[0]) if rows else None

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events that *holder* has for another *lease* from now on."""
        await self._rows(_RENEW, holder, ids, lease)

    async def complete(self, event: StoredEvent) -> None:
        """Remove an event that took effect."""
        await self._rows(_COMPLETE, event.id, event.holder)

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*."""
        await self._rows(_POSTPONE, event.id, event.holder, pause, _printable(error))

    async def release(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*."""
        await self._rows(_RELEASE, event.id, event.holder, pause)

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event."""
        await self._rows(_BURY, event.id, event.holder, _printable(error), stops)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters that died first, *limit* at most."""
        return [DeadLetter(**row) for row in await self._rows(_DEAD, limit)]

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; return False if there is none."""
        return bool(await self._rows(_REQUEUE, stored(key)))

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, so that its event stays known; return False if there is none."""
        return bool(await self._rows(_DISCARD, stored(key), self._retention))

    async def size(self) -> InboxSize:
        """Return how many events wait, and how many are dead."""
        (row,) = await self._rows(_SIZE)
        return InboxSize(**row)

    async def _rows(self, statement: str, *values: object) -> "list[Record]":
        async with self._pool.acquire(timeout=PATIENCE) as connection:
            with advised():
                return list(await connection.fetch(statement.format_map(self._names), *values))


def _printable(error: str) -> str:
    """Return *error* without what PostgreSQL's text cannot hold."""
    return error.replace("\0", "\\0").encode(errors="backslashreplace").decode()
