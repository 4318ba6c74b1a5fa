"""The signal in Redis keeps the contract, with every kind of client."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis as redis_library
from redis.asyncio import Redis

from tests.support.payments import REFERENCE
from tests.support.servers.redis import RedisServer
from tests.support.webhooks.signal_contract import (
    SignalContract,
    becomes,
    check_that_a_connection_lasts,
    subscribed,
    warnings,
)
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.signals import _listening
from vipps_async.webhooks.signals.redis import RedisSignal


class RedisSite:
    """A Redis server, and what tests do to it and see of it."""

    program = """
import asyncio, sys
from redis.asyncio import Redis
from vipps_async.webhooks.signals.redis import RedisSignal

async def announce():
    async with Redis.from_url(sys.argv[1]) as client:
        await RedisSignal(client).announce(sys.argv[2])

asyncio.run(announce())
"""

    def __init__(self, server: RedisServer, **client: Any) -> None:
        self.server = server
        self.url = server.url
        self._client = client

    @asynccontextmanager
    async def opened(self, *, connections: int = 5, **settings: Any) -> AsyncIterator[RedisSignal]:
        """A signal that is not started, over a client of its own."""
        async with self.server.client(max_connections=connections, **self._client) as client:
            yield RedisSignal(client, **settings)

    async def listeners(self) -> list[int]:
        """What the server calls the connections that listen."""
        async with self.server.client() as client:
            return [int(connection["id"]) for connection in await client.client_list(_type="pubsub")]

    async def cut(self) -> None:
        """Have the server close the connections that listen."""
        async with self.server.client() as client:
            await client.client_kill_filter(_type="pubsub")


class TestRedisSignal(SignalContract):
    """The contract of every signal."""

    @pytest.fixture
    def site(self, redis_server: RedisServer) -> RedisSite:
        """The server, and clients that by themselves would wait for it without end."""
        return RedisSite(redis_server, socket_timeout=None)


@pytest.mark.parametrize(
    "client",
    [
        {"protocol": 2, "decode_responses": True},
        {"protocol": 3, "decode_responses": True},
        {"health_check_interval": 1},
        {"socket_timeout": 0.5},
    ],
    ids=str,
)
async def test_any_client_will_do(redis_server: RedisServer, client: dict[str, Any]) -> None:
    """Whatever the client's settings, its connection lasts, and hears what is announced."""
    await check_that_a_connection_lasts(RedisSite(redis_server, **client))


async def test_tls_and_a_password_are_the_client_s(redis_tls_server: RedisServer) -> None:
    """A server that speaks TLS only is one like any other."""
    await check_that_a_connection_lasts(RedisSite(redis_tls_server))


async def test_a_cancellation_is_not_lost_in_a_failure(redis_server: RedisServer) -> None:
    """A signal that is cancelled at any moment around the failure of its connection ends."""
    for steps in range(12):
        async with redis_server.client() as client:
            signal = RedisSignal(client)
            await signal.start()
            await subscribed(signal)
            listener = signal._listener
            assert listener is not None
            await client.connection_pool.disconnect()
            for _ in range(steps):
                await asyncio.sleep(0)
            listener.cancel()
            _, left = await asyncio.wait({listener}, timeout=5)
            assert not left


async def test_a_refusal_is_logged_without_the_password(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that refuses the client is an outage, of which the log says everything but the password."""
    client: Redis = Redis.from_url(f"redis://:wrong-known@127.0.0.1:{redis_server.port}")
    async with client, RedisSignal(client) as signal:
        await signal.announce(REFERENCE)
        await becomes(lambda: len(warnings(caplog)) == 2)
    assert "AuthenticationError" in caplog.text
    assert "wrong-known" not in caplog.text


@pytest.mark.parametrize(
    ("steady", "bounds"),
    [(30, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]), (0, [0.1] * 11)],
    ids=["failing", "lasting"],
)
async def test_pauses_grow_while_connections_do_not_last(
    monkeypatch: pytest.MonkeyPatch, steady: float, bounds: list[float]
) -> None:
    """Attempts to listen come after random pauses of up to 30 s that double, anew after one that lasted."""
    pauses: list[float] = []

    def no_pause(low: float, high: float) -> float:
        pauses.append(high)
        return low

    monkeypatch.setattr(_listening, "_STEADY", steady)
    monkeypatch.setattr(random, "uniform", no_pause)
    nobody: Redis = Redis.from_url("redis://127.0.0.1:1")
    async with nobody, RedisSignal(nobody):
        await becomes(lambda: len(pauses) >= len(bounds))
    assert pauses[: len(bounds)] == pytest.approx(bounds)


def test_a_client_that_blocks_is_refused() -> None:
    """The client of the same name without asyncio is a likely slip, and is named."""
    with pytest.raises(ConfigurationError, match=r"RedisSignal takes a redis\.asyncio\.Redis, not redis\.client's"):
        RedisSignal(redis_library.Redis())  # type: ignore[arg-type]  # what is refused
