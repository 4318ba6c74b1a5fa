"""Checks a caller's PostgreSQL pool or Redis client before it is used, in one event loop."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from vipps_async._loops.per_loop import OneLoop
from vipps_async.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types
    from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped]  # as above
    from redis.asyncio import Redis

_logger = logging.getLogger("vipps_async")

_WHY_NO_CLUSTER = (
    "a Redis cluster keeps each key on one of its nodes, and this class asks one server for all; "
    "use a server without cluster mode, with replicas and Sentinel if need be"
)


class CallersRedis:
    """A caller's client, looked at before it is used.

    Args:
        client: what the caller passed.
        name: the class that was given it.
        extra: the extra of this package that installs the library.

    Raises:
        ConfigurationError: *client* is no ``redis.asyncio.Redis``, or the library is not installed.
    """

    def __init__(self, client: "Redis", *, name: str, extra: str) -> None:
        _check_type(client, name, extra)
        self._client = client
        self._name = name
        self._loop = OneLoop(owner=f"the Redis client of this {name}")
        self._is_one_server: bool | None = None

    def here(self) -> "Redis":
        """Return the client, for a use that any server of a cluster can serve.

        Raises:
            WrongEventLoop: it is another event loop's.
        """
        self._loop.check()
        return self._client

    async def of_one_server(self) -> "Redis":
        """Return the client, once its server has told that it has all keys.

        Raises:
            WrongEventLoop: as `here`.
            ConfigurationError: the server is a node of a cluster.
            redis.exceptions.RedisError: the server does not answer.
        """
        client = self.here()
        refusal = f"{self._name} was given a client of a cluster's node: {_WHY_NO_CLUSTER}"
        if self._is_one_server is None:
            self._is_one_server = not await _is_in_cluster(client)
            if not self._is_one_server:
                # Once, by its name: what fails by it may tell the traceback only.
                _logger.error("%s", refusal)
        if not self._is_one_server:
            raise ConfigurationError(refusal)
        return client


def _check_type(client: object, name: str, extra: str) -> None:
    try:
        from redis import asyncio as library  # noqa: PLC0415 - an extra: only who passes a client needs it
    except ImportError as error:
        raise ConfigurationError(f"{name} needs the redis library: pip install 'vipps-async[{extra}]'") from error
    if isinstance(client, library.RedisCluster):
        raise ConfigurationError(f"{name} takes a redis.asyncio.Redis, not a RedisCluster: {_WHY_NO_CLUSTER}")
    if not isinstance(client, library.Redis):
        raise ConfigurationError(f"{name} takes a redis.asyncio.Redis, not {type(client).__module__}'s")


async def _is_in_cluster(client: "Redis") -> bool:
    from redis.exceptions import ResponseError  # noqa: PLC0415 - as above

    try:
        return bool((await client.info("cluster")).get("cluster_enabled"))
    except ResponseError:
        return False  # an access list forbids to ask: then each key that is elsewhere is an error of its own


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
