"""The tables of a `PostgresStore`: their names, their version, their keys, and the pool they are in."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from vipps_async._drivers import CallersPool
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.stores._schema import migrations

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # as above

# Seconds that a delivery waits for a free connection; Webhooks API: an answer is awaited for 10.
PATIENCE = 3.0

# Lower case, so that the name means the same with quotes and without; short, so that the indexes' names fit as well.
_TABLE_NAME = re.compile(r"(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,46}")
# What PostgreSQL's text holds, and an index entry too (a third of a page at most).
_PLAIN_KEY = re.compile(r"[ -~]{0,1000}")

# What is answered 200 must be on disk, whatever the session, the role or the database says of its commits. A commit
# that waits for more than the own disk, such as a standby's, stays as it is.
_DURABLE = """
set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)"""

# How a duplicate has its event remembered for longer: only where the gain is worth a write.
KEEP = """
UPDATE {table} SET expires_at = now() + $2::interval
WHERE key = $1 AND done AND expires_at < now() + $2::interval - $3::interval"""

# SQLSTATE -> what to do about it; PostgreSQL documentation, appendix A.
_ADVICE = {
    "25P02": "a handler caught a database error: wrap what may fail in `async with claim.connection.transaction()`",
}
# Opening pg_class has the session hear of tables that were made since it last looked, which to_regclass alone does not.
_EXISTING = "SELECT name FROM unnest($1::text[]) AS name JOIN pg_class ON pg_class.oid = to_regclass(name)"
_CREATION_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('vipps_async create_schema', 0))"


class Tables:
    """The tables of a store, in a caller's pool.

    Args:
        pool: the caller's.
        table: the name that they all begin with.

    Raises:
        ConfigurationError: *pool* is no pool, or *table* no name.
    """

    def __init__(self, pool: "Pool", table: str) -> None:
        self._pool = CallersPool(pool, name="PostgresStore")
        self._names = {
            "table": _quoted(table, ""),
            "inbox": _quoted(table, "_inbox"),
            "schema": _quoted(table, "_schema"),
            "name": table.rpartition(".")[2],
            "durable": _DURABLE,
        }
        self._is_checked = False

    def sql(self, text: str) -> str:
        """Return *text* with the names in its braces filled in."""
        return text.format_map(self._names)

    @property
    def schema(self) -> str:
        """The SQL that makes the tables."""
        return "\n".join(map(self.sql, migrations("postgres", found=None, tables=(), place="")))

    async def create(self) -> None:
        """Bring the tables up to date; any number of processes may do so at once.

        Raises:
            ConfigurationError: what is there is no version that is known here.
        """
        async with self._pool.connection(PATIENCE) as connection:
            # Whoever may use the tables, but not create any, needs no more than this.
            if not await self._missing(connection):
                return
            async with connection.transaction():
                # Two that create the same table at once fail.
                await connection.execute(_CREATION_LOCK)
                for text in await self._missing(connection):
                    await connection.execute(self.sql(text))

    async def acquire(self) -> "PoolConnectionProxy":
        """Take a connection, to be given to `release`.

        Raises:
            TimeoutError: none became free within `PATIENCE`.
            ConfigurationError: the tables are missing, or of a version that is not known here; or as `CallersPool`.
            WrongEventLoop: the pool is another event loop's.
        """
        connection = await self._pool.acquire(PATIENCE)
        if not self._is_checked:
            try:
                await self._check(connection)
            except BaseException:
                await self.release(connection)
                raise
        return connection

    async def release(self, connection: "PoolConnectionProxy") -> None:
        """Give a connection back."""
        await self._pool.release(connection, PATIENCE)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[PoolConnectionProxy]":
        """Take a connection for the length of a block; raises what `acquire` does."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def _check(self, connection: "PoolConnectionProxy") -> None:
        if await self._missing(connection):
            raise ConfigurationError(
                f"the store's tables {self._names['table']} are missing, or older than this vipps_async: "
                "`await store.create_schema()`, or run the SQL of `store.schema`"
            )
        self._is_checked = True

    async def _missing(self, connection: "PoolConnectionProxy") -> list[str]:
        """Return the scripts that would bring the tables up to date."""
        names = {self._names[name]: name for name in ("table", "inbox", "schema")}
        existing = [name for (name,) in await connection.fetch(_EXISTING, [*names])]
        found = None
        if self._names["schema"] in existing:
            found = await connection.fetchval(self.sql("SELECT max(version) FROM {schema}"))
        return migrations("postgres", found=found, tables=existing, place="the PostgreSQL database")


@contextmanager
def advice_on_errors() -> Iterator[None]:
    """Add advice to the database's errors."""
    try:
        yield
    except Exception as error:
        advice = _ADVICE.get(getattr(error, "sqlstate", ""))
        if advice:
            error.add_note(advice)
        raise


def _quoted(table: str, suffix: str) -> str:
    if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
        raise ConfigurationError(
            f"table={table!r} must be a lower-case name of letters, digits and _, 47 at most, or schema.name"
        )
    return ".".join(f'"{part}"' for part in f"{table}{suffix}".split("."))


def storable_key(key: str) -> str:
    """Return what stands for *key* in a table: itself, or the hash of the rare one that does not fit.

    That is one with NUL or a lone surrogate, in another script, or very long.
    """
    if _PLAIN_KEY.fullmatch(key):
        return key
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
