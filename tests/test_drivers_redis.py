"""A caller's Redis client is asked for one server, and used in one event loop, by whatever class it is given to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster

from tests.support.servers.redis import RedisServer
from tests.support.webhooks.signal_contract import becomes, subscribed
from vipps_async.errors import ConfigurationError, WrongEventLoop
from vipps_async.token_cache import RedisTokenCache
from vipps_async.webhooks.signals.redis import RedisSignal
from vipps_async.webhooks.stores.redis import RedisStore


@pytest.fixture(scope="module")
def node() -> Iterator[RedisServer]:
    """A server that is a node of a cluster."""
    with RedisServer(in_cluster=True) as server:
        yield server


async def claim(client: Redis) -> None:
    """Claim an event."""
    async with RedisStore(client).claim("a"):
        pass


async def get(client: Redis) -> None:
    """Ask for a token."""
    await RedisTokenCache(client).get("a")


@pytest.mark.parametrize("kind", [RedisStore, RedisTokenCache, RedisSignal])
def test_a_cluster_s_client_is_refused(kind: Any) -> None:
    """It is no client of one server, and is told so where it is given."""
    cluster = RedisCluster(host="127.0.0.1", port=1)
    with pytest.raises(ConfigurationError, match=f"{kind.__name__} takes a redis.asyncio.Redis, not a RedisCluster: "):
        kind(cluster)


@pytest.mark.parametrize("use", [claim, get])
async def test_a_client_of_a_cluster_s_node_is_refused(
    node: RedisServer, use: Callable[[Redis], Awaitable[None]]
) -> None:
    """Most keys are on other nodes: it is told at the first use, before anything is written."""
    async with node.client() as client:
        with pytest.raises(ConfigurationError, match=r"given a client of a cluster's node.*without cluster mode"):
            await use(client)


async def test_the_log_names_a_cluster_once(node: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Each claim fails, and one line says why, without a traceback to read."""
    async with node.client() as client:
        store = RedisStore(client)
        for _ in range(3):
            with pytest.raises(ConfigurationError):
                await store.claim("a").__aenter__()
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "cluster's node" in line.getMessage()


async def test_a_signal_is_heard_at_every_node(node: RedisServer) -> None:
    """What is announced at one node of a cluster reaches who listens at another."""
    with RedisServer(in_cluster=True) as other:
        await other.meet(node)
        async with node.client() as here, other.client() as there, RedisSignal(here) as hears:
            await subscribed(hears)
            with hears.watch("order-0001") as heard:
                await RedisSignal(there).announce("order-0001")
                await becomes(heard.is_set)


async def test_a_server_that_may_not_be_asked_is_used(redis_server: RedisServer) -> None:
    """An access list that forbids INFO leaves the rest to work."""
    async with redis_server.client() as admin:
        await admin.flushall()
        password = f"+{redis_server.password}"
        await admin.acl_setuser(
            "shop", enabled=True, passwords=[password], keys=["*"], categories=["+@all"], commands=["-info"]
        )
        async with Redis(port=redis_server.port, username="shop", password=redis_server.password) as client:
            await claim(client)
        await admin.acl_deluser("shop")
        assert await admin.exists("vipps:event:a")


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_client_is_refused_in_a_second_event_loop(redis_server: RedisServer, *, is_closed: bool) -> None:
    """Its connections are the first loop's: nothing is sent, and nothing hangs."""
    client = redis_server.client()
    store, cache = RedisStore(client), RedisTokenCache(client)

    async def use() -> None:
        async with store.claim("in a loop"):
            pass
        await cache.get("a")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.flushall())
    loop.run_until_complete(use())
    loop.run_until_complete(client.aclose())
    if is_closed:
        loop.close()
    with pytest.raises(WrongEventLoop, match="the Redis client of this RedisStore belongs to another event loop"):
        asyncio.run(use())
    with pytest.raises(WrongEventLoop, match="the Redis client of this RedisTokenCache belongs"):
        asyncio.run(cache.add("a", b"b", lifetime=timedelta(seconds=1)))
    loop.close()
