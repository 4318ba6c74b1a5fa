"""What Redis is told and what it holds: nothing that is secret, and nothing for ever."""

import asyncio
import base64
import builtins
import io
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import redis as redis_library
from redis.asyncio import Redis

from tests.support.hostile import hostile, payment, token
from tests.support.payments import PRICE, REFERENCE, requests_of
from tests.support.raw_server import KEYS
from tests.support.servers.redis import RedisServer
from tests.support.token_cache.shop import Shop
from vipps_async import Environment, VippsClient
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Sandbox
from vipps_async.token_cache import RedisTokenCache, _sharing
from vipps_async.token_cache._seal import Seal

LONG = timedelta(minutes=1)


@pytest_asyncio.fixture(params=[False, True], ids=["bytes", "decoded"])
async def client(redis: Redis, redis_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A client of an empty server, that decodes replies and that does not."""
    async with redis_server.client(decode_responses=request.param) as connected:
        yield connected


def encodings(secret: str) -> Iterator[str]:
    """A text as it may stand in bytes: plain, hexadecimal, or in Base64 whatever stands before it."""
    plain = secret.encode()
    yield from (secret, secret[::-1], plain.hex(), plain.hex().upper())
    for offset in range(3):
        # Without the ends, which depend on what is beside them.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"-" * offset + plain)[4:-4].decode()


async def test_redis_learns_no_secret(sandbox: Sandbox, shop: Shop, redis: Redis, told: io.StringIO) -> None:
    """No key, value or command that Redis ever gets, and no log, holds a token or an API key in any encoding."""
    keys, tokens = sandbox.credentials, sandbox._state.gateway.tokens
    secrets = {str(keys.client_id), str(keys.client_secret), str(keys.subscription_key)}
    async with redis.monitor() as monitor:
        async with shop.client(RedisTokenCache(redis)) as vipps:
            for _ in range(2):
                await vipps.epayment.get(REFERENCE)
                [token] = tokens._expiries
                secrets |= {token, *token.split(".")[1:]}  # its claims and its signature too
                sandbox.revoke_tokens()
        await shop.read_once(RedisTokenCache(redis))
        await redis.echo("the end")
        heard = ""
        while "the end" not in heard:
            heard += (await monitor.next_command())["command"] + "\n"
    held = repr([(key, await redis.dump(key)) for key in await redis.keys()])
    assert heard.count(" PX ") > 2
    assert len(secrets) == 3 + 2 * 3
    told.write(repr([vars(vipps), vipps, RedisTokenCache(redis), vars(RedisTokenCache(redis))]))
    for encoding in (encoding for secret in secrets for encoding in encodings(secret)):
        assert encoding not in heard + held + told.getvalue()


async def test_every_key_expires_at_every_moment(shop: Shop, redis: Redis) -> None:
    """Neither a lock nor a token is ever without an expiry, and no token is kept for longer than it lives."""
    cache, watch, expiries = RedisTokenCache(redis), True, set[int]()

    async def keep_looking() -> None:
        while watch:
            expiries.update([await redis.pttl(key) async for key in redis.scan_iter()])

    looking = asyncio.create_task(keep_looking())
    async with shop.client(cache) as one, shop.client(cache) as other:
        for _ in range(5):
            await asyncio.gather(*(vipps.epayment.get(REFERENCE) for vipps in (one, other)))
            shop.sandbox.revoke_tokens()
    watch = False
    await looking
    # -2: the key went between the scan and the look.
    assert expiries - {-2}
    assert all(0 < expiry <= 3_599_000 for expiry in expiries - {-2})
    assert await redis.keys() == [f"vipps:token:{shop.seal.name}".encode()]


async def test_clients_share_a_token(shop: Shop, client: Redis) -> None:
    """A client uses the token that another one fetched; with_options copies too, and the Redis client stays open."""
    for _ in range(3):
        async with shop.client(RedisTokenCache(client)) as vipps:
            await vipps.with_options(timeout=10).epayment.get(REFERENCE)
            await vipps.epayment.get(REFERENCE)
    assert await client.ping()
    assert (shop.fetches, shop.refusals) == (1, 0)


async def test_without_a_cache_each_client_has_its_own_token(shop: Shop) -> None:
    """Nothing is shared unless it is asked for."""
    for _ in range(3):
        await shop.read_once(None)
    assert shop.fetches == 3


async def test_prefixes_and_environments_are_told_apart(shop: Shop, redis: Redis) -> None:
    """Clients that differ in the environment's address, or in the prefix, share nothing."""
    await shop.read_once(RedisTokenCache(redis))
    await shop.read_once(RedisTokenCache(redis, prefix="shop:"))
    by_name = Environment(shop.sandbox.base_url.replace("127.0.0.1", "localhost"))
    await shop.read_once(RedisTokenCache(redis), environment=by_name)
    assert shop.fetches == 3
    assert len(await redis.keys("vipps:token:*")) == 2
    assert len(await redis.keys("shop:*")) == 1


async def test_tokens_that_live_for_a_second_are_shared(redis: Redis) -> None:
    """Calls of two clients go on through many common lives, and no call fails."""
    async with (
        Sandbox(token_lifetime=1, rate_limits=False) as sandbox,
        Shop(sandbox).client(RedisTokenCache(redis)) as one,
        Shop(sandbox).client(RedisTokenCache(redis)) as other,
    ):
        await one.epayment.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
        while len(requests_of(sandbox, "token")) < 4:
            await asyncio.gather(*(vipps.epayment.get(REFERENCE) for vipps in (one, other)))


async def test_a_slow_endpoint_is_asked_once_by_all(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that takes longer than the lock lives renews it, so that no other process fetches too."""
    monkeypatch.setattr(_sharing, "_LOCK_LIFETIME", timedelta(milliseconds=300))
    monkeypatch.setattr(_sharing, "_LOCK_RENEWED_EVERY", 0.05)
    cache = RedisTokenCache(redis)
    async with (
        hostile(lambda _: payment(REFERENCE), lambda _: [1.5, token()], token_cache=cache) as (server, vipps),
        VippsClient(KEYS, environment=server.url, token_cache=cache) as other,
    ):
        await asyncio.gather(*(each.epayment.get(REFERENCE) for each in (vipps, other) for _ in range(3)))
    assert len(server.token_requests) == 1


async def test_a_wait_for_another_s_fetch_is_bounded_by_the_call(redis: Redis) -> None:
    """Who waits for a process that holds the lock, and does not get on, ends at its own deadline, or fetches itself."""
    cache = RedisTokenCache(redis)
    async with hostile(lambda _: payment(REFERENCE), lambda _: token(), token_cache=cache) as (server, vipps):
        name = Seal(KEYS, Environment(server.url)).name
        await cache.add(f"{name}:lock", b"somebody's", lifetime=LONG)
        await vipps.with_options(timeout=1).epayment.get(REFERENCE)
    assert len(server.token_requests) == 1


async def test_redis_keeps_the_promises_of_a_cache(client: Redis) -> None:
    """What was added or set is had back with the time it has left, and only who knows a value can delete it."""
    cache = RedisTokenCache(client)
    assert await cache.get("a") is None
    assert await cache.add("a", b"mine", lifetime=LONG)
    assert await cache.add("a", b"mine", lifetime=LONG), "a repeated command is the same success"
    assert not await cache.add("a", b"other", lifetime=LONG)
    await cache.delete("a", b"other")
    cached = await cache.get("a")
    assert cached is not None
    assert cached.value == b"mine"
    assert timedelta(seconds=30) < cached.expires_in <= LONG
    await cache.set("a", b"other", lifetime=timedelta(0))
    await cache.set("b", b"other", lifetime=LONG)
    await cache.delete("b", b"other")
    assert await cache.get("b") is None
    while await client.exists("vipps:token:a"):
        await asyncio.sleep(0.001)


def test_a_client_that_blocks_is_refused() -> None:
    """The client of the same name without asyncio is a likely slip, and is named."""
    with pytest.raises(ConfigurationError, match=r"RedisTokenCache takes a redis\.asyncio\.Redis, not redis\.client's"):
        RedisTokenCache(redis_library.Redis())  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("library", ["redis", "cryptography.fernet"])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, library: str) -> None:
    """Without the extra, making the cache or the client says which one to install."""
    client = Redis()
    found = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == library:
            raise ModuleNotFoundError(name)
        return found(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install 'vipps-async\[tokens\]'"):
        VippsClient(sandbox.credentials, token_cache=RedisTokenCache(client))


def test_what_is_no_cache_is_refused(sandbox: Sandbox) -> None:
    """Passing the Redis client itself is a likely slip, and the message says what to pass instead."""
    with pytest.raises(ConfigurationError, match=r"token_cache takes a cache such as RedisTokenCache\(client\), not"):
        VippsClient(sandbox.credentials, token_cache=Redis())  # type: ignore[arg-type]  # what is refused
