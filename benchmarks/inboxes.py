"""What taking an event out of an inbox costs when many others are in it: blocked ones, or ones that are due as well."""

import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest

from benchmarks.pairs import Row, Tables, Work, compare
from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.places import Place, PostgresPlace, SqlitePlace
from vipps_async.webhooks.stores.base import Inbox

FEW = 100
BATCH = 20
RECEIVER = "shop.example/vipps/events"
LEASE = timedelta(hours=1)

# Half of them wait behind one event that is held, the others two by two, the first of each pair in a pause.
_BLOCKED = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1 / 2)
INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at, is_first)
SELECT 'behind ' || n, receiver, subject, body, stored_at, stored_at, FALSE FROM number, vipps_inbox WHERE key = 'held'
UNION ALL
SELECT 'pair ' || n, receiver, 'pair ' || (n / 2), body, stored_at,
       CASE n % 2 WHEN 0 THEN due_at ELSE stored_at END, n % 2 = 0
FROM number, vipps_inbox WHERE key = 'held'
"""
_DUE = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at, is_first)
SELECT 'due ' || n, receiver, 'due ' || n, body, stored_at, stored_at, TRUE FROM number, vipps_inbox WHERE key = 'held'
"""
SITUATIONS = {"blocked": _BLOCKED, "due": _DUE}


@attrs.define
class Traffic:
    """Events of payments of their own that come to an inbox and go, a batch after the other."""

    _inbox: Inbox
    _numbers: "itertools.count[int]" = attrs.field(factory=itertools.count)

    async def put(self) -> None:
        """Put a batch."""
        for number in itertools.islice(self._numbers, BATCH):
            assert await self._inbox.put(f"event {number}", f"payment {number}", b"body", receiver=RECEIVER)

    async def take(self) -> None:
        """Take as many, and complete them."""
        for _ in range(BATCH):
            event = await self._inbox.take(RECEIVER, "benchmark", LEASE)
            assert event is not None
            await self._inbox.complete(event)


@asynccontextmanager
async def in_sqlite() -> AsyncIterator[Place]:
    """A file."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "events.db"))
        with closing(sqlite3.connect(path)) as own:
            own.execute("PRAGMA journal_mode = WAL")
        yield SqlitePlace(path)


@asynccontextmanager
async def in_postgres() -> AsyncIterator[Place]:
    """A server that nobody else uses."""
    with PostgresServer() as server:
        yield PostgresPlace(server.url())


PLACES: dict[str, Callable[[], AbstractAsyncContextManager[Place]]] = {"sqlite": in_sqlite, "postgres": in_postgres}


@asynccontextmanager
async def filled(place: str, situation: str, events: int) -> AsyncIterator[Traffic]:
    """Give an inbox that so many other events are in."""
    async with PLACES[place]() as there, there.opened() as store:
        assert await store.inbox.put("held", "held", b"body", receiver=RECEIVER)
        assert await store.inbox.take(RECEIVER, "somebody", LEASE)
        await there.sql(SITUATIONS[situation].replace("$1", str(events)))
        await there.sql("ANALYZE")
        yield Traffic(store.inbox)


async def compare_inboxes(places: Collection[str] = tuple(PLACES), many: int = 100_000, rounds: int = 50) -> Tables:
    """Compare a take with *many* other events in the inbox with one with a few, in each situation."""
    rows: list[Row] = []
    for place, situation in itertools.product(places, SITUATIONS):
        print(f"measuring {place}, {situation}", file=sys.stderr)
        try:
            async with filled(place, situation, FEW) as with_few, filled(place, situation, many) as with_many:
                base, other = (Work(side.take, side.put) for side in (with_few, with_many))
                figures = await compare(base, other, rounds=rounds, units=BATCH)
                rows.append({"store": place, "others": situation, **figures})
        except pytest.skip.Exception as reason:
            print(f"{place} is left out: {reason}")
    return {f"A take out of an inbox of {many:,} other events; base: of {FEW}": rows} if rows else {}
