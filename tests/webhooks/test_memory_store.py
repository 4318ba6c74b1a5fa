"""The store in memory keeps the contract, forgets in time, and stays small."""

import asyncio
from datetime import timedelta

import pytest

from tests.webhooks.store_contract import StoreContract
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


async def test_a_duplicate_does_not_prolong_the_memory() -> None:
    """The retention counts from when the event took effect, not from its last redelivery."""
    clock = Clock()
    store = MemoryStore(retention=timedelta(seconds=60), clock=clock)
    await is_new(store, "a")
    clock.now += 50
    assert not await is_new(store, "a")
    clock.now += 11
    assert await is_new(store, "a")


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
