"""The store in Redis keeps the contract, and its promises about leases, expiry, restarts and dying processes."""

import asyncio
import builtins
import contextlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import redis as redis_library
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.servers.redis import RedisServer
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from tests.support.webhooks.store_contract import StoreContract
from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ClaimHeld, ConfigurationError, DeliveryError
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.redis import RedisStore

SHORT = timedelta(milliseconds=600)


@pytest_asyncio.fixture(params=[False, True], ids=["bytes", "decoded"])
async def client(redis_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A client of an empty server, that decodes replies and that does not."""
    async with redis_server.client(decode_responses=request.param) as connected:
        await connected.flushall()
        yield connected


@pytest_asyncio.fixture
async def plain(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    async with redis_server.client() as connected:
        await connected.flushall()
        yield connected


class TestRedisStore(StoreContract):
    """The contract of every store."""

    @pytest.fixture
    def store(self, client: Redis) -> RedisStore:
        """An empty store."""
        return RedisStore(client)


class TestRedisStoreOverTls(StoreContract):
    """The contract, with TLS and a password."""

    @pytest_asyncio.fixture
    async def store(self, redis_tls_server: RedisServer) -> AsyncIterator[RedisStore]:
        """An empty store."""
        # Fifty handshakes at once take long on a busy machine.
        async with redis_tls_server.client(socket_timeout=30, socket_connect_timeout=30) as connected:
            await connected.flushall()
            yield RedisStore(connected)


async def is_new(store: EventStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def expiries(client: Redis) -> dict[str, int]:
    """Return the milliseconds that each key of the server has left; -1 is for ever."""
    keys = [key async for key in client.scan_iter()]
    return {key if isinstance(key, str) else key.decode(): await client.pttl(key) for key in keys}


async def test_every_key_expires_at_every_moment(plain: Redis) -> None:
    """Held, renewed, given back or done: no key lacks an expiry, nor has one beyond what it is for."""
    store = RedisStore(plain, lease=SHORT, retention=timedelta(days=8))
    watch = True
    seen: list[dict[str, int]] = []

    async def keep_looking() -> None:
        while watch:
            seen.append(await expiries(plain))

    looking = asyncio.create_task(keep_looking())
    async with store.claim("psp-1:CAPTURED"):
        await asyncio.sleep(SHORT.total_seconds() * 1.2)
        [held] = (await expiries(plain)).values()
        assert 0 < held <= 600
    with pytest.raises(RuntimeError):
        async with store.claim("psp-2:CAPTURED"):
            raise RuntimeError
    watch = False
    await looking
    left = await expiries(plain)
    assert list(left) == ["vipps:event:psp-1:CAPTURED"]
    assert 8 * 86_400_000 - 60_000 < left["vipps:event:psp-1:CAPTURED"] <= 8 * 86_400_000
    # -2: the key went between the scan and the look.
    assert all(expiry != -1 for look in seen for expiry in look.values())


async def test_an_event_is_remembered_for_the_retention(plain: Redis) -> None:
    """The mark lasts for the retention from the effect on; a duplicate does not prolong it."""
    store = RedisStore(plain, retention=timedelta(seconds=1))
    assert await is_new(store, "a")
    await asyncio.sleep(0.4)
    assert not await is_new(store, "a")
    [left] = (await expiries(plain)).values()
    assert left <= 600
    await asyncio.sleep(0.7)
    assert await is_new(store, "a")


async def test_a_slow_handler_keeps_its_claim(plain: Redis) -> None:
    """A handler that takes several leases holds its claim all the time, and its event is done afterwards."""
    store = RedisStore(plain, lease=SHORT)
    other = RedisStore(plain)
    async with store.claim("a"):
        for _ in range(10):
            await asyncio.sleep(0.15)
            with pytest.raises(ClaimHeld):
                await is_new(other, "a")
    assert not await is_new(other, "a")


async def test_held_says_when_a_dead_holder_s_claim_is_free(plain: Redis) -> None:
    """A redelivery makes sense when the lease would end, in whole seconds and never at once."""
    async with RedisStore(plain, lease=timedelta(seconds=20)).claim("a"):
        with pytest.raises(ClaimHeld) as held:
            await is_new(RedisStore(plain), "a")
    assert 15 <= held.value.retry_after.total_seconds() <= 20
    async with RedisStore(plain, lease=timedelta(milliseconds=300)).claim("b"):
        with pytest.raises(ClaimHeld) as held:
            await is_new(RedisStore(plain), "b")
    assert held.value.retry_after == timedelta(seconds=1)


async def test_a_lost_lease_raises_and_marks_nothing(plain: Redis) -> None:
    """A handler whose lease was lost has its event delivered again, even though it ended well."""
    store = RedisStore(plain)
    with pytest.raises(DeliveryError, match="lease of event a was lost before its handler ended"):
        async with store.claim("a"):
            await plain.flushall()
    assert await expiries(plain) == {}
    assert await is_new(store, "a")


@pytest.mark.parametrize("raises", [False, True])
async def test_another_owner_s_lease_is_left_alone(
    plain: Redis, caplog: pytest.LogCaptureFixture, *, raises: bool
) -> None:
    """Who lost a lease neither renews, marks nor deletes that of the next owner, who then marks the event."""
    async with contextlib.AsyncExitStack() as second:

        async def lose() -> None:
            async with RedisStore(plain, lease=SHORT).claim("a"):
                await plain.flushall()
                await second.enter_async_context(RedisStore(plain, lease=timedelta(hours=1)).claim("a"))
                await asyncio.sleep(SHORT.total_seconds())
                if raises:
                    raise RuntimeError

        with pytest.raises(RuntimeError if raises else DeliveryError):
            await lose()
        [left] = (await expiries(plain)).values()
        assert left > 3_500_000
        assert "the lease of event a was lost while its handler runs" in caplog.text
        with pytest.raises(ClaimHeld):
            await is_new(RedisStore(plain), "a")
    assert not await is_new(RedisStore(plain), "a")


async def test_a_blocked_event_loop_loses_the_lease(plain: Redis) -> None:
    """A handler that lets nothing else run for longer than the lease has its event delivered again."""
    lease = timedelta(milliseconds=50)
    with pytest.raises(DeliveryError, match="lost"):
        async with RedisStore(plain, lease=lease).claim("a"):
            subprocess.run(["sleep", "0.2"], check=True)  # noqa: ASYNC221, S607 - the blocking is what is tested


CLAIM_AND_HANG = """
import asyncio, sys
from datetime import timedelta
from redis.asyncio import Redis
from vipps_async.webhooks.stores.redis import RedisStore

async def hang():
    async with Redis.from_url(sys.argv[1]) as client:
        async with RedisStore(client, lease=timedelta(seconds=1)).claim("a"):
            print("inside", flush=True)
            await asyncio.sleep(60)

asyncio.run(hang())
"""


async def test_a_killed_process_frees_its_claim_after_the_lease(redis_server: RedisServer, plain: Redis) -> None:
    """A claim is renewed while its process lives, and free within the lease after kill -9, without anybody's help."""
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLAIM_AND_HANG, redis_server.url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert doomed.stdout is not None
        assert await doomed.stdout.readline() == b"inside\n"
        await asyncio.sleep(1.5)
        with pytest.raises(ClaimHeld):
            await is_new(RedisStore(plain), "a")
    finally:
        doomed.kill()
        await doomed.wait()
    async with asyncio.timeout(1.5):
        while await plain.exists("vipps:event:a"):
            await asyncio.sleep(0.02)
    assert await is_new(RedisStore(plain), "a")


async def test_a_cancellation_at_any_moment_leaves_an_event_free_or_done(plain: Redis) -> None:
    """Cancelled amid claiming or marking, a task leaves its event done if its block ran to the end, and else free."""
    store = RedisStore(plain)
    ran: set[str] = set()

    async def take(key: str) -> None:
        async with store.claim(key):
            ran.add(key)

    for steps in range(40):
        task = asyncio.create_task(take(key := f"event-{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await is_new(store, key) is (key not in ran)
    assert 0 < len(ran) < 40


async def test_a_second_cancellation_does_not_stop_the_give_back(plain: Redis) -> None:
    """A task that is cancelled again while it gives its claim back still gives it back."""
    store = RedisStore(plain)
    inside = asyncio.Event()

    async def hold() -> None:
        async with store.claim("a"):
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await inside.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
    assert await expiries(plain) == {}


async def test_nothing_runs_on_after_a_claim(plain: Redis) -> None:
    """The task that renews a lease ends with its claim, however that is left, and the client stays open."""
    store = RedisStore(plain, lease=timedelta(seconds=0.3))
    before = asyncio.all_tasks()
    async with store.claim("a"):
        while asyncio.all_tasks() == before:
            await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before
    with pytest.raises(KeyError):
        async with store.claim("b"):
            raise KeyError
    assert asyncio.all_tasks() == before
    assert await plain.ping()


async def test_a_new_a_held_and_a_known_event_take_one_round_trip_to_tell(plain: Redis) -> None:
    """A duplicate or a held claim costs one command, a handled event two."""
    store = RedisStore(plain)
    assert await is_new(store, "known")

    async def commands() -> int:
        said: dict[str, Any] = await plain.info("commandstats")
        return sum(
            said[name]["calls"] for name in said if name in {"cmdstat_evalsha", "cmdstat_eval", "cmdstat_script"}
        )

    start = await commands()
    assert not await is_new(store, "known")
    assert await commands() == start + 1
    async with store.claim("a"):
        with pytest.raises(ClaimHeld):
            await is_new(store, "a")
    assert await commands() == start + 4


async def test_a_wrong_password_is_an_error(redis_server: RedisServer) -> None:
    """A server that refuses the client is an exception for the delivery, not a claim."""
    async with Redis.from_url(f"redis://:wrong@127.0.0.1:{redis_server.port}") as stranger:
        with pytest.raises(RedisError):
            await is_new(RedisStore(stranger), "a")


async def test_a_server_without_the_scripts_runs_them(redis_server: RedisServer, plain: Redis) -> None:
    """A server that restarted with its data, but without its scripts, goes on as before."""
    store = RedisStore(plain)
    assert await is_new(store, "a")
    async with store.claim("b"):
        await plain.script_flush()
    assert not await is_new(store, "b")
    await plain.script_flush()
    assert not await is_new(store, "a")


async def test_a_server_that_is_away_fails_deliveries_until_it_is_back(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Claims fail while Redis is stopped, a handler's own exception is what passes, and then all works again."""
    async with redis_server.client() as client:
        await client.flushall()
        store = RedisStore(client, lease=SHORT)

        async def fail_amid_the_outage() -> None:
            async with store.claim("a"):
                redis_server.stop()
                await asyncio.sleep(SHORT.total_seconds())
                raise RuntimeError("the handler's")

        try:
            with pytest.raises(RuntimeError, match="the handler's"):
                await fail_amid_the_outage()
            with pytest.raises((RedisError, TimeoutError)):
                await is_new(store, "b")
        finally:
            redis_server.start()
        assert "the lease of event a could not be renewed; trying again" in caplog.text
        assert "event a is given back only as its lease ends" in caplog.text
        assert await is_new(store, "b")
        assert await is_new(store, "a")


async def test_an_outage_shorter_than_the_lease_costs_nothing(redis_persistent_server: RedisServer) -> None:
    """A handler during which a server that keeps its data restarts ends as if nothing had been."""
    async with redis_persistent_server.client() as client:
        await client.flushall()
        lease = timedelta(seconds=1.8)
        store = RedisStore(client, lease=lease)
        async with store.claim("a"):
            await asyncio.to_thread(redis_persistent_server.restart)
            # The first renewal finds the connection of before the crash, the next ones a new one.
            await asyncio.sleep(lease.total_seconds() * 1.5)
        assert not await is_new(store, "a")


async def test_no_event_is_lost_when_the_server_restarts_under_load(
    redis_server: RedisServer, plain: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries that are repeated until 200 each have an effect, though Redis crashed amid them and forgot all."""
    caplog.set_level(logging.CRITICAL, "vipps_async.webhooks")
    receiver = receiver_of(store=RedisStore(plain, lease=timedelta(seconds=2)))
    effects: list[str] = []
    statuses: list[int] = []

    @receiver.on(PaymentEvent)
    async def count(said: PaymentEvent) -> None:
        await asyncio.sleep(0.01)
        effects.append(said.psp_reference)

    async def deliver_until_handled(number: int) -> None:
        body = event(pspReference=f"psp-{number}", reference=f"order-number-{number % 40}")
        await asyncio.sleep(number * 0.005)
        while (status := (await receiver.handle(delivery(body))).status) != 200:
            statuses.append(status)
            await asyncio.sleep(0.05)

    async def crash_amid_them() -> None:
        while len(effects) < 50:
            await asyncio.sleep(0.01)
        redis_server.kill()
        while 500 not in statuses:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(redis_server.start)

    await asyncio.gather(crash_amid_them(), *(deliver_until_handled(number) for number in range(200)))
    assert {int(name.removeprefix("psp-")) for name in effects} == set(range(200))
    assert 50 < len(effects) < 400
    await receiver.close()


async def test_a_lone_surrogate_is_a_key_like_any_other(plain: Redis) -> None:
    """What JSON can hold can be claimed, and is not taken for another event."""
    store = RedisStore(plain)
    assert await is_new(store, "\ud800")
    assert await is_new(store, "\ud801")
    assert not await is_new(store, "\ud800")


async def test_stores_with_different_prefixes_share_nothing(plain: Redis) -> None:
    """A prefix of its own is a memory of its own."""
    assert await is_new(RedisStore(plain, prefix="one:"), "a")
    assert await is_new(RedisStore(plain, prefix="two:"), "a")
    assert set(await expiries(plain)) == {"one:a", "two:a"}


@pytest.mark.parametrize("settings", [{"lease": timedelta(0)}, {"retention": timedelta(microseconds=999)}])
def test_a_time_that_redis_cannot_keep_is_refused(settings: dict[str, Any]) -> None:
    """Redis counts in milliseconds, from one up."""
    with pytest.raises(ConfigurationError, match=r"must be seconds, or a timedelta, from 0\.001 seconds"):
        RedisStore(Redis(), **settings)


def test_a_client_that_blocks_is_refused() -> None:
    """The client of the same name without asyncio is a likely slip, and is named."""
    with pytest.raises(ConfigurationError, match=r"takes a redis\.asyncio\.Redis, not redis\.client's"):
        RedisStore(redis_library.Redis())  # type: ignore[arg-type]  # what is refused


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the store says which one to install."""
    client = Redis()
    found = builtins.__import__

    def without_redis(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "redis":
            raise ModuleNotFoundError(name)
        return found(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_redis)
    with pytest.raises(ConfigurationError, match=r"pip install 'vipps-async\[redis\]'"):
        RedisStore(client)


def test_the_retention_is_told() -> None:
    """A receiver can ask how long events are remembered."""
    assert RedisStore(Redis(), retention=timedelta(days=30)).retention == timedelta(days=30)
