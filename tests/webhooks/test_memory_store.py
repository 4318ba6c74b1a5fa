"""The store in memory keeps the contract, forgets in time, and stays small and quick."""

import asyncio
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support.webhooks.store_contract import StoreContract
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.stores.memory import MemoryStore


class TestMemoryStore(StoreContract):
    """The contract of every store."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        """An empty store."""
        return MemoryStore()


class Clock:
    """Monotonic seconds that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def is_new(store: MemoryStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def test_an_event_is_remembered_for_the_retention() -> None:
    """Up to the retention, that moment included, an event is a duplicate; after it, it is new."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(seconds=60), clock=clock)
    assert await is_new(store, "a")
    clock.now += 60
    assert not await is_new(store, "a")
    clock.now += 0.001
    assert await is_new(store, "a")


async def test_a_duplicate_renews_the_memory() -> None:
    """As long as an event is redelivered, it is known, and it is forgotten a retention after the last time."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(days=8), clock=clock)
    assert await is_new(store, "a")
    for _ in range(5):
        clock.now += 7 * 86_400
        assert not await is_new(store, "a")
    clock.now += 8 * 86_400 + 1
    assert await is_new(store, "b")
    assert await is_new(store, "a")
    assert sum(map(len, store._shards)) == 2


async def test_a_duplicate_that_gains_less_than_an_hour_renews_nothing() -> None:
    """However often an event is redelivered, it takes the memory of one or a few."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(days=8), clock=clock)
    await is_new(store, "a")
    for _ in range(100):
        clock.now += 35
        assert not await is_new(store, "a")
    assert len(store._oldest_first) == 1
    clock.now += 101
    assert not await is_new(store, "a")
    assert len(store._oldest_first) == 2


async def test_the_oldest_event_is_forgotten_first() -> None:
    """Beyond the bound the oldest event is forgotten, and none other."""
    store = MemoryStore(max_events=3)
    for key in "abcd":
        assert await is_new(store, key)
    assert [await is_new(store, key) for key in "bcd"] == [False, False, False]
    assert await is_new(store, "a")
    assert await is_new(store, "b")


async def test_a_held_claim_outlives_the_retention() -> None:
    """A handler that runs longer than the retention still holds its claim, and its event is remembered from its end."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(seconds=60), clock=clock)
    async with store.claim("a"):
        clock.now += 1000
        assert await is_new(store, "b")
    assert not await is_new(store, "a")


async def test_a_backlog_of_expired_events_is_forgotten_little_by_little() -> None:
    """However many events expire at once, a claim forgets two at most, and so more than it adds."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(seconds=60), clock=clock)
    for number in range(100):
        await is_new(store, f"old-{number}")
    clock.now += 61
    counts = []
    for number in range(51):
        await is_new(store, f"new-{number}")
        counts.append(len(store._oldest_first))
    assert counts == [*range(99, 49, -1), 51]
    assert sum(map(len, store._shards)) == 51


KEYS: dict[str, Callable[[], str]] = {
    "a UUID": lambda: f"{uuid4()}:AUTHORIZED",
    "digits": lambda: f"{uuid4().int % 10**30}:CAPTURED",
    "very long": lambda: f"{uuid4()}:{'x' * 500}",
}


@pytest.mark.parametrize("new_key", KEYS.values(), ids=KEYS)
async def test_an_event_takes_less_than_250_bytes(new_key: Callable[[], str]) -> None:
    """Whatever the keys, and just after the tables grew: filled up, and with every event replaced by newer ones."""
    count = 3_200  # a little more than what makes every shard grow
    tracemalloc.start()
    try:
        store = MemoryStore(max_events=count)
        for times in (1, 2):
            for _ in range(count * times):
                await is_new(store, new_key())
            taken, _ = tracemalloc.get_traced_memory()
            # The rest is for what is not traced: sizes rounded up, and the wider indices of a million events' tables.
            assert taken / count < 250 - 40
    finally:
        tracemalloc.stop()


async def test_no_shard_is_much_larger_than_the_others() -> None:
    """The event loop stands still for the growth of one shard, so that shards have to grow one by one."""
    store = MemoryStore()
    for number in range(16_000):
        await is_new(store, f"{10**9 + number}:CAPTURED")
    assert max(map(len, store._shards)) < 1.2 * 16_000 / len(store._shards)


async def test_memory_does_not_grow_with_failures() -> None:
    """Claims that are given back leave nothing behind."""
    store = MemoryStore(max_events=2)
    await is_new(store, "a")
    for index in range(10):
        with pytest.raises(asyncio.CancelledError):
            async with store.claim(f"failed-{index}"):
                raise asyncio.CancelledError
    assert not await is_new(store, "a")
    assert store._held == set()


@pytest.mark.parametrize("max_events", [0, -1])
def test_a_store_that_remembers_nothing_is_refused(max_events: int) -> None:
    """A bound below one is refused."""
    with pytest.raises(ConfigurationError, match=f"max_events={max_events} must be above 0"):
        MemoryStore(max_events=max_events)


def test_the_retention_is_told() -> None:
    """A receiver can ask how long events are remembered."""
    assert MemoryStore(retention=timedelta(days=30)).retention == timedelta(days=30)


async def test_a_store_that_remembers_one_is_taken() -> None:
    """The fewest that there can be."""
    store = MemoryStore(max_events=1)
    async with store.claim("a"):
        pass
    async with store.claim("a") as claim:
        assert claim.is_duplicate
