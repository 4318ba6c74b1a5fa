"""Claims that wait for Redis at the same time go in one batch, and do not share each other's fate beyond that."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.support.servers.redis import RedisServer
from vipps_async.webhooks.stores.redis import RedisStore


@pytest_asyncio.fixture(name="client")
async def provide_client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    async with redis_server.client() as connected:
        await connected.flushall()
        yield connected


async def is_new(store: RedisStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def test_claims_at_the_same_time_share_a_connection(client: Redis) -> None:
    """However many claims wait, the store takes one connection of the client's."""
    store = RedisStore(client)
    assert all(await asyncio.gather(*(is_new(store, f"event-{number}") for number in range(50))))
    assert len(await client.client_list()) == 1


async def test_a_script_that_fails_fails_its_own_claim_alone(client: Redis) -> None:
    """A key that holds something else is an error for its claim, and for none of the others in the batch."""
    await client.rpush("vipps:event:event-3", "no mark")
    store = RedisStore(client)
    outcomes = await asyncio.gather(*(is_new(store, f"event-{number}") for number in range(8)), return_exceptions=True)
    assert isinstance(outcomes.pop(3), ResponseError)
    assert outcomes == [True] * 7


async def test_a_batch_that_times_out_fails_alone(redis_server: RedisServer, client: Redis) -> None:
    """Each claim of the batch is told, and those of the next find Redis again."""
    async with redis_server.client(socket_timeout=0.2, retry=None) as impatient:
        store = RedisStore(impatient)
        assert await is_new(store, "event-0")
        redis_server.freeze()
        outcomes = await asyncio.gather(*(is_new(store, f"event-{n}") for n in range(1, 9)), return_exceptions=True)
        redis_server.thaw()
        assert {type(outcome) for outcome in outcomes} == {RedisTimeoutError}
        await client.flushall()
        assert await is_new(store, "event-0")


async def test_a_cancelled_claim_does_not_take_the_others_along(client: Redis) -> None:
    """Who waits in the same batch as a claim that is cancelled is answered, and the cancelled one is given back."""
    store = RedisStore(client)
    claims = [asyncio.create_task(is_new(store, f"event-{number}")) for number in range(8)]
    await asyncio.sleep(0)
    claims[3].cancel()
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert isinstance(outcomes.pop(3), asyncio.CancelledError)
    assert outcomes == [True] * 7
    assert await is_new(store, "event-3")


async def test_a_renewal_that_nobody_waits_for_any_more_is_no_harm(redis_server: RedisServer, client: Redis) -> None:
    """A handler that ends while its lease is being renewed has its event marked."""
    store = RedisStore(client, lease=timedelta(seconds=1.5))
    async with store.claim("event-0"):
        redis_server.freeze()
        while not any(task.get_name() == "vipps_async claims" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, redis_server.thaw)
    assert not await is_new(store, "event-0")


@pytest.mark.parametrize("steps", range(1, 30, 4))
async def test_claims_are_given_back_when_every_task_is_cancelled(client: Redis, steps: int) -> None:
    """As `asyncio.run` does in the end, at whatever moment; what sends the batches included."""
    store = RedisStore(client)

    async def hold(key: str) -> None:
        async with store.claim(key):
            await asyncio.sleep(60)

    before = asyncio.all_tasks()
    claims = [asyncio.create_task(hold(f"event-{number}")) for number in range(8)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait(claims)
    assert await client.keys("vipps:event:*") == []


async def test_a_burst_is_answered_in_many_turns(client: Redis) -> None:
    """The event loop serves others between the batches, however many claims wait."""
    store = RedisStore(client)
    await is_new(store, "event")
    claims = [asyncio.create_task(is_new(store, f"event-{number}")) for number in range(2000)]
    most, before = 0, 0
    while before < len(claims):
        await asyncio.sleep(0)
        now = sum(claim.done() for claim in claims)
        most, before = max(most, now - before), now
    assert most <= 200


async def test_a_silent_server_fails_a_burst_as_soon_as_a_claim(redis_server: RedisServer, client: Redis) -> None:
    """The claims of the last batch do not wait for the time of each batch before."""
    store = RedisStore(client, lease=timedelta(seconds=3))
    await is_new(store, "event")
    redis_server.freeze()
    try:
        async with asyncio.timeout(8):  # twenty batches of a second each
            outcomes = await asyncio.gather(*(is_new(store, f"event-{n}") for n in range(2000)), return_exceptions=True)
    finally:
        redis_server.thaw()
    assert {type(outcome) for outcome in outcomes} <= {TimeoutError, RedisTimeoutError}
