"""Answer first, work after: what was answered 200 takes effect once, in order for each payment, whatever fails."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import attrs
import pytest

from tests.support.webhooks.deliveries import NAME, key_of, signed
from tests.support.webhooks.inbox_shop import NO_GRACE, PATH, QUICK, event_of, never, shop, until
from tests.support.webhooks.places import Place, SqlitePlace
from vipps_async._events import netstrings
from vipps_async.webhooks import Stage


async def test_a_delivery_is_answered_before_its_event_is_handled(place: Place) -> None:
    """Deliveries are answered 200 while no handler has ended, and each event takes effect once afterwards."""
    let_go = asyncio.Event()

    async def wait(_: str) -> None:
        await let_go.wait()

    async with shop(place, wait) as site:
        assert await site.deliver("a1", "a2", "b1") == [200, 200, 200]
        assert await site.shipped() == []
        let_go.set()
        await site.has_shipped("a1", "a2", "b1")
        assert sorted(site.begun) == ["a1", "a2", "b1"]
        assert await site.is_empty()


async def test_an_event_is_handled_as_soon_as_it_is_held(place: Place) -> None:
    """Nobody waits for the next poll: not for an event that came here, nor for the next of a payment."""
    async with shop(place, policy=attrs.evolve(QUICK, poll_interval=timedelta(hours=1))) as site:
        await site.deliver("a1", "a2", "a3")
        await site.has_shipped("a1", "a2", "a3")
        await site.deliver("b1")
        await site.has_shipped("a1", "a2", "a3", "b1")


async def test_duplicates_are_answered_200_and_run_nothing(place: Place) -> None:
    """However often and at whatever time an event is delivered, it takes effect once, and each answer is 200."""
    let_go = asyncio.Event()

    async def wait(_: str) -> None:
        await let_go.wait()

    async with shop(place, wait) as site:
        at_once = await asyncio.gather(*(site.deliver("a1") for _ in range(20)))
        let_go.set()
        await site.has_shipped("a1")
        later = await asyncio.gather(*(site.deliver("a1") for _ in range(5)))
        assert at_once + later == [[200]] * 25
        assert site.begun == ["a1"]
        assert (site.receiver.counts[Stage.DUPLICATE], site.receiver.counts[Stage.HANDLED]) == (24, 1)
        assert await site.is_empty()


async def test_an_event_that_fails_is_repeated_in_its_place_and_in_nobody_s_way(place: Place) -> None:
    """A handler that raises three times and then succeeds: one effect, in order; other payments end meanwhile."""
    others_have_ended = asyncio.Event()

    async def fail_three_times(name: str) -> None:
        attempt = site.begun.count("a1")
        if name == "a1" and attempt == 3:
            await others_have_ended.wait()
        if name == "a1" and attempt <= 3:
            raise RuntimeError(f"attempt {attempt}")

    async with shop(place, fail_three_times) as site:
        assert await site.deliver("a1", "a2", "b1", "a3", "b2", "c1") == [200] * 6
        await site.has_shipped("b1", "b2", "c1")
        others_have_ended.set()
        await site.has_shipped("a1", "a2", "a3", "b1", "b2", "c1")
        assert [name for name in site.begun if name[0] == "a"] == ["a1"] * 4 + ["a2", "a3"]
        assert [notice.attempt for notice in site.notices if notice.stage is Stage.FAILED] == [1, 2, 3]


async def test_pauses_become_twice_as_long(place: Place) -> None:
    """An event that failed is tried again in the second half of its pause; the next pause is twice as long."""
    policy = attrs.evolve(QUICK, initial_delay=timedelta(minutes=10), max_delay=timedelta(minutes=30))

    async def fail(name: str) -> None:
        if name == "a1":
            raise RuntimeError

    async with shop(place, fail, policy) as site:
        await site.deliver("a1")
        for attempt, minutes in ((1, 10), (2, 20), (3, 30), (4, 30)):
            await until(lambda: _has_given_back(place, attempts=attempt))  # noqa: B023 - awaited in the loop
            await place.elapse(timedelta(minutes=minutes / 2 - 1))
            await site.deliver(f"b{attempt}")
            await until(lambda: site.has_effect(f"b{attempt}"))  # noqa: B023 - as above
            assert site.begun.count("a1") == attempt
            await place.elapse(timedelta(minutes=minutes / 2 + 1))


async def _has_given_back(place: Place, *, attempts: int) -> bool:
    return await place.sql("SELECT holder, attempts FROM vipps_inbox WHERE key LIKE '%2:a1,%'") == [(None, attempts)]


@pytest.mark.parametrize("stops", [True, False])
async def test_a_poison_event_becomes_a_dead_letter(place: Place, *, stops: bool) -> None:
    """After so many attempts it has the last error, and its payment stops or goes on; requeued, it takes effect."""
    is_poison = True

    async def fail(name: str) -> None:
        if name == "a1" and is_poison:
            raise ValueError(f"attempt {site.begun.count('a1')}")

    async with shop(place, fail, attrs.evolve(QUICK, attempts=3, dead_letter_blocks=stops)) as site:
        assert await site.deliver("a1", "a2", "b1") == [200, 200, 200]
        await site.is_dead("a1")
        (letter,) = await site.store.inbox.dead_letters()
        assert (letter.key, letter.receiver, letter.body) == (key_of(event_of("a1")), NAME, event_of("a1"))
        assert (letter.attempts, letter.error) == (3, "ValueError('attempt 3')")
        assert await site.deliver("a1", "b2") == [200, 200]
        going_on = ["b1", "b2"] if stops else ["a2", "b1", "b2"]
        await site.has_shipped(*going_on)
        assert site.begun.count("a1") == 3
        is_poison = False
        assert await site.store.inbox.requeue(letter.key)
        await site.has_shipped("a1", "a2", "b1", "b2")
        assert [name for name in site.begun if name[0] == "a"] == ["a1"] * 3 + (["a1", "a2"] if stops else ["a2", "a1"])
        assert await site.is_empty()


async def test_a_discarded_dead_letter_lets_its_payment_go_on(place: Place) -> None:
    """The events behind it are handled, and it never is."""

    async def fail(name: str) -> None:
        if name == "a1":
            raise ValueError

    async with shop(place, fail, attrs.evolve(QUICK, attempts=1)) as site:
        await site.deliver("a1", "a2")
        await site.is_dead("a1")
        (letter,) = await site.store.inbox.dead_letters()
        assert await site.store.inbox.discard(letter.key)
        await site.has_shipped("a2")
        assert site.begun == ["a1", "a2"]


async def test_a_long_error_is_kept_in_short(sqlite_place: SqlitePlace) -> None:
    """An error of a megabyte does not fill the inbox."""

    async def fail(_: str) -> None:
        raise ValueError("x" * 1_000_000)

    async with shop(sqlite_place, fail, attrs.evolve(QUICK, attempts=1)) as site:
        await site.deliver("a1")
        await site.is_dead("a1")
        (letter,) = await site.store.inbox.dead_letters()
        assert letter.error.startswith("ValueError('xxx")
        assert len(letter.error) < 1100


async def test_a_handler_that_raises_a_cancellation_has_failed(sqlite_place: SqlitePlace) -> None:
    """A handler that awaits a task which was cancelled does not end its worker, and its event is tried again."""

    async def raise_once(name: str) -> None:
        if site.begun == ["a1"]:
            raise asyncio.CancelledError

    async with shop(sqlite_place, raise_once, attrs.evolve(QUICK, workers=1)) as site:
        await site.deliver("a1", "b1")
        await site.has_shipped("a1", "b1")
        assert site.begun.count("a1") == 2
        assert sorted(notice.attempt for notice in site.notices if notice.stage is Stage.HANDLED) == [1, 2]


async def test_an_event_that_cannot_be_read_becomes_a_dead_letter(sqlite_place: SqlitePlace) -> None:
    """A body that a later version does not take for an event is given up like any other, and workers go on."""
    async with shop(sqlite_place, policy=attrs.evolve(QUICK, attempts=2)) as site:
        assert await site.store.inbox.put(key_of(event_of("a1")), "order-a", b"{}", receiver=NAME)
        await site.deliver("b1")
        await site.is_dead("a1")
        await site.has_shipped("b1")
        assert "NotAnEvent" in (await site.store.inbox.dead_letters())[0].error
        assert [notice.event for notice in site.notices if notice.stage is Stage.DEAD] == [None]


async def test_a_claim_that_is_held_elsewhere_is_no_attempt(place: Place) -> None:
    """An event that another process is inside of, as without an inbox, waits without using up its attempts."""
    async with shop(place, policy=attrs.evolve(QUICK, attempts=1)) as site:
        async with place.opened() as other:
            claim = other.claim(key_of(event_of("a1")))
            await claim.__aenter__()
            assert await site.deliver("a1") == [200]
            await until(lambda: _was_handed_back(place))
            assert not await claim.__aexit__(RuntimeError, RuntimeError("handler"), None)
        await place.elapse(timedelta(seconds=2))
        await site.has_shipped("a1")
        assert [(notice.stage, notice.attempt) for notice in site.notices] == [("received", 1), ("handled", 1)]


async def _was_handed_back(place: Place) -> bool:
    waiting = "SELECT key FROM vipps_inbox WHERE holder IS NULL AND attempts = 0 AND due_at > stored_at"
    return bool(await place.sql(waiting))


async def test_an_event_that_took_effect_elsewhere_is_finished(place: Place) -> None:
    """If another process was faster, the event leaves the inbox, with its mark or as a duplicate."""
    async with shop(place) as site:
        async with place.opened() as other, other.claim(key_of(event_of("a1"))):
            assert await site.deliver("a1") == [200]
            await until(lambda: _was_handed_back(place))
        await place.elapse(timedelta(seconds=2))
        await until(site.is_empty)
        assert site.begun == []


async def test_an_effect_whose_end_could_not_be_noted_is_not_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the store fails after the effect, the event is taken again after its lease, and known to be done."""
    async with shop(place) as site:
        complete = site.store.inbox.complete
        errors = [OSError("away")]

        async def fail_once(event: Any) -> None:
            if errors:
                raise errors.pop()
            await complete(event)

        monkeypatch.setattr(site.store.inbox, "complete", fail_once)
        await site.deliver("a1", "b1")
        await until(lambda: site.has_effect("a1"))
        await until(lambda: site.has_effect("b1"))
        assert "is settled later" in caplog.text
        await place.elapse(QUICK.lease)
        await site.has_shipped("a1", "b1")
        assert sorted(site.begun) == ["a1", "b1"]


async def test_what_is_no_event_is_not_held(sqlite_place: SqlitePlace) -> None:
    """Deliveries that are not authentic, no event or too large are refused as without an inbox."""
    async with shop(sqlite_place, max_body=1000) as site, aiohttp.ClientSession() as client:
        for body, headers, status in (
            (event_of("a1"), {}, 401),
            (b"{}", signed(b"{}"), 400),
            (b"x" * 1001, {}, 413),
        ):
            async with client.post(site.server.url(PATH), data=body, headers=headers) as response:
                assert response.status == status
        assert await site.place.sql("SELECT * FROM vipps_inbox") == []


async def test_events_are_the_same_by_the_receiver_s_key(sqlite_place: SqlitePlace) -> None:
    """With a key of the shop's own the inbox holds one event for it."""
    async with shop(
        sqlite_place, never, attrs.evolve(QUICK, shutdown_timeout=NO_GRACE), key=lambda event: event.reference
    ) as site:
        assert await site.deliver("a1", "a2", "b1") == [200, 200, 200]
        keys = [netstrings(NAME) + reference for reference in ("order-a", "order-b")]
        assert sorted(await site.place.sql("SELECT key FROM vipps_inbox")) == [(key,) for key in keys]


async def test_workers_are_as_many_as_allowed(place: Place) -> None:
    """With two workers two events are handled at once, and never three."""
    at_work: set[str] = set()
    most = 0

    async def work(name: str) -> None:
        nonlocal most
        at_work.add(name)
        most = max(most, len(at_work))
        await asyncio.sleep(0.02)
        at_work.remove(name)

    async with shop(place, work, attrs.evolve(QUICK, workers=2)) as site:
        names = [f"{payment}1" for payment in "abcdefgh"]
        await site.deliver(*names)
        await site.has_shipped(*names)
    assert most == 2
