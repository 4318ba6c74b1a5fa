"""The inbox in a file keeps the contract, by the store's clock, and is on disk before a delivery is answered."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.webhooks.deliveries import NAME
from tests.support.webhooks.inbox_contract import InboxContract, put, take, taken
from tests.support.webhooks.places import SqlitePlace
from vipps_async.webhooks.stores.sqlite import SQLiteStore

LEASE = timedelta(seconds=30)


class TestSQLiteInbox(InboxContract):
    """The contract of every inbox."""

    @pytest.fixture
    def place(self, sqlite_place: SqlitePlace) -> SqlitePlace:
        """A file."""
        return sqlite_place


async def test_leases_and_pauses_end_by_the_store_s_clock(tmp_path: Path) -> None:
    """Up to its end a lease or a pause lasts; at that moment the event is due."""
    now = 1_000_000.0
    async with SQLiteStore(tmp_path / "shop.db", clock=lambda: now) as store:
        await put(store.inbox, "a")
        assert await store.inbox.take(NAME, "first", LEASE)
        now += 29.9
        assert await store.inbox.take(NAME, "second", LEASE) is None
        now += 0.1
        event = await store.inbox.take(NAME, "second", LEASE)
        assert event is not None
        await store.inbox.postpone(event, timedelta(seconds=5), "failed")
        now += 4.9
        assert await store.inbox.take(NAME, "third", LEASE) is None
        now += 0.1
        assert await store.inbox.take(NAME, "third", LEASE)


async def test_who_finds_nothing_waits_for_no_writer(sqlite_place: SqlitePlace) -> None:
    """Asking for an event that is not there is only reading, and passes another program's long transaction."""
    async with sqlite_place.opened() as store:
        await put(store.inbox, "a1", "a2")
        await take(store.inbox)
        with closing(sqlite3.connect(sqlite_place.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(2):
                assert await taken(store.inbox) == []
            other.execute("ROLLBACK")


async def test_an_event_is_on_disk_when_it_is_held(sqlite_place: SqlitePlace) -> None:
    """What puts an event writes its log through to the disk, so that a power cut loses none."""
    async with sqlite_place.opened() as store:
        await put(store.inbox, "a")
        file = store._file.get()
        assert await file._writer.run(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (2,)


async def test_what_took_effect_leaves_the_inbox_with_its_mark(sqlite_place: SqlitePlace) -> None:
    """In one transaction: no crash can leave an event in the inbox that took effect."""
    async with sqlite_place.opened() as store:
        await put(store.inbox, "a1", "a2")
        event = await take(store.inbox)
        async with store.claim(event.key) as claim:
            await sqlite_place.ship(claim, "a1")
            assert await sqlite_place.sql("SELECT key FROM vipps_inbox") == [("a1",), ("a2",)]
        assert await sqlite_place.sql("SELECT key FROM vipps_inbox") == [("a2",)]
        assert await taken(store.inbox) == ["a2"]


@pytest.mark.parametrize("kind", ["behind a dead letter", "behind a held one", "behind a paused one", "in pairs"])
async def test_a_due_event_is_found_without_looking_at_those_that_are_not(sqlite_place: SqlitePlace, kind: str) -> None:
    """What a take reads does not grow with the events that wait for others, by the count of SQLite's own steps."""
    async with sqlite_place.opened() as store:
        await put(store.inbox, "a")
        event = await take(store.inbox)
        if kind == "behind a dead letter":
            await store.inbox.bury(event, "failed", stops=True)
        if kind == "behind a paused one":
            await store.inbox.postpone(event, LEASE, "failed")
        subject = "'a'" if kind != "in pairs" else "'p' || n / 2"
        due = "stored_at" if kind != "in pairs" else "CASE n % 2 WHEN 0 THEN 9e9 ELSE stored_at END"
        steps = [await _steps_of_a_take(store)]
        await sqlite_place.sql(f"""
            WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 100001)
            INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at)
            SELECT 'n' || n, receiver, {subject}, body, stored_at, {due}
            FROM number, vipps_inbox WHERE key = 'a' ORDER BY n""")  # noqa: S608 - of constants
        steps.append(await _steps_of_a_take(store))
    assert steps[1] < 2 * steps[0] + 20


async def _steps_of_a_take(store: SQLiteStore) -> int:
    """Take an event of a subject of its own, and return how many instructions SQLite needed for it."""
    name = uuid4().hex
    writer, steps = store._file.get()._writer, 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    await store.inbox.put(name, name, b"", receiver=NAME)
    await writer.run(lambda connection: connection.set_progress_handler(count, 1))
    assert (await take(store.inbox)).key == name
    await writer.run(lambda connection: connection.set_progress_handler(None, 1))
    return steps


async def test_no_logger_shows_what_is_stored(sqlite_place: SqlitePlace, caplog: pytest.LogCaptureFixture) -> None:
    """Neither bodies nor what handlers write, whatever is logged at the lowest level, aiosqlite's lines included."""
    caplog.set_level(logging.DEBUG)
    async with sqlite_place.opened() as store:
        assert await store.inbox.put("a1", "a", b"somebody's address", receiver=NAME)
        async with store.claim("b1") as claim:
            await sqlite_place.ship(claim, "somebody's address")
    assert "address" not in caplog.text
