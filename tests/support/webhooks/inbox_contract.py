"""What every inbox has to hold to; a store's tests subclass this with a ``place`` fixture."""

import asyncio
import itertools
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.webhooks import inbox_process
from tests.support.webhooks.deliveries import NAME
from tests.support.webhooks.places import Place
from vipps_async.webhooks.stores.base import DeadLetter, Inbox, InboxSize, InboxStore, StoredEvent

LEASE = timedelta(seconds=600)  # longer than any test
NOW = timedelta(0)

Verdict = Callable[[Inbox, StoredEvent], Awaitable[None]]
_VERDICTS: dict[str, Verdict] = {
    "complete": lambda inbox, event: inbox.complete(event),
    "postpone": lambda inbox, event: inbox.postpone(event, NOW, "late"),
    "release": lambda inbox, event: inbox.release(event, NOW),
    "bury": lambda inbox, event: inbox.bury(event, "late", stops=False),
    "renew": lambda inbox, event: inbox.renew(event.holder, [event.id], LEASE * 9),
}
_GONE = ["complete", "postpone", "release", "bury"]
# 20,000 events that wait for one, and 20,000 that wait for one each.
_CROWDS = {
    "behind one": """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
    INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at, is_first)
    SELECT 'a' || n, receiver, 'a', body, stored_at, stored_at, FALSE FROM number, vipps_inbox WHERE key = 'a'
    """,
    "in pairs": """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000),
    turn (t) AS (SELECT 1 UNION ALL SELECT 2)
    INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at, is_first)
    SELECT t || 'p' || n, receiver, 'p' || n, body, stored_at, CASE t WHEN 1 THEN due_at ELSE stored_at END, t = 1
    FROM number, turn, vipps_inbox WHERE key = 'a' ORDER BY t, n
    """,
}


async def put(inbox: Inbox, *names: str) -> None:
    """Put events; the first letter of a name is its payment."""
    for name in names:
        assert await inbox.put(name, name[0], name.encode(), receiver=NAME)


async def take(inbox: Inbox, holder: str = "me") -> StoredEvent:
    """Take an event that has to be due."""
    event = await inbox.take(NAME, holder, LEASE)
    assert event is not None
    return event


async def taken(inbox: Inbox, holder: str = "me") -> list[str]:
    """Take everything that is due, and return the names."""
    names = []
    while event := await inbox.take(NAME, holder, LEASE):
        names.append(event.body.decode())
    return names


async def drained(inbox: Inbox) -> list[str]:
    """Take and complete everything that is due, and becomes due by that; return the names."""
    names = []
    while event := await inbox.take(NAME, "me", LEASE):
        names.append(event.body.decode())
        await inbox.complete(event)
    return names


async def buried(inbox: Inbox, name: str, *, stops: bool = True) -> DeadLetter:
    """Make a dead letter of an event that is due next, and return it."""
    event = await take(inbox)
    assert event.body.decode() == name
    await inbox.bury(event, f"of {name}", stops=stops)
    return (await inbox.dead_letters())[-1]


def of_payment(names: Iterable[str], payment: str) -> list[str]:
    """Those names that are of a payment."""
    return [name for name in names if name[0] == payment]


async def is_new(store: InboxStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def purged(store: InboxStore) -> None:
    """Have as many events take effect as it takes for every store to purge."""
    for _ in range(40):
        assert await is_new(store, uuid4().hex)


class InboxContract:
    """The contract of `Inbox`. A subclass has a fixture ``place`` without events."""

    @pytest_asyncio.fixture
    async def store(self, place: Place) -> AsyncIterator[InboxStore]:
        """The store of an empty inbox."""
        async with place.opened() as store:
            yield store

    @pytest.fixture
    def inbox(self, store: InboxStore) -> Inbox:
        """An empty inbox."""
        return store.inbox

    async def test_an_event_is_taken_as_it_was_put(self, inbox: Inbox) -> None:
        """Key, subject and body come back; it is the first attempt, and belongs to who took it."""
        assert await inbox.put("key", "order-1", b"body", receiver=NAME)
        event = await take(inbox, "somebody")
        assert (event.key, event.receiver, event.subject, event.body) == ("key", NAME, "order-1", b"body")
        assert (event.attempt, event.holder) == (1, "somebody")
        assert await inbox.take(NAME, "somebody", LEASE) is None

    async def test_nothing_is_taken_out_of_an_empty_inbox(self, inbox: Inbox) -> None:
        """Without events there is none to take, and nothing to count."""
        assert await inbox.take(NAME, "me", LEASE) is None
        assert await inbox.dead_letters() == []
        assert await inbox.size() == InboxSize(waiting=0, dead=0)

    async def test_events_are_taken_in_the_order_in_which_they_were_put(self, inbox: Inbox) -> None:
        """Whoever came first is taken first, and has the lower id."""
        await put(inbox, *"cab")
        events = [await take(inbox) for _ in range(3)]
        assert [event.body for event in events] == [b"c", b"a", b"b"]
        assert sorted(event.id for event in events) == [event.id for event in events]

    async def test_who_has_been_due_for_longest_is_taken_first(self, inbox: Inbox, place: Place) -> None:
        """An event that was postponed comes after those that were due before its pause was over."""
        await put(inbox, "a1")
        await inbox.postpone(await take(inbox), timedelta(seconds=10), "failed")
        await put(inbox, "b1")
        await place.elapse(timedelta(seconds=20))
        await put(inbox, "c1")
        assert await taken(inbox) == ["b1", "a1", "c1"]

    async def test_events_of_a_payment_are_taken_one_at_a_time(self, inbox: Inbox) -> None:
        """The next is due when the one before is finished, and other payments' do not wait for it."""
        await put(inbox, "a1", "a2", "a3", "b1", "b2", "c1")
        first = await take(inbox)
        assert first.body == b"a1"
        assert await taken(inbox, "other") == ["b1", "c1"]
        await inbox.complete(first)
        assert await taken(inbox, "other") == ["a2"]

    async def test_a_pause_blocks_its_payment_alone(self, inbox: Inbox, place: Place) -> None:
        """A postponed event comes before its followers, after its pause, and other payments' do not wait."""
        await put(inbox, "a1", "a2", "b1")
        await inbox.postpone(await take(inbox), timedelta(seconds=30), "failed")
        assert await drained(inbox) == ["b1"]
        await place.elapse(timedelta(seconds=20))
        assert await drained(inbox) == []
        await place.elapse(timedelta(seconds=11))
        assert await drained(inbox) == ["a1", "a2"]

    async def test_a_lease_that_ran_out_frees_its_event(self, inbox: Inbox, place: Place) -> None:
        """What a process held that died is another's after the lease, not before, and in its old place."""
        await put(inbox, "a1", "a2")
        await take(inbox, "dead")
        await place.elapse(LEASE - timedelta(seconds=10))
        assert await taken(inbox, "other") == []
        await place.elapse(timedelta(seconds=11))
        event = await take(inbox, "other")
        assert (event.body, event.attempt, event.holder) == (b"a1", 2, "other")
        assert await taken(inbox, "other") == []

    async def test_a_lease_can_be_renewed(self, inbox: Inbox, place: Place) -> None:
        """A renewed lease counts from then on, for the events that are named and no others."""
        await put(inbox, *"abc")
        ids = [(await take(inbox)).id for _ in "abc"]
        await place.elapse(LEASE - timedelta(seconds=10))
        await inbox.renew("me", ids[:2], LEASE)
        await place.elapse(LEASE - timedelta(seconds=10))
        assert await taken(inbox, "other") == ["c"]
        await place.elapse(timedelta(seconds=11))
        assert await taken(inbox, "other") == ["a", "b"]

    @pytest.mark.parametrize("verdict", _VERDICTS)
    async def test_who_lost_the_lease_changes_nothing(self, inbox: Inbox, place: Place, verdict: str) -> None:
        """What the old holder says of an event that another has taken since is ignored."""
        await put(inbox, "a1", "a2")
        late = await take(inbox, "late")
        await place.elapse(LEASE * 2)
        event = await take(inbox, "other")
        await _VERDICTS[verdict](inbox, late)
        assert await taken(inbox, "third") == []
        assert await inbox.size() == InboxSize(waiting=2, dead=0)
        await place.elapse(LEASE * 2)
        again = await take(inbox, "third")
        assert (again.id, again.attempt) == (event.id, 3)

    async def test_what_is_said_late_of_an_event_that_is_gone_hits_no_other(self, inbox: Inbox, place: Place) -> None:
        """Also if who says it has taken the event that came next."""
        await put(inbox, "a")
        late = await take(inbox)
        await place.elapse(LEASE * 2)
        await inbox.complete(await take(inbox, "other"))
        await put(inbox, "b")
        await take(inbox)
        for verdict in _VERDICTS.values():
            await verdict(inbox, late)
        assert await taken(inbox) == []
        assert await inbox.size() == InboxSize(waiting=1, dead=0)

    @pytest.mark.parametrize("verdict", _VERDICTS)
    @pytest.mark.parametrize("before", _GONE)
    async def test_an_event_that_was_settled_is_out_of_reach(self, inbox: Inbox, before: str, verdict: str) -> None:
        """A second word on an event by who has settled it, as after a reply that was lost, changes nothing."""
        await put(inbox, "a1", "b1")
        event = await take(inbox)
        await _VERDICTS[before](inbox, event)
        size, dead = await inbox.size(), await inbox.dead_letters()
        await _VERDICTS[verdict](inbox, event)
        assert (await inbox.size(), await inbox.dead_letters()) == (size, dead)
        assert await taken(inbox) == {"postpone": ["b1", "a1"], "release": ["b1", "a1"]}.get(before, ["b1"])

    async def test_every_attempt_counts(self, inbox: Inbox, place: Place) -> None:
        """An attempt that failed counts, and one whose process died."""
        await put(inbox, "a1")
        await inbox.postpone(await take(inbox), NOW, "failed")
        assert (await take(inbox)).attempt == 2
        await place.elapse(LEASE * 2)
        assert (await take(inbox)).attempt == 3

    async def test_an_event_that_is_handed_back_was_not_tried(self, inbox: Inbox, place: Place) -> None:
        """It keeps its place and its attempts, and is due after its pause."""
        await put(inbox, "a1", "a2")
        await inbox.release(await take(inbox), timedelta(seconds=30))
        assert await taken(inbox) == []
        await place.elapse(timedelta(seconds=31))
        for _ in range(3):
            event = await take(inbox)
            assert (event.body, event.attempt) == (b"a1", 1)
            await inbox.release(event, NOW)

    @pytest.mark.parametrize(("stops", "going_on"), [(True, ["b1", "b2"]), (False, ["a2", "b1", "a3", "b2"])])
    async def test_a_dead_letter_stops_its_payment_or_does_not(
        self, inbox: Inbox, place: Place, *, stops: bool, going_on: list[str]
    ) -> None:
        """The later events of a dead letter's payment wait or go on, as it was buried; other payments' always go on."""
        await put(inbox, "a1", "a2", "b1", "a3", "b2")
        await buried(inbox, "a1", stops=stops)
        await place.elapse(LEASE * 1000)
        assert await drained(inbox) == going_on
        assert await inbox.size() == InboxSize(waiting=5 - 1 - len(going_on), dead=1)

    async def test_a_dead_letter_tells_what_happened(self, inbox: Inbox, place: Place) -> None:
        """It has the event as it arrived, when that was, how often it was tried, and what ended the last attempt."""
        begun = datetime.now(UTC)
        assert await inbox.put("key", "order-1", b"body", receiver=NAME)
        await inbox.postpone(await take(inbox), NOW, "first error")
        await place.elapse(timedelta(hours=1))
        await inbox.bury(await take(inbox), "last error", stops=True)
        (letter,) = await inbox.dead_letters()
        assert (letter.key, letter.receiver, letter.subject, letter.body) == ("key", NAME, "order-1", b"body")
        assert (letter.attempts, letter.error) == (2, "last error")
        assert letter.stored_at.utcoffset() == letter.died_at.utcoffset() == NOW
        a_minute, an_hour = timedelta(minutes=1), timedelta(hours=1)
        assert begun - a_minute < letter.died_at < begun + a_minute
        assert an_hour - a_minute < letter.died_at - letter.stored_at < an_hour + a_minute

    async def test_dead_letters_are_listed_as_they_died(self, inbox: Inbox, place: Place) -> None:
        """Who died first comes first, whoever arrived first, and no more come than are asked for."""
        await put(inbox, *"cab")
        events = [await take(inbox) for _ in range(3)]
        for event in reversed(events):
            await inbox.bury(event, "failed", stops=True)
            await place.elapse(timedelta(seconds=1))
        assert [letter.key for letter in await inbox.dead_letters()] == ["b", "a", "c"]
        assert [letter.key for letter in await inbox.dead_letters(2)] == ["b", "a"]

    @pytest.mark.parametrize("stops", [True, False])
    async def test_a_requeued_letter_has_all_its_attempts_and_its_old_place(self, inbox: Inbox, *, stops: bool) -> None:
        """It is due at once, counts its attempts anew, and comes before the events of its payment that are left."""
        await put(inbox, "a1", "b1", "a2")
        await inbox.postpone(await take(inbox), NOW, "failed")
        assert await drained(inbox) == ["b1", "a1", "a2"]
        await put(inbox, "a1", "a2")
        letter = await buried(inbox, "a1", stops=stops)
        assert await inbox.requeue(letter.key)
        assert await inbox.dead_letters() == []
        event = await take(inbox)
        assert (event.body, event.attempt) == (b"a1", 1)
        assert await taken(inbox) == []
        await inbox.complete(event)
        assert await taken(inbox) == ["a2"]

    async def test_a_requeued_letter_waits_for_the_event_that_is_held(self, inbox: Inbox) -> None:
        """Its payment went on without it: while a later event is being handled, it is not taken, and afterwards is."""
        await put(inbox, "a1", "a2", "a3")
        letter = await buried(inbox, "a1", stops=False)
        later = await take(inbox)
        assert await inbox.requeue(letter.key)
        assert await taken(inbox, "other") == []
        await inbox.complete(later)
        assert await drained(inbox) == ["a1", "a3"]

    async def test_a_requeued_letter_can_die_again(self, inbox: Inbox) -> None:
        """It is a dead letter like any other then, with the newer error."""
        await put(inbox, "a1", "a2")
        letter = await buried(inbox, "a1")
        assert await inbox.requeue(letter.key)
        await inbox.bury(await take(inbox), "again", stops=False)
        assert [letter.error for letter in await inbox.dead_letters()] == ["again"]
        assert await taken(inbox) == ["a2"]

    async def test_a_discarded_letter_is_gone(self, inbox: Inbox) -> None:
        """Its payment goes on without it, and another letter stays."""
        await put(inbox, "a1", "b1", "a2")
        letter = await buried(inbox, "a1")
        await buried(inbox, "b1")
        assert await inbox.discard(letter.key)
        assert [letter.key for letter in await inbox.dead_letters()] == ["b1"]
        assert await drained(inbox) == ["a2"]
        assert not await inbox.discard(letter.key)
        assert not await inbox.requeue(letter.key)

    async def test_a_discarded_letter_stays_known(self, store: InboxStore, place: Place) -> None:
        """Its next copy is a duplicate, held or claimed, and it is remembered as long as one that took effect."""
        await put(store.inbox, "a1")
        letter = await buried(store.inbox, "a1")
        assert await store.inbox.discard(letter.key)
        await place.elapse(timedelta(days=7, hours=23))
        await purged(store)
        assert not await store.inbox.put("a1", "a", b"a1", receiver=NAME)
        assert not await is_new(store, "a1")
        assert await drained(store.inbox) == []

    async def test_a_receiver_takes_its_own_events_alone(self, inbox: Inbox) -> None:
        """However many wait for another receiver, and whatever their subjects."""
        await put(inbox, "a1", "b1")
        assert await inbox.put("another's a1", "another's a", b"a1", receiver="another")
        assert await inbox.take("nobody", "me", LEASE) is None
        assert await drained(inbox) == ["a1", "b1"]
        event = await inbox.take("another", "me", LEASE)
        assert event is not None
        assert (event.key, event.receiver) == ("another's a1", "another")

    async def test_a_mark_is_kept_for_the_retention_of_who_wrote_it(self, store: InboxStore, place: Place) -> None:
        """Another receiver's shorter retention purges nothing of it, and its own marks in their time."""
        async with place.opened(retention=timedelta(days=1)) as shorter:
            assert await is_new(store, "long")
            assert await is_new(shorter, "short")
            await place.elapse(timedelta(days=7))
            await purged(shorter)
            assert not await is_new(shorter, "long")
            assert await is_new(store, "short")

    async def test_a_mark_counts_until_it_is_purged(self, store: InboxStore, place: Place) -> None:
        """Whatever the time, as long as it is there."""
        assert await is_new(store, "a1")
        await place.elapse(timedelta(days=30))
        assert not await store.inbox.put("a1", "a", b"a1", receiver=NAME)
        assert not await is_new(store, "a1")

    @pytest.mark.parametrize("how", ["claimed", "held"])
    async def test_a_duplicate_renews_its_mark(self, store: InboxStore, place: Place, how: str) -> None:
        """As long as deliveries of an event go on, it is known."""
        assert await is_new(store, "a1")
        for _ in range(3):
            await place.elapse(timedelta(days=7))
            if how == "claimed":
                assert not await is_new(store, "a1")
            else:
                assert not await store.inbox.put("a1", "a", b"a1", receiver=NAME)
            await purged(store)
        await place.elapse(timedelta(days=9))
        await purged(store)
        assert await is_new(store, "a1")

    async def test_an_event_that_could_not_be_removed_never_takes_effect_again(
        self, store: InboxStore, place: Place
    ) -> None:
        """It leaves the inbox with its mark; or its mark is not purged before it is gone, however long that takes."""
        await put(store.inbox, "a1")
        assert await is_new(store, (await take(store.inbox)).key)
        await place.elapse(timedelta(days=365))
        await purged(store)
        if event := await store.inbox.take(NAME, "after a year", LEASE):
            assert not await is_new(store, event.key)
            await store.inbox.complete(event)
            await place.elapse(timedelta(days=365))
            await purged(store)
        assert await is_new(store, "a1")

    async def test_only_a_dead_letter_is_requeued_or_discarded(self, inbox: Inbox) -> None:
        """A key that nobody knows, and events that wait, are held or postponed, are left alone."""
        await put(inbox, *"cba")
        held = await take(inbox)
        await inbox.postpone(await take(inbox), LEASE, "failed")
        for key in ("nobody", *"abc"):
            assert not await inbox.requeue(key)
            assert not await inbox.discard(key)
        assert await taken(inbox) == ["a"]
        assert await inbox.size() == InboxSize(waiting=3, dead=0)
        await inbox.complete(held)
        assert await inbox.size() == InboxSize(waiting=2, dead=0)

    async def test_the_size_tells_who_waits_and_who_is_dead(self, inbox: Inbox) -> None:
        """Events that are due, held, blocked or postponed wait; those that were given up are dead."""
        await put(inbox, "a1", "b1", "c1", "d1", "d2")
        await buried(inbox, "a1", stops=True)
        await buried(inbox, "b1", stops=False)
        await inbox.postpone(await take(inbox), LEASE, "failed")
        await take(inbox)
        assert await inbox.size() == InboxSize(waiting=3, dead=2)

    @pytest.mark.parametrize("verdict", [None, "renew", "postpone", "release", "bury"])
    async def test_an_event_that_is_held_is_not_put_again(
        self, inbox: Inbox, place: Place, verdict: str | None
    ) -> None:
        """A redelivery changes nothing, whatever has become of the event, dead letters included."""
        await put(inbox, "a1")
        for _ in range(2):
            assert not await inbox.put("a1", "other", b"other", receiver=NAME)
        if verdict:
            event = await take(inbox)
            await _VERDICTS[verdict](inbox, event)
            assert not await inbox.put("a1", "other", b"other", receiver=NAME)
            await inbox.requeue("a1")
            await place.elapse(LEASE * 10)
        event = await take(inbox)
        assert (event.subject, event.body) == ("a", b"a1")

    async def test_an_event_that_took_effect_is_not_put_again(self, store: InboxStore) -> None:
        """What was marked, out of the inbox or without one, is known; what is being handled elsewhere is not yet."""
        await put(store.inbox, "a1")
        event = await take(store.inbox)
        async with store.claim("a1"), store.claim("b1"):
            assert await store.inbox.put("b1", "b", b"b1", receiver=NAME)
        assert not await store.inbox.put("a1", "a", b"a1", receiver=NAME)
        await store.inbox.complete(event)
        assert not await store.inbox.put("a1", "a", b"a1", receiver=NAME)
        assert await drained(store.inbox) in ([], ["b1"])  # which may leave with its mark
        assert not await store.inbox.put("b1", "b", b"b1", receiver=NAME)

    async def test_an_event_whose_handler_failed_can_be_put(self, store: InboxStore) -> None:
        """A claim that was given back marks nothing."""
        with pytest.raises(RuntimeError, match="handler"):
            async with store.claim("a1"):
                raise RuntimeError("handler")
        assert await store.inbox.put("a1", "a", b"a1", receiver=NAME)

    @pytest.mark.parametrize("body", [b"", bytes(range(256)), b"\0", b"\xff" * 300_000], ids=len)
    async def test_bodies_come_back_to_the_byte(self, inbox: Inbox, body: bytes) -> None:
        """Whatever the bytes, they are the same when the event is taken, and as a dead letter."""
        assert await inbox.put("key", "order-1", body, receiver=NAME)
        event = await take(inbox)
        assert event.body == body
        await inbox.bury(event, "failed", stops=True)
        assert [letter.body for letter in await inbox.dead_letters()] == [body]

    @pytest.mark.parametrize("text", ["", "a\0b", "x" * 2000, "€" * 2000, "' OR ''='", "{0}$1?1:key", "ø"])
    async def test_any_text_can_be_a_key_or_a_reference(self, inbox: Inbox, text: str) -> None:
        """Odd keys and references are told apart, keep their order, and name dead letters."""
        assert await inbox.put(text, text, b"first", receiver=NAME)
        assert not await inbox.put(text, text, b"again", receiver=NAME)
        assert await inbox.put(text + "2", text, b"second", receiver=NAME)
        assert await inbox.put(text + "3", text + "2", b"other", receiver=NAME)
        event = await take(inbox)
        assert await taken(inbox) == ["other"]
        await inbox.bury(event, text, stops=True)
        (letter,) = await inbox.dead_letters()
        assert await inbox.requeue(letter.key)
        await inbox.bury(await take(inbox), "failed", stops=True)
        assert await inbox.requeue(text)
        await inbox.complete(await take(inbox))
        await inbox.bury(await take(inbox), "failed", stops=True)
        assert await inbox.discard(text + "2")

    async def test_an_event_that_is_put_many_times_at_once_is_held_once(self, inbox: Inbox) -> None:
        """Of twenty deliveries of one event one finds it new."""
        news = await asyncio.gather(*(inbox.put("a1", "a", b"a1", receiver=NAME) for _ in range(20)))
        assert news.count(True) == 1
        assert await taken(inbox) == ["a1"]

    async def test_what_is_held_outlasts_the_store(self, place: Place) -> None:
        """Whoever opens the store next finds the events, their attempts and the dead letters."""
        async with place.opened() as store:
            await put(store.inbox, "a1", "b1", "c1")
            await buried(store.inbox, "a1")
            await store.inbox.postpone(await take(store.inbox), NOW, "failed")
        async with place.opened() as store:
            assert await store.inbox.size() == InboxSize(waiting=2, dead=1)
            assert [(await take(store.inbox)).attempt for _ in range(2)] == [1, 2]

    async def test_tasks_share_an_inbox(self, inbox: Inbox) -> None:
        """Eight tasks take every event once, and one of a payment at a time, in order."""
        names = [f"{payment}{number:02}" for number in range(12) for payment in "abcde"]
        await put(inbox, *names)
        under_way: set[str] = set()
        done: list[str] = []

        async def work(holder: str) -> None:
            while len(done) < len(names):
                event = await inbox.take(NAME, holder, LEASE)
                if event is None:
                    await asyncio.sleep(0.001)
                    continue
                assert event.subject not in under_way
                under_way.add(event.subject)
                await asyncio.sleep(0)
                under_way.remove(event.subject)
                done.append(event.body.decode())
                await inbox.complete(event)

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(work(f"task {number}"))
        assert sorted(done) == sorted(names)
        assert all(of_payment(done, payment) == of_payment(names, payment) for payment in "abcde")

    async def test_processes_share_an_inbox(self, inbox: Inbox, place: Place, tmp_path: Path) -> None:
        """Four processes take every event once, and one of a payment at a time, in order, while more events arrive."""
        names = [f"{payment}{number:02}" for number in range(30) for payment in "abcdef"]
        await put(inbox, *names[:60])
        journal = tmp_path / "journal"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([inbox_process.__name__])
        job = (place, journal, len(names), context.Barrier(4))
        processes = [context.Process(target=inbox_process.drain, args=job, daemon=True) for _ in range(4)]
        for process in processes:
            await asyncio.to_thread(process.start)
        await put(inbox, *names[60:])
        for process in processes:
            await asyncio.to_thread(process.join, 30)
            assert process.exitcode == 0
        notes = journal.read_text("utf-8").split()
        assert len({note.partition("@")[2] for note in notes}) > 1
        done = [note.partition("@")[0] for note in notes]
        assert sorted(done) == sorted(2 * names)
        for payment in "abcdef":
            expected = of_payment(names, payment)
            assert of_payment(done, payment) == list(
                itertools.chain.from_iterable(zip(expected, expected, strict=True))
            )

    @pytest.mark.parametrize(("known", "new"), [("behind one", "in pairs"), ("in pairs", "behind one")])
    async def test_crowds_that_wait_are_in_nobody_s_way(self, inbox: Inbox, place: Place, known: str, new: str) -> None:
        """With tens of thousands of events that wait for others, those of other payments are found all the same.

        Also if the database has last looked at how its rows are spread before most of them came.
        """
        await put(inbox, "a")
        first = await take(inbox)
        await place.sql(_CROWDS[known])
        await place.sql("ANALYZE")
        await place.sql(_CROWDS[new])
        await put(inbox, "b1", "a0", "b2")
        async with asyncio.timeout(20):
            assert await drained(inbox) == ["b1", "b2"]
            await inbox.complete(first)
            assert (await take(inbox)).subject == "a"
