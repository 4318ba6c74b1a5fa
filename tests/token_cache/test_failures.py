"""No failure of a cache fails a call: it is away, slow or wrong."""

import asyncio
import io
import itertools
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from redis.asyncio import Redis

from tests.support.payments import REFERENCE
from tests.support.raw_server import TOKEN
from tests.support.servers.redis import RedisServer
from tests.support.token_cache.caches import Failing, be_cancelled, break_down, break_down_at_once, hang, talk_nonsense
from tests.support.token_cache.shop import Shop
from vipps_async import RetryPolicy
from vipps_async.errors import ServerError, Unauthorized
from vipps_async.sandbox import Fault
from vipps_async.token_cache import RedisTokenCache, _sharing
from vipps_async.token_cache._seal import Seal

GOES_ON = "this process goes on without it"


@pytest.mark.parametrize(
    ("method", "how"),
    [
        *itertools.product(["get", "set", "add", "delete"], [hang, break_down, break_down_at_once, be_cancelled]),
        ("get", talk_nonsense),
    ],
)
async def test_no_failing_cache_fails_a_call(
    shop: Shop,
    told: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    how: Callable[..., Awaitable[Any]],
) -> None:
    """Whichever method raises, hangs or answers nonsense, calls go on, after a revocation too, and no more is told."""
    monkeypatch.setattr(_sharing, "_CACHE_TIMEOUT", 0.05)
    async with shop.client(Failing(method, how), timeout=0.4) as vipps:
        await vipps.epayment.get(REFERENCE)
        shop.sandbox.revoke_tokens()
        await vipps.epayment.get(REFERENCE)
    assert shop.fetches == 2
    assert GOES_ON in told.getvalue()
    assert "s3cret" not in told.getvalue()


async def test_redis_that_is_killed_amid_calls_fails_none(shop: Shop, told: io.StringIO) -> None:
    """Calls go on while Redis is gone, even when the token is revoked then, and share again when it is back."""
    with RedisServer() as server:
        async with server.client() as redis:
            cache = RedisTokenCache(redis)
            async with shop.client(cache) as one, shop.client(cache) as other:

                async def read() -> None:
                    await asyncio.gather(*(vipps.epayment.get(REFERENCE) for vipps in (one, other) for _ in range(5)))

                await read()
                assert shop.fetches == 1
                server.kill()
                await read()
                assert shop.fetches == 1
                shop.sandbox.revoke_tokens()
                await read()
                assert shop.fetches == 3
                assert GOES_ON in told.getvalue()
                server.start()
                for _ in range(3):
                    await shop.read_once(cache)
                assert shop.fetches == 4


async def test_redis_that_hangs_fails_no_call(shop: Shop, told: io.StringIO) -> None:
    """A server that takes commands and does not answer holds a call up once for a while, and that is all."""
    with RedisServer() as server:
        async with server.client() as redis, shop.client(RedisTokenCache(redis)) as vipps:
            await vipps.epayment.get(REFERENCE)
            assert server._process is not None
            server._process.send_signal(signal.SIGSTOP)
            shop.sandbox.revoke_tokens()
            await vipps.epayment.get(REFERENCE)
    assert told.getvalue().count("the token cache failed (TimeoutError)") == 1
    assert shop.fetches == 2


async def test_redis_that_refuses_the_client_fails_no_call(
    shop: Shop, redis_server: RedisServer, told: io.StringIO
) -> None:
    """A wrong password costs nothing but a token of one's own."""
    async with Redis.from_url(f"redis://:wrong@127.0.0.1:{redis_server.port}") as stranger:
        await shop.read_once(RedisTokenCache(stranger))
    assert shop.fetches == 1
    assert "the token cache failed (AuthenticationError)" in told.getvalue()


ENTRIES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "noise": lambda _: b"\xff\x00 noise",
    "a token in clear": lambda _: TOKEN.encode(),
    "an altered one": lambda sealed: sealed[:-9] + b"AAAAAAAA=",
}


@pytest.mark.parametrize("entry", ENTRIES)
async def test_an_entry_that_does_not_open_is_replaced(shop: Shop, redis: Redis, told: io.StringIO, entry: str) -> None:
    """Whatever stands in a token's place is told, is not used, and gives way to one token for all."""
    cache = RedisTokenCache(redis)
    await shop.read_once(cache)
    cached = await cache.get(shop.seal.name)
    assert cached is not None
    await cache.set(shop.seal.name, ENTRIES[entry](cached.value), lifetime=timedelta(minutes=1))
    for _ in range(3):
        await shop.read_once(cache)
    assert (shop.fetches, shop.refusals) == (2, 0)
    assert told.getvalue().count("holds what these credentials did not seal; it is removed") == 1


async def test_an_entry_that_never_expires_is_replaced(shop: Shop, redis: Redis) -> None:
    """A token of which the cache does not know the age is not used."""
    await shop.read_once(RedisTokenCache(redis))
    await redis.persist(f"vipps:token:{shop.seal.name}")
    for _ in range(3):
        await shop.read_once(RedisTokenCache(redis))
    assert shop.fetches == 2


async def test_who_lacks_the_secret_gets_nothing_from_the_cache(shop: Shop, redis: Redis, told: io.StringIO) -> None:
    """A client with another secret does not use the entry that its place is made to hold, and is refused as ever."""
    await shop.read_once(RedisTokenCache(redis))
    wrong = attrs.evolve(shop.sandbox.credentials, client_secret="d3JvbmcgYnV0IHdlbGwtZm9ybWVk")
    place = f"vipps:token:{Seal(wrong, shop.sandbox.environment).name}"
    await redis.copy(f"vipps:token:{shop.seal.name}", place)
    with pytest.raises(Unauthorized):
        await shop.read_once(RedisTokenCache(redis), credentials=wrong)
    assert "holds what these credentials did not seal; it is removed" in told.getvalue()
    assert await redis.keys() == [f"vipps:token:{shop.seal.name}".encode()]


async def test_a_fetch_that_fails_or_is_cut_off_gives_the_lock_back(shop: Shop, redis: Redis) -> None:
    """Whoever comes next need not wait for the lock of a fetch that ended in an error, or with its client."""
    shop.sandbox.fail("token", Fault.STATUS_503)
    with pytest.raises(ServerError):
        await shop.read_once(RedisTokenCache(redis), retry=RetryPolicy(attempts=1))
    assert await redis.keys() == []
    shop.sandbox.fail("token", Fault.STALLED)
    async with shop.client(RedisTokenCache(redis)) as vipps:
        call = asyncio.create_task(vipps.epayment.get(REFERENCE))
        while shop.fetches < 2:
            await asyncio.sleep(0.01)
        assert await redis.keys() == [f"vipps:token:{shop.seal.name}:lock".encode()]
    assert await redis.keys() == []
    await asyncio.wait([call])
    assert call.exception() is not None


async def test_tokens_that_are_revoked_together_fail_no_call(shop: Shop, redis: Redis) -> None:
    """A client with a token of its own does not take the shared one in its place when both are refused."""
    cache = RedisTokenCache(redis)
    async with shop.client(cache) as vipps:
        await vipps.epayment.get(REFERENCE)
        await redis.flushall()
        await shop.read_once(cache)
        shop.sandbox.revoke_tokens()
        await vipps.epayment.get(REFERENCE)
        assert (shop.fetches, shop.refusals) == (3, 1)
        await shop.read_once(cache)
        assert (shop.fetches, shop.refusals) == (3, 1)
