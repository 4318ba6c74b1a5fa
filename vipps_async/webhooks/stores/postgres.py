"""A store in PostgreSQL: an event's effect and the mark that it took effect commit together, or neither does."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from vipps_async._wire.durations import checked_duration
from vipps_async.errors import ClaimHeld, DeliveryError, shorten
from vipps_async.webhooks.stores._postgres_inbox import PostgresInbox
from vipps_async.webhooks.stores._postgres_table import KEEP, PATIENCE, Tables, advice_on_errors, storable_key
from vipps_async.webhooks.stores.base import LONGEST_RETENTION, RENEWAL_GAIN, Claim

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # as above

_logger = logging.getLogger("vipps_async.webhooks")

# A purge every few events, of more rows than were written since the last, so that it catches up; few, so that no event
# waits.
_EVENTS_A_PURGE = 16
_ROWS_A_PURGE = 64
_PURGE_TIMEOUT = timedelta(seconds=1)

_TOO_MANY_CONNECTIONS = "53300"  # PostgreSQL documentation, appendix A

# The lock keeps duplicates from waiting inside INSERT for the first to end: they are told at once that it is held. It
# ends with the transaction, however that ends. Keys whose hashes collide exclude each other, and are redelivered. A row
# that is there and not done is of a handler that ended the claim's transaction: the event is as new.
_ACQUIRE = """
WITH known AS MATERIALIZED (
    SELECT expires_at < now() + $2::interval - $3::interval AS gains FROM {table} WHERE key = $1 AND done
), turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('{table} ' || $1::text, 0)) AS is_ours
), mine AS (
    INSERT INTO {table} AS mark (key, expires_at) SELECT $1, now() + $2::interval FROM turn
    WHERE is_ours AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT (key) DO UPDATE SET expires_at = greatest(mark.expires_at, excluded.expires_at) RETURNING done
)
SELECT CASE
    WHEN EXISTS (SELECT FROM known WHERE gains) THEN 'keep'
    WHEN EXISTS (SELECT FROM known) THEN 'done'
    WHEN NOT is_ours THEN 'held'
    ELSE (SELECT CASE WHEN done THEN 'done' ELSE 'new' END FROM mine) -- done since this statement began
END FROM turn
"""
# Tells whether the row was written by the transaction that is open now; it is gone if that was rolled back.
_COMPLETE = """
UPDATE {table} AS mark SET done = true FROM {table} AS begun
WHERE mark.key = $1 AND begun.key = $1 AND NOT mark.done
RETURNING begun.xmin = pg_current_xact_id_if_assigned()::xid AS is_ours, {durable} AS durability
"""
# The array makes sure that the rows are chosen once, and SKIP LOCKED that no purge waits for another. An event that is
# in the inbox is taken again if what removes it failed, however long ago it took effect.
_PURGE = """
DELETE FROM {table} WHERE key = ANY (ARRAY(
    SELECT key FROM {table} AS mark WHERE expires_at < now() AND NOT EXISTS (SELECT FROM {inbox} WHERE key = mark.key)
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
))
"""


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
            starve it, and should use the claim's. Behind PgBouncer the pool needs ``statement_cache_size=0``.
        retention: how long, in seconds or as a timedelta, an event is remembered at least after its last delivery, by
            the server's clock; a little longer than Vipps MobilePay redelivers.
        table: the table's name, ``schema.table`` if need be, in lower case; the inbox's is the same with ``_inbox``
            behind it, and that of the tables' version with ``_schema``. `create_schema` makes them.

    Raises:
        ConfigurationError: *pool* is no pool, *retention* is not above 0, or *table* is no name.

    ::

        @receiver.on(PaymentEventName.AUTHORIZED)
        async def ship(event: PaymentEvent, claim: PostgresClaim) -> None:
            await claim.connection.execute("INSERT INTO shipments (reference) VALUES ($1)", event.reference)
    """

    def __init__(
        self, pool: "Pool", *, retention: float | timedelta = timedelta(days=8), table: str = "vipps_events"
    ) -> None:
        self._retention = checked_duration("retention", retention, most=LONGEST_RETENTION)
        self._tables = Tables(pool, table)
        self._inbox = PostgresInbox(self._tables, self._retention)
        self._completed = 0

    @property
    def retention(self) -> timedelta:
        """The least time for which an event is remembered after its last delivery; purges come with new events."""
        return self._retention

    @property
    def inbox(self) -> PostgresInbox:
        """The events that are held for later, and the dead letters among them."""
        return self._inbox

    @property
    def schema(self) -> str:
        """The SQL that `create_schema` runs where there are no tables yet, for those who migrate themselves."""
        return self._tables.schema

    async def create_schema(self) -> None:
        """Create the tables, or bring them up to date; any number of processes may do so at once.

        Raises:
            ConfigurationError: there are tables of the same names without a version, or of a newer one.
        """
        await self._tables.create()

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[PostgresClaim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        The mark is written at the start of a transaction that ends with the claim, and counts once it is completed,
        after the handlers. A commit that fails raises; if its outcome is lost with the connection, the redelivery finds
        effect and mark both, or neither.

        Raises:
            ClaimHeld: another claim of the same event is being held, or there was no connection for it: none came free
                within 3 seconds, or the server has none left. Nothing was tried.
            RuntimeError: a handler ended the claim's transaction. What was committed stays; the event counts as done if
                every handler came to its end after a commit, and comes again otherwise.
            ConfigurationError: the tables are missing or of another version, or there is a pooler between pool and
                server, and the pool keeps prepared statements.
            WrongEventLoop: the pool is another event loop's.
            DeliveryError: the database answered something else than it was asked.
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
            await self._tables.release(connection)
        if not is_new:
            yield PostgresClaim(True)

    async def _connection_for(self, key: str) -> "PoolConnectionProxy":
        try:
            return await self._tables.acquire()
        except TimeoutError as error:
            _logger.warning(
                "no connection of the pool came free within %s s: make it larger, or handlers faster", PATIENCE
            )
            raise ClaimHeld(key) from error
        except Exception as error:
            if getattr(error, "sqlstate", None) != _TOO_MANY_CONNECTIONS:
                raise
            _logger.warning(
                "the server has no connection left for the pool: make it smaller, or max_connections larger"
            )
            raise ClaimHeld(key) from error

    async def _acquire(self, connection: "PoolConnectionProxy", key: str) -> bool:
        """Return whether the event is new, and then write its mark, which does not count yet."""
        name, sql = storable_key(key), self._tables.sql
        with advice_on_errors():
            found = await connection.fetchval(sql(_ACQUIRE), name, self._retention, RENEWAL_GAIN)
            if found == "keep":
                await connection.execute(sql(KEEP), name, self._retention, RENEWAL_GAIN)
        if found == "held":
            raise ClaimHeld(key)
        if found not in {"new", "done", "keep"}:
            raise DeliveryError(f"PostgreSQL, asked for event {key}, answered {shorten(found)}; nothing was handled")
        return bool(found == "new")

    async def _complete(self, connection: "PoolConnectionProxy", key: str) -> None:
        # PostgreSQL answers COMMIT of a failed transaction with a rollback and no error: the effect would be lost. A
        # handler that committed leaves no transaction open, and this commits by itself: all handlers have ended.
        with advice_on_errors():
            mark = await connection.fetchrow(self._tables.sql(_COMPLETE), storable_key(key))
        if mark is None or not mark["is_ours"]:
            raise RuntimeError(
                f"a handler of event {key} ended the claim's transaction; commit and rollback are the store's"
            )

    async def _purge(self, connection: "PoolConnectionProxy") -> None:
        # After the claim's transaction, and apart from it: the event has taken effect, whatever happens here.
        self._completed += 1
        if self._completed % _EVENTS_A_PURGE != 1:
            return
        try:
            await connection.execute(self._tables.sql(_PURGE), _ROWS_A_PURGE, timeout=_PURGE_TIMEOUT.total_seconds())
        except Exception:
            _logger.exception("expired events stay in the store's table until a later purge")
