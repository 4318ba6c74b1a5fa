"""The signal in PostgreSQL keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest

from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.signal_contract import SignalContract
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.signals.postgres import PostgresSignal


class PostgresSite:
    """A PostgreSQL server, and what tests do to it and see of it."""

    program = """
import asyncio, sys, asyncpg
from vipps_async.webhooks.signals.postgres import PostgresSignal

async def announce():
    async with asyncpg.create_pool(sys.argv[1], min_size=0) as pool:
        await PostgresSignal(pool).announce(sys.argv[2])

asyncio.run(announce())
"""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.url = server.url()

    @asynccontextmanager
    async def opened(self, *, connections: int = 5, **settings: Any) -> AsyncIterator[PostgresSignal]:
        """A signal that is not started, over a pool of its own."""
        async with asyncpg.create_pool(self.url, min_size=0, max_size=connections) as pool:
            yield PostgresSignal(pool, **settings)

    async def listeners(self) -> list[int]:
        """What the server calls the connections that listen."""
        return [int(row["pid"]) for row in await self._of_listeners("pid")]

    async def cut(self) -> None:
        """Have the server close the connections that listen."""
        await self._of_listeners("pg_terminate_backend(pid)")

    async def _of_listeners(self, what: str) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        query = f"SELECT {what} FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"  # noqa: S608 - ours
        try:
            found: list[Any] = await connection.fetch(query)
        finally:
            await connection.close()
        return found


class TestPostgresSignal(SignalContract):
    """The contract of every signal."""

    @pytest.fixture
    def site(self, postgres_server: PostgresServer) -> PostgresSite:
        """The server."""
        return PostgresSite(postgres_server)


def test_what_is_no_pool_is_refused() -> None:
    """A URL in place of a pool is refused, and the message says how to make one."""
    url: Any = "postgresql://localhost/shop"
    with pytest.raises(ConfigurationError, match=r"is a str.*create_pool.*pip install 'vipps-async\[postgres\]'"):
        PostgresSignal(url)
