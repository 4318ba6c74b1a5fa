"""A store in PostgreSQL: an event's effect and the mark that it took effect commit together, or neither does."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from vipps_async._postgres import check_pool
from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores._postgres_inbox import PostgresInbox
from vipps_async.webhooks.stores._postgres_table import KEEP, PATIENCE, advised, quoted, stored
from vipps_async.webhooks.stores.base import RENEWAL_GAIN, Claim

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # as above

_logger = logging.getLogger("vipps_async.webhooks")

# A purge every few events, of more rows than were written since the last, so that it catches up; few, so that no event
# waits.
_EVENTS_A_PURGE = 16
_ROWS_A_PURGE = 64
_PURGE_TIMEOUT = timedelta(seconds=1)

# The index over a million marks is read from its oldest end: vacuum often, or purges wade through the dead entries.
_SCHEMA = """\
CREATE TABLE IF NOT EXISTS {table} (
    key text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL -- when the mark may be purged
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX IF NOT EXISTS "{name}_expires_at" ON {table} (expires_at);
"""
_LOOK = "SELECT EXISTS (SELECT FROM {table} WHERE key = $1)"
# The lock keeps duplicates from waiting inside INSERT for the first to end: they are told at once that it is held. It
# ends with the transaction, however that ends. Keys whose hashes collide exclude each other, and are redelivered.
_ACQUIRE = """
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('{table} ' || $1::text, 0)) AS is_ours
), mark AS (
    INSERT INTO {table} (key, expires_at) SELECT $1, now() + $2::interval FROM turn WHERE is_ours
    ON CONFLICT (key) DO NOTHING RETURNING key
)
SELECT CASE WHEN NOT is_ours THEN 'held' WHEN EXISTS (SELECT FROM mark) THEN 'new' ELSE 'done' END FROM turn
"""
# The array makes sure that the rows are chosen once, and SKIP LOCKED that no purge waits for another.
_PURGE = """
DELETE FROM {table} WHERE key = ANY (ARRAY(
    SELECT key FROM {table} AS old WHERE expires_at < now()
    AND NOT EXISTS (SELECT FROM {inbox} AS held WHERE held.key = old.key)
    ORDER BY expires_at LIMIT $1 FOR UPDATE OF old SKIP LOCKED
))
"""
_HAS_TABLES = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL"
_CREATION_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('vipps_async create_schema', 0))"


@attrs.frozen
class PostgresClaim(Claim):
    """A claim whose effect can be written in the transaction that marks the event."""

    _connection: "PoolConnectionProxy | None" = attrs.field(default=None, repr=False)

    @property
    def connection(self) -> "PoolConnectionProxy":
        """The connection on which the mark is written: what is written through it commits with the mark, or not at all.

        Its transaction is open, and the store ends it; ``connection.transaction()`` makes a savepoint. Valid until
        the claim is left.

        Raises:
            RuntimeError: the claim is a duplicate, and must change nothing.
        """
        if self._connection is None:
            raise RuntimeError("a duplicate has no connection: its event took effect before")
        return self._connection


class PostgresStore:
    """Remembers events in a table, for any number of processes: with `PostgresClaim.connection`, exactly one effect.

    Args:
        pool: the caller's ``asyncpg.Pool``, which stays open; its ``command_timeout`` bounds every statement here too.
            A claim occupies a connection while its handlers run: a handler that takes another from the same pool can
            starve it, and should use the claim's.
        retention: how long an event is remembered at least after its last delivery, by the server's clock; a little
            longer than Vipps MobilePay redelivers.
        table: the table's name, ``schema.table`` if need be, in lower case; the inbox's is the same with ``_inbox``
            behind it. `create_schema` makes both.

    Raises:
        ConfigurationError: *pool* is no pool, *retention* is not above 0, or *table* is no name.

    ::

        @receiver.on(PaymentEventName.AUTHORIZED)
        async def ship(event: PaymentEvent, claim: PostgresClaim) -> None:
            await claim.connection.execute("INSERT INTO shipments (reference) VALUES ($1)", event.reference)
    """

    def __init__(self, pool: "Pool", *, retention: timedelta = timedelta(days=8), table: str = "vipps_events") -> None:
        check_pool(pool)
        if retention <= timedelta(0):
            raise ConfigurationError(f"retention={retention!r} must be above 0")
        self._pool = pool
        self._retention = retention
        self._table = quoted(table)
        self._name = table.rpartition(".")[2]
        self._inbox = PostgresInbox(pool, table, retention)
        names = {"table": self._table, "inbox": self._inbox.table}
        self._acquiring, self._look, self._keep, self._purging = (
            sql.format_map(names) for sql in (_ACQUIRE, _LOOK, KEEP, _PURGE)
        )
        self._marked = 0

    @property
    def retention(self) -> timedelta:
        """How long an event is remembered at least after its last delivery; purges come with new events."""
        return self._retention

    @property
    def inbox(self) -> PostgresInbox:
        """The events that are held for later, and the dead letters among them."""
        return self._inbox

    @property
    def schema(self) -> str:
        """The SQL that `create_schema` runs, for those who migrate themselves."""
        return _SCHEMA.format(table=self._table, name=self._name) + self._inbox.schema

    async def create_schema(self) -> None:
        """Create the tables unless they are there; any number of processes may do so at once."""
        async with self._pool.acquire() as connection:
            # Whoever may use the tables, but not create any, needs no more than this.
            if await connection.fetchval(_HAS_TABLES, self._table, self._inbox.table):
                return
            async with connection.transaction():
                # IF NOT EXISTS alone fails where two create the same table at once.
                await connection.execute(_CREATION_LOCK)
                await connection.execute(self.schema)

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[PostgresClaim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        The mark is written at the start of a transaction that ends with the claim. A commit that fails raises; if its
        outcome is lost with the connection, the redelivery finds effect and mark both, or neither.

        Raises:
            ClaimHeld: another claim of the same event is being held, or no connection came free within 3 seconds.
            RuntimeError: a handler ended the claim's transaction.
            asyncpg.PostgresError, OSError: the database says no, or is away.
        """
        connection = await self._connection_for(key)
        try:
            async with connection.transaction():
                is_new = await self._acquire(connection, key)
                if is_new:
                    yield PostgresClaim(False, connection)
                    await self._complete(connection, key)
            if is_new:
                await self._purge(connection)
        finally:
            await self._pool.release(connection, timeout=PATIENCE)
        if not is_new:
            yield PostgresClaim(True)

    async def _connection_for(self, key: str) -> "PoolConnectionProxy":
        try:
            # Not acquire's own timeout, which takes a task.
            async with asyncio.timeout(PATIENCE):
                return await self._pool.acquire()
        except TimeoutError as error:
            _logger.warning(
                "no connection of the pool came free within %s s: make it larger, or handlers faster", PATIENCE
            )
            raise ClaimHeld(key) from error

    async def _acquire(self, connection: "PoolConnectionProxy", key: str) -> bool:
        """Return whether the event is new, and then marked."""
        with advised():
            found = await connection.fetchval(self._acquiring, stored(key), self._retention)
            if found == "done":
                await connection.execute(self._keep, stored(key), self._retention, RENEWAL_GAIN)
        if found == "held":
            raise ClaimHeld(key)
        return bool(found == "new")

    async def _complete(self, connection: "PoolConnectionProxy", key: str) -> None:
        # PostgreSQL answers COMMIT of a failed transaction with a rollback and no error: the effect would be lost.
        with advised():
            is_marked = await connection.fetchval(self._look, stored(key))
        if not is_marked or not connection.is_in_transaction():
            raise RuntimeError(
                f"a handler of event {key} ended the claim's transaction; commit and rollback are the store's"
            )

    async def _purge(self, connection: "PoolConnectionProxy") -> None:
        # After the claim's transaction, and apart from it: the event has taken effect, whatever happens here.
        self._marked += 1
        if self._marked % _EVENTS_A_PURGE != 1:
            return
        try:
            await connection.execute(self._purging, _ROWS_A_PURGE, timeout=_PURGE_TIMEOUT.total_seconds())
        except Exception:
            _logger.exception("expired events stay in %s until a later purge", self._table)
