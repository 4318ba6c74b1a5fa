"""The PostgreSQL pool that a caller passes in: asyncpg's, used in one event loop, fit for what is in between."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from vipps_async._loops import OneLoop
from vipps_async.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # as above

# Finds itself if it has a name, by a text that no other statement has.
_WHO_ANSWERS = """
SELECT pg_backend_pid() AS server,
    EXISTS (SELECT FROM pg_prepared_statements WHERE statement LIKE '%{text}%') AS is_named
"""
_DUPLICATE_PREPARED_STATEMENT = "42P05"


class CallersPool:
    """A caller's pool, looked at before it is used.

    A pooler between the pool and the server, such as PgBouncer, gives a connection another of its own connections for
    each transaction. The names of prepared statements, which asyncpg's cache counts up, are the server's: on another
    connection they are nobody's, or another process's, and that one's statement would be run instead.

    Args:
        pool: what the caller passed.
        name: the class that was given it.

    Raises:
        ConfigurationError: *pool* is no pool.
    """

    def __init__(self, pool: "Pool", *, name: str) -> None:
        if not hasattr(pool, "acquire"):
            raise ConfigurationError(
                f"pool is a {type(pool).__name__}, and must be what `await asyncpg.create_pool(…)` returns; "
                "asyncpg comes with pip install 'vipps-async[postgres]'"
            )
        self._pool = pool
        self._name = name
        # asyncpg tells the event loop of a pool in no other way, and in another one its connections hang.
        self._loop = OneLoop(owner=f"the pool of this {name}", loop=getattr(pool, "_loop", None))
        self.is_direct: bool | None = None
        """Whether nothing is in between; ``None`` before the first connection."""

    async def acquire(self, timeout: float | None) -> "PoolConnectionProxy":
        """Take a connection, to be given to `release`.

        Args:
            timeout: seconds that it may take until one is free.

        Raises:
            WrongEventLoop: the pool is another event loop's.
            TimeoutError: none became free.
            ConfigurationError: there is a pooler in between, and the pool keeps prepared statements.
        """
        self._loop.check()
        # Not acquire's own timeout, which takes a task.
        async with asyncio.timeout(timeout):
            connection = await self._pool.acquire()
        if self.is_direct is None:
            try:
                self.is_direct = await self._checked(connection)
            except BaseException:
                await self.release(connection, timeout)
                raise
        return connection

    async def release(self, connection: "PoolConnectionProxy", timeout: float | None) -> None:
        """Give a connection back; it is closed if that takes longer than *timeout* seconds."""
        await self._pool.release(connection, timeout=timeout)

    @asynccontextmanager
    async def connection(self, timeout: float) -> "AsyncIterator[PoolConnectionProxy]":
        """Take a connection for the length of a block; raises what `acquire` does."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        finally:
            await self.release(connection, timeout)

    async def _checked(self, connection: "PoolConnectionProxy") -> bool:
        """Return whether the server that answers is the one that was connected to."""
        try:
            async with connection.transaction():  # for the length of which a pooler does not change the server
                row = await connection.fetchrow(_WHO_ANSWERS.format(text=secrets.token_hex(16)))
        except Exception as error:
            if getattr(error, "sqlstate", None) != _DUPLICATE_PREPARED_STATEMENT:
                raise
            raise self._refusal() from error
        is_direct = bool(row["server"] == connection.get_server_pid())
        if row["is_named"] and not is_direct:  # without asyncpg's cache, statements have no names
            raise self._refusal()
        return is_direct

    def _refusal(self) -> ConfigurationError:
        return ConfigurationError(
            f"the pool of this {self._name} reaches PostgreSQL through a pooler such as PgBouncer, where one process's "
            "prepared statements are taken for another's: make it with asyncpg.create_pool(…, statement_cache_size=0)"
        )
