"""What handling an event costs a store that remembers a million events, against one that remembers a thousand.

The cost is that of a claim around a handler that does nothing, in up to three situations: *filling*, when nothing is
old enough to be forgotten; *expiring*, when an old event expires for each new one; and *evicting*, when the store is
full, and forgets the oldest for each new one. Steps that are not timed keep the number of remembered events as it is.

Needs what the tests need; a store whose server is not installed is left out.
"""

import secrets
import sqlite3
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import attrs
import pytest

from benchmarks.pairs import Row, Tables, Work, compare
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import RedisServer
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.redis import RedisStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

FEW = 1_000
BATCH = 16  # after which PostgreSQL has purged once
LONG_AGO = timedelta(days=9)  # longer than the retention


def key(number: int) -> str:
    """Return the key of an event: a new one for each number."""
    return f"{uuid5(NAMESPACE_URL, str(number))}:AUTHORIZED"


def keys(start: int, count: int) -> list[str]:
    """Return the keys of *count* events from number *start* on."""
    return [key(number) for number in range(start, start + count)]


async def handle(store: EventStore, event: str) -> None:
    """Let an event take effect."""
    async with store.claim(event):
        pass


@attrs.frozen
class Filled:
    """A store that remembers the events of the first so many keys.

    Attributes:
        store: the store.
        age: makes the oldest events, which are these, older than the retention; ``None``: the store is full instead.
    """

    store: EventStore
    age: Callable[[list[str]], Awaitable[None]] | None


@asynccontextmanager
async def in_memory(events: int) -> AsyncIterator[Filled]:
    """The store in memory, where an event took effect each second."""
    now = 0

    async def age(oldest: list[str]) -> None:
        nonlocal now
        now += len(oldest)

    store = MemoryStore(retention=timedelta(seconds=events), max_events=2 * events, clock=lambda: now)
    for number in range(events):
        await handle(store, key(number))
        now += 1
    yield Filled(store, age)


@asynccontextmanager
async def in_full_memory(events: int) -> AsyncIterator[Filled]:
    """The store in memory, full, and all it remembered at first forgotten again."""
    store = MemoryStore(max_events=events)
    for number in range(-events, events):
        await handle(store, key(number))
    yield Filled(store, None)


@asynccontextmanager
async def in_sqlite(events: int) -> AsyncIterator[Filled]:
    """The store in a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.db")
        async with SQLiteStore(path) as store:
            with closing(sqlite3.connect(path)) as own:
                began = time.time() + 8 * 86_400 - events
                own.execute("PRAGMA cache_size = -1000000")  # KiB, so that keys need not come sorted
                rows = ((key(number), began + number) for number in range(events))
                own.executemany("INSERT INTO vipps_events (key, expires_at) VALUES (?, ?)", rows)
                own.commit()

                async def age(oldest: list[str]) -> None:
                    own.executemany(
                        "UPDATE vipps_events SET expires_at = 0 WHERE key = ?", ((event,) for event in oldest)
                    )
                    own.commit()

                yield Filled(store, age)


@asynccontextmanager
async def in_postgres(events: int) -> AsyncIterator[Filled]:
    """The store in a PostgreSQL server that nobody else uses."""
    with PostgresServer() as server:
        async with asyncpg.create_pool(server.url(), min_size=1, max_size=2) as pool:
            store = PostgresStore(pool)
            await store.create_schema()
            began = datetime.now(UTC) + timedelta(days=8) - timedelta(milliseconds=events)
            rows = ((key(number), began + timedelta(milliseconds=number)) for number in range(events))
            await pool.copy_records_to_table("vipps_events", records=rows, columns=["key", "expires_at"])
            await pool.execute("VACUUM ANALYZE vipps_events")

            async def age(oldest: list[str]) -> None:
                late = "UPDATE vipps_events SET expires_at = now() - $1::interval WHERE key = ANY($2)"
                await pool.execute(late, LONG_AGO, oldest)

            yield Filled(store, age)


@asynccontextmanager
async def in_redis(events: int) -> AsyncIterator[Filled]:
    """The store in a Redis server that nobody else uses, and that does the forgetting by itself."""
    with RedisServer() as server:
        async with server.client() as client:
            store = RedisStore(client)
            for start in range(0, events, 10_000):
                async with client.pipeline(transaction=False) as pipe:
                    for event in keys(start, min(10_000, events - start)):
                        pipe.set(f"vipps:event:{event}", f"done {secrets.token_hex(8)}", px=store.retention)
                    await pipe.execute()

            async def age(oldest: list[str]) -> None:
                async with client.pipeline(transaction=False) as pipe:
                    for event in oldest:
                        pipe.pexpire(f"vipps:event:{event}", 1)
                    await pipe.execute()

            yield Filled(store, age)


@attrs.define
class Traffic:
    """New events that arrive at a store, a batch after the other."""

    _filled: Filled
    _newest: int
    _oldest: int = 0
    _batch: list[str] = attrs.field(factory=list, init=False)

    async def arrive(self) -> None:
        """Have a batch of events take effect."""
        for event in self._batch:
            await handle(self._filled.store, event)

    async def prepare_filling(self) -> None:
        """Make room for a batch by the store's own means: it forgets two batches, and is given one."""
        await self._age(2 * BATCH)
        self._prepare_batch()
        await self.arrive()
        self._prepare_batch()

    async def prepare_expiring(self) -> None:
        """Let as many events grow old as will arrive."""
        await self._age(BATCH)
        self._prepare_batch()

    async def prepare_evicting(self) -> None:
        """Leave the store as it is: full."""
        self._prepare_batch()

    async def _age(self, count: int) -> None:
        assert self._filled.age is not None
        await self._filled.age(keys(self._oldest, count))
        self._oldest += count

    def _prepare_batch(self) -> None:
        self._batch = keys(self._newest, BATCH)
        self._newest += BATCH


STORES: dict[str, Callable[[int], AbstractAsyncContextManager[Filled]]] = {
    "memory": in_memory,
    "full-memory": in_full_memory,
    "sqlite": in_sqlite,
    "postgres": in_postgres,
    "redis": in_redis,
}
AGEING = {"filling": Traffic.prepare_filling, "expiring": Traffic.prepare_expiring}
FULL = {"evicting": Traffic.prepare_evicting}


async def compare_sizes(store: str, many: int, rounds: int) -> list[Row]:
    """Compare a store that remembers *many* events with one that remembers a few, in each situation."""
    filled = STORES[store]
    async with filled(FEW) as with_few, filled(many) as with_many:
        sides = Traffic(with_few, FEW), Traffic(with_many, many)
        rows: list[Row] = []
        for situation, prepare in (FULL if with_many.age is None else AGEING).items():
            base, other = (Work(side.arrive, partial(prepare, side)) for side in sides)
            figures = await compare(base, other, rounds=rounds, units=BATCH)
            rows.append({"store": store, "situation": situation, **figures})
        return rows


async def size_up_memory(many: int) -> Row:
    """Return what an event takes in memory, and the longest that a claim held the event loop up."""
    tracemalloc.start()
    async with in_full_memory(many):
        taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    wall, cpu = await longest_claim(MemoryStore(max_events=many), 3 * many)
    return {"bytes an event": taken / many, "longest claim, ms": wall * 1e3, "CPU ms": cpu * 1e3}


async def longest_claim(store: EventStore, events: int) -> tuple[float, float]:
    """Return the most seconds that a claim took, by the clock and of this thread's CPU time."""
    longest_wall = longest_cpu = 0.0
    for number in range(events):
        event = key(number)
        wall, cpu = time.perf_counter(), time.thread_time()
        await handle(store, event)
        longest_cpu = max(longest_cpu, time.thread_time() - cpu)
        longest_wall = max(longest_wall, time.perf_counter() - wall)
    return longest_wall, longest_cpu


async def compare_stores(stores: Collection[str] = tuple(STORES), many: int = 1_000_000, rounds: int = 400) -> Tables:
    """Compare *stores* that remember *many* events with those that remember a few."""
    rows: list[Row] = []
    for store in stores:
        print(f"measuring {store}", file=sys.stderr)
        try:
            rows += await compare_sizes(store, many, rounds)
        except pytest.skip.Exception as reason:
            print(f"{store} is left out: {reason}")
    tables = {f"An event at {many:,} remembered events; base: at {FEW:,}": rows}
    if "memory" in stores:
        tables["The store in memory"] = [await size_up_memory(many)]
    return {title: rows for title, rows in tables.items() if rows}
