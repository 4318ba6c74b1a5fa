"""The inbox in a file keeps the contract, by the store's clock, and is on disk before a delivery is answered."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.webhooks.deliveries import NAME
from tests.webhooks.inbox_contract import InboxContract, put, take, taken
from tests.webhooks.places import SqlitePlace
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
    """The connection that puts events writes its log through to the disk, so that a power cut loses none."""
    async with sqlite_place.opened() as store:
        await put(store.inbox, "a")
        file = store._file
        assert file is not None
        assert file._lasting is not None
        assert [*await file._lasting.execute_fetchall("PRAGMA synchronous")] == [(2,)]  # FULL
        assert file._lasting.total_changes == 1


async def test_a_file_of_an_earlier_version_gets_an_inbox(tmp_path: Path) -> None:
    """A file that has only the table of events that took effect is taken on, and remembers them."""
    path = tmp_path / "shop.db"
    async with SQLiteStore(path) as store, store.claim("a"):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE vipps_inbox")
    async with SQLiteStore(path) as store:
        assert not await store.inbox.put("a", "order-1", b"", receiver=NAME)
        assert await store.inbox.put("b", "order-1", b"", receiver=NAME)
