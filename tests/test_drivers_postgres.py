"""A caller's PostgreSQL pool is used in its own event loop, and in no other."""

import asyncio
import os
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest

from tests.support.loops import another_loop
from tests.support.servers.postgres import PostgresServer
from vipps_async.errors import WrongEventLoop
from vipps_async.webhooks.signals.postgres import PostgresSignal
from vipps_async.webhooks.stores.postgres import PostgresStore


async def _pool(server: PostgresServer) -> Any:
    return await asyncpg.create_pool(server.url(), min_size=1, max_size=1)


async def _claim(store: PostgresStore) -> None:
    async with store.claim("a"):
        pass


def test_a_pool_is_refused_in_another_event_loop(postgres_server: PostgresServer) -> None:
    """A store that is first used in another loop than the pool was made in says so at once: it would hang."""
    with another_loop() as loop:
        pool = asyncio.run_coroutine_threadsafe(_pool(postgres_server), loop).result(20)
        store = PostgresStore(pool)
        for use in (_claim(store), store.create_schema(), store.inbox.size()):
            with pytest.raises(WrongEventLoop, match="the pool of this PostgresStore belongs to another event loop"):
                asyncio.run(use)
        asyncio.run_coroutine_threadsafe(pool.close(), loop).result(20)


def test_a_pool_is_refused_once_its_loop_is_closed(postgres_server: PostgresServer) -> None:
    """Its connections went with the loop."""

    async def used() -> PostgresStore:
        pool = await _pool(postgres_server)
        await pool.close()
        return PostgresStore(pool)

    with pytest.raises(WrongEventLoop, match="PostgresStore"):
        asyncio.run(_claim(asyncio.run(used())))


def test_a_pool_is_refused_in_a_forked_process(postgres_server: PostgresServer) -> None:
    """Parent and child would talk over one connection at the same time."""
    loop = asyncio.new_event_loop()
    pool = loop.run_until_complete(_pool(postgres_server))
    store = PostgresStore(pool)
    loop.run_until_complete(store.create_schema())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loop.run_until_complete(_claim(store))
        except WrongEventLoop:
            status = 7
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    loop.run_until_complete(_claim(store))
    loop.run_until_complete(pool.execute("DROP TABLE vipps_events, vipps_events_inbox, vipps_events_schema"))
    loop.run_until_complete(pool.close())
    loop.close()


def test_a_signal_says_in_the_log_that_its_pool_is_another_loop_s(
    postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An announcement fails no delivery, and the log says why nobody hears it."""
    loop = asyncio.new_event_loop()
    pool = loop.run_until_complete(_pool(postgres_server))
    asyncio.run(PostgresSignal(pool).announce("order-0001"))
    assert "the pool of this PostgresSignal belongs to another event loop" in caplog.text
    loop.run_until_complete(pool.close())
    loop.close()
