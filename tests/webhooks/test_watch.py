"""Who waits for a payment is woken when it is heard of, or was a moment ago; memory stays bounded."""

import asyncio

import pytest

from vipps_async.webhooks import _watch
from vipps_async.webhooks._watch import Watchers

REFERENCE = "acme-shop-1"
LIMIT = 10_000


def is_remembered(watchers: Watchers, reference: str) -> bool:
    """Whether who begins to wait for *reference* now is woken at once."""
    with watchers.watch(reference) as happened:
        return happened.is_set()


async def test_who_waits_is_woken() -> None:
    """Hearing of a payment wakes who waits for it, each time, and nobody else."""
    watchers = Watchers()
    with watchers.watch(REFERENCE) as happened, watchers.watch("acme-shop-2") as other:
        waiting = asyncio.create_task(happened.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        for _ in range(2):
            watchers.notify(REFERENCE)
            async with asyncio.timeout(1):
                await happened.wait()
            happened.clear()
        assert await waiting
        assert not other.is_set()


async def test_who_comes_late_is_woken_at_once() -> None:
    """A payment that was heard of before wakes who begins to wait, however often; another does not."""
    watchers = Watchers()
    watchers.notify(REFERENCE)
    assert is_remembered(watchers, REFERENCE)
    assert is_remembered(watchers, REFERENCE)
    assert not is_remembered(watchers, "acme-shop-2")


async def test_all_who_wait_for_a_payment_are_woken() -> None:
    """Several wait for one payment, each with an event of their own; one that leaves does not take the others along."""
    watchers = Watchers()
    with watchers.watch(REFERENCE) as first, watchers.watch(REFERENCE) as second:
        with watchers.watch(REFERENCE) as third:
            pass
        watchers.notify(REFERENCE)
        assert (first.is_set(), second.is_set(), third.is_set()) == (True, True, False)
        first.clear()
        assert second.is_set()


async def test_everybody_can_be_woken() -> None:
    """Where anything may have been missed, all are woken, and nothing counts as heard of."""
    watchers = Watchers()
    with (
        watchers.watch(REFERENCE) as first,
        watchers.watch(REFERENCE) as second,
        watchers.watch("acme-shop-2") as other,
    ):
        watchers.notify_all()
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, True)
    assert not is_remembered(watchers, REFERENCE)


@pytest.mark.parametrize("reference", ["", "x" * 65, "x" * 200_000, "two words", "a\0b", "\ud800", "kjøp"])
async def test_what_is_no_reference_is_not_remembered(reference: str) -> None:
    """What an unsigned delivery may say in place of a reference takes no memory."""
    watchers = Watchers()
    watchers.notify(reference)
    assert watchers._recent == {}


async def test_what_is_remembered_of_a_reference_is_bounded() -> None:
    """An unsigned delivery can claim to be any merchant's: those of one reference take little memory."""
    watchers = Watchers()
    for number in range(1000):
        watchers.notify(REFERENCE, str(number))
    assert len(watchers._recent[REFERENCE]) <= 16
    with watchers.watch(REFERENCE, "999") as heard_of, watchers.watch(REFERENCE, "other") as unheard_of:
        assert (heard_of.is_set(), unheard_of.is_set()) == (True, False)


async def test_waiting_leaves_no_trace() -> None:
    """When the last one leaves, also by an error, nothing of the payment is kept that was never heard of."""
    watchers = Watchers()
    with watchers.watch(REFERENCE), pytest.raises(RuntimeError, match="gave up"), watchers.watch(REFERENCE):
        raise RuntimeError("gave up")
    assert watchers._waiting == {}
    assert watchers._recent == {}
    assert not is_remembered(watchers, REFERENCE)


async def test_the_oldest_is_forgotten() -> None:
    """Of more than 10,000 payments the one that was heard of first is forgotten, and the others are not."""
    assert _watch._REMEMBERED == LIMIT
    watchers = Watchers()
    for number in range(LIMIT):
        watchers.notify(str(number))
    assert is_remembered(watchers, "0")
    watchers.notify(REFERENCE)
    assert [is_remembered(watchers, reference) for reference in ("0", "1", REFERENCE)] == [False, True, True]
    assert len(watchers._recent) == LIMIT


async def test_one_recent_again_counts_as_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payment of which something new is heard is not the oldest any more."""
    monkeypatch.setattr(_watch, "_REMEMBERED", 2)
    watchers = Watchers()
    for reference in ("first", "second", "first", "third"):
        watchers.notify(reference)
    remembered = [is_remembered(watchers, reference) for reference in ("first", "second", "third")]
    assert remembered == [True, False, True]
