"""The inbox in PostgreSQL keeps the contract, by the server's clock, and its transactions wait for nobody."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest
import pytest_asyncio

from tests.support.webhooks.deliveries import NAME
from tests.support.webhooks.inbox_contract import InboxContract, drained, put, take, taken
from tests.support.webhooks.places import PostgresPlace
from vipps_async.webhooks.stores import _postgres_inbox
from vipps_async.webhooks.stores.base import Inbox, InboxSize, StoredEvent
from vipps_async.webhooks.stores.postgres import PostgresStore

SHORT = timedelta(milliseconds=50)


class TestPostgresInbox(InboxContract):
    """The contract of every inbox."""

    @pytest.fixture
    def place(self, postgres_place: PostgresPlace) -> PostgresPlace:
        """A schema."""
        return postgres_place


@pytest_asyncio.fixture
async def pool(postgres_url: str) -> AsyncIterator[Any]:
    """A small pool."""
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=3) as pool:
        yield pool


@pytest_asyncio.fixture
async def store(pool: Any) -> PostgresStore:
    """An empty store."""
    store = PostgresStore(pool)
    await store.create_schema()
    return store


async def test_leases_and_pauses_end_by_the_server_s_clock(store: PostgresStore) -> None:
    """What is held or postponed for a moment is due by itself a moment later."""
    await put(store.inbox, "a")
    for attempt in (1, 2, 3, 4):
        async with asyncio.timeout(10):
            while not (event := await store.inbox.take(NAME, "me", SHORT)):
                await asyncio.sleep(0.005)
        assert event.attempt == attempt
        if attempt == 2:
            await store.inbox.postpone(event, SHORT, "failed")


async def test_who_takes_passes_over_what_another_is_taking(store: PostgresStore, pool: Any) -> None:
    """An event whose row another process has locked is not waited for, and the next one is taken."""
    await put(store.inbox, "a", "b")
    async with pool.acquire() as other, other.transaction(), asyncio.timeout(5):
        await other.execute("SELECT FROM vipps_events_inbox WHERE key = 'a' FOR UPDATE")
        assert await taken(store.inbox) == ["b"]
    assert await taken(store.inbox) == ["a"]


async def test_events_of_a_payment_are_seen_in_the_order_of_their_ids(store: PostgresStore, pool: Any) -> None:
    """While one is being put, the next of its payment waits, and nobody can take that first; others do not wait."""
    async with asyncio.timeout(10):
        async with pool.acquire() as other, other.transaction():
            await other.execute(store.inbox._tables.sql(_postgres_inbox._LOCK), NAME, "a")
            await other.execute(store.inbox._tables.sql(_postgres_inbox._PUT), "a1", NAME, "a", b"a1")
            second = asyncio.create_task(store.inbox.put("a2", "a", b"a2", receiver=NAME))
            await put(store.inbox, "b1")
            assert await drained(store.inbox) == ["b1"]
            assert not second.done()
        assert await second
        assert await drained(store.inbox) == ["a1", "a2"]


async def test_an_event_that_comes_while_the_one_before_it_goes_is_the_first(store: PostgresStore, pool: Any) -> None:
    """Whoever removes the only event of a payment waits for the one that is being put, and does not overlook it."""
    sql, waiting = store.inbox._tables.sql, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    await put(store.inbox, "a1")
    first = await take(store.inbox)
    async with asyncio.timeout(10):
        async with pool.acquire() as other, other.transaction():
            await other.execute(sql(_postgres_inbox._LOCK), NAME, "a")
            await other.execute(sql(_postgres_inbox._PUT), "a2", NAME, "a", b"a2")
            going = asyncio.create_task(store.inbox.complete(first))
            while not (going.done() or await pool.fetchval(waiting)):
                await asyncio.sleep(0.01)
        await going
    assert await taken(store.inbox) == ["a2"]


async def test_inboxes_of_their_own_do_not_touch_each_other(store: PostgresStore, pool: Any) -> None:
    """The inbox goes with the store's table, of which one is named after a keyword."""
    other = PostgresStore(pool, table="order")
    await other.create_schema()
    await put(store.inbox, "a")
    await put(other.inbox, "a", "b")
    assert (await store.inbox.size()).waiting == 1
    assert await pool.fetchval("SELECT count(*) FROM order_inbox") == 2


async def test_the_longest_name_has_objects_of_its_own(pool: Any) -> None:
    """No name of the inbox's table and indexes is cut by PostgreSQL to one that another has."""
    names = ["a" * 46 + last for last in "xy"]
    for name in names:
        await PostgresStore(pool, table=name).create_schema()
    made = {name for (name,) in await pool.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'aaa%'")}
    for name in names:
        assert {name, f"{name}_inbox", f"{name}_inbox_due_at", f"{name}_inbox_subject", f"{name}_schema"} <= made


@pytest.mark.parametrize("error", ["a\0b", "\udcff", "ø" * 1000])
async def test_any_error_is_kept(store: PostgresStore, error: str) -> None:
    """What PostgreSQL's text cannot hold is written in another way."""
    await put(store.inbox, "a")
    await store.inbox.postpone(await take(store.inbox), timedelta(0), error)
    await store.inbox.bury(await take(store.inbox), error, stops=True)
    (letter,) = await store.inbox.dead_letters()
    assert letter.error == {"a\0b": "a\\0b", "\udcff": "\\udcff"}.get(error, error)


async def test_an_inbox_leaves_nothing_open(store: PostgresStore, pool: Any) -> None:
    """After any call the pool has all its connections back, in no transaction."""
    await put(store.inbox, "a", "b")
    await store.inbox.bury(await take(store.inbox), "failed", stops=True)
    await store.inbox.complete(await take(store.inbox))
    assert pool.get_idle_size() == pool.get_size()
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    assert await pool.fetchval(idle) == 0


CROWD = """
INSERT INTO vipps_events_inbox (key, receiver, subject, body, due_at, is_first)
SELECT n || '.' || turn, $1, n::text, '', CASE turn WHEN 1 THEN now() + interval '1 day' ELSE now() END, turn = 1
FROM generate_series(1, 20000) AS n, generate_series(1, 2) AS turn
"""
ROWS_READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
WHERE relname = 'vipps_events_inbox' AND schemaname = current_schema()
"""


async def test_plans_that_were_made_for_an_empty_table_read_no_crowd(store: PostgresStore, postgres_url: str) -> None:
    """A connection keeps its plans: what an event costs with forty thousand that wait is not the reading of them."""
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=1) as single:
        mine = PostgresStore(single)

        async def handle(*names: str) -> None:
            for name in names:
                await put(mine.inbox, name)
                await mine.inbox.renew("me", [(event := await take(mine.inbox)).id], SHORT)
                await mine.inbox.complete(event)

        async def rows_read() -> int:
            await single.execute("SELECT pg_stat_force_next_flush()")
            return int(await single.fetchval(ROWS_READ))

        await single.execute("VACUUM ANALYZE vipps_events_inbox")
        await handle(*"abcdefgh")
        await single.execute(CROWD, NAME)
        before = await rows_read()
        await handle(*"abcdefgh")
        assert await rows_read() - before < 1000


SUBJECTS_WITHOUT_A_FIRST = """
SELECT subject FROM vipps_events_inbox WHERE due_at IS NOT NULL
GROUP BY subject HAVING count(*) FILTER (WHERE is_first) <> 1
"""


async def settle_somehow(inbox: Inbox, event: StoredEvent, chance: random.Random) -> None:
    """Do what workers do with an event."""
    match chance.randrange(6):
        case 0:
            await inbox.postpone(event, timedelta(0), "failed")
        case 1:
            await inbox.release(event, timedelta(0))
        case 2 | 3 as number:
            await inbox.bury(event, "failed", stops=number == 2)
        case _:
            await inbox.complete(event)


async def test_whatever_happens_at_once_each_subject_has_one_first(postgres_url: str) -> None:
    """Events that are put, settled, requeued and discarded side by side leave none that nobody can take."""
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    chance = random.Random(seed)  # noqa: S311 - as above
    async with asyncpg.create_pool(postgres_url, min_size=8, max_size=8) as pool:
        store = PostgresStore(pool)
        await store.create_schema()
        inbox = store.inbox

        async def put_some(process: int) -> None:
            for number in range(40):
                await inbox.put(f"{process}-{number}", chance.choice("ab"), b"", receiver=NAME)

        async def settle_some(holder: str) -> None:
            for _ in range(60):
                if event := await inbox.take(NAME, holder, timedelta(seconds=60)):
                    await settle_somehow(inbox, event, chance)

        async def revive_some() -> None:
            for _ in range(60):
                for letter in await inbox.dead_letters(2):
                    await chance.choice([inbox.requeue, inbox.requeue, inbox.discard])(letter.key)

        async with asyncio.timeout(50):
            await asyncio.gather(
                *(put_some(process) for process in range(3)),
                *(settle_some(f"holder {number}") for number in range(3)),
                *(revive_some() for _ in range(2)),
            )
        assert await pool.fetch(SUBJECTS_WITHOUT_A_FIRST) == [], seed
        for letter in await inbox.dead_letters(1000):
            await inbox.requeue(letter.key)
        await drained(inbox)
        assert (await inbox.size()) == InboxSize(waiting=0, dead=0), seed
