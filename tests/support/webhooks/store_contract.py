"""What every store has to hold to; a store's tests subclass this with a ``store`` fixture."""

import asyncio

import pytest

from vipps_async.errors import ClaimHeld
from vipps_async.webhooks.stores.base import EventStore


async def _raise_inside(store: EventStore, *, is_duplicate: bool) -> None:
    async with store.claim("psp-1:CAPTURED") as claim:
        assert claim.is_duplicate is is_duplicate
        raise RuntimeError("handler")


class StoreContract:
    """The contract of `EventStore`. A subclass has a fixture ``store`` that gives an empty store."""

    async def test_a_new_event_is_no_duplicate(self, store: EventStore) -> None:
        """The first claim of an event may let it take effect."""
        async with store.claim("psp-1:CAPTURED") as claim:
            assert not claim.is_duplicate

    async def test_an_event_that_is_done_is_a_duplicate_from_then_on(self, store: EventStore) -> None:
        """After a claim that was left cleanly every later one is a duplicate."""
        async with store.claim("psp-1:CAPTURED"):
            pass
        for _ in range(3):
            async with store.claim("psp-1:CAPTURED") as claim:
                assert claim.is_duplicate

    async def test_events_do_not_touch_each_other(self, store: EventStore) -> None:
        """Keys that differ in anything, case included, are claimed side by side."""
        async with store.claim("psp-1:CAPTURED"):
            for key in ("psp-1:REFUNDED", "psp-1:captured", "psp-11:CAPTURED", "", "ø", "x" * 500):
                async with store.claim(key) as claim:
                    assert not claim.is_duplicate

    async def test_a_held_claim_is_not_given_twice(self, store: EventStore) -> None:
        """While a holder is inside, entering raises `ClaimHeld`, which says when to come back."""
        async with store.claim("psp-1:CAPTURED"):
            for _ in range(2):
                with pytest.raises(ClaimHeld) as held:
                    await store.claim("psp-1:CAPTURED").__aenter__()
                assert held.value.key == "psp-1:CAPTURED"
                assert held.value.retry_after.total_seconds() > 0
        async with store.claim("psp-1:CAPTURED") as claim:
            assert claim.is_duplicate

    async def test_an_exception_gives_the_claim_back(self, store: EventStore) -> None:
        """A block that raises leaves the event as if it had not been claimed, and the exception passes."""
        for _ in range(2):
            with pytest.raises(RuntimeError, match="handler"):
                await _raise_inside(store, is_duplicate=False)
        async with store.claim("psp-1:CAPTURED") as claim:
            assert not claim.is_duplicate

    async def test_a_cancellation_gives_the_claim_back(self, store: EventStore) -> None:
        """A task that is cancelled inside its claim leaves the event as if it had not been claimed."""
        inside = asyncio.Event()

        async def hold() -> None:
            async with store.claim("psp-1:CAPTURED"):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hold())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with store.claim("psp-1:CAPTURED") as claim:
            assert not claim.is_duplicate

    async def test_a_duplicate_s_block_changes_nothing(self, store: EventStore) -> None:
        """A duplicate stays one, also when its block raises, and holds nothing."""
        async with store.claim("psp-1:CAPTURED"):
            pass
        with pytest.raises(RuntimeError, match="handler"):
            await _raise_inside(store, is_duplicate=True)
        async with store.claim("psp-1:CAPTURED") as outer, store.claim("psp-1:CAPTURED") as inner:
            assert outer.is_duplicate
            assert inner.is_duplicate

    async def test_of_many_at_once_one_takes_effect(self, store: EventStore) -> None:
        """Of fifty tasks that claim one event at once exactly one may let it take effect."""
        effects = 0

        async def take() -> str:
            nonlocal effects
            try:
                async with store.claim("psp-1:CAPTURED") as claim:
                    if claim.is_duplicate:
                        return "duplicate"
                    await asyncio.sleep(0)
                    effects += 1
                    return "done"
            except ClaimHeld:
                return "held"

        outcomes = await asyncio.gather(*(take() for _ in range(50)))
        assert effects == 1
        assert outcomes.count("done") == 1
        assert set(outcomes) <= {"done", "held", "duplicate"}

    async def test_a_claim_that_is_not_entered_holds_nothing(self, store: EventStore) -> None:
        """Making a claim without entering it has no effect."""
        store.claim("psp-1:CAPTURED")
        async with store.claim("psp-1:CAPTURED") as claim:
            assert not claim.is_duplicate

    async def test_retention_covers_the_redeliveries(self, store: EventStore) -> None:
        """By default an event is remembered longer than the seven days for which deliveries are repeated."""
        assert store.retention.total_seconds() > 7 * 86400
