"""What a delivery costs a receiver, against a handler that believes everything, and against bare databases."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import orjson
import pytest
from aiohttp import web
from redis.asyncio import Redis

from benchmarks.children import Child, child
from benchmarks.pairs import Row, Work, compare
from benchmarks.posting import SOURCE, WIDTH
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import RedisServer
from vipps_async import PaymentEvent
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.postgres import PostgresClaim, PostgresStore
from vipps_async.webhooks.stores.redis import RedisStore

EVENTS = 200
ROUNDS = 41
EFFECT = "INSERT INTO effects (reference) VALUES ($1)"

Deed = Callable[[], Awaitable[None]]


async def _do_nothing() -> None:
    pass


def _collect_garbage() -> None:
    # Before every run, so that none pays for what the one before it left.
    gc.collect()


def receiver_with(store: EventStore) -> WebhookReceiver:
    """Return a receiver of what is posted."""
    return WebhookReceiver(url=SOURCE.url, secrets=[SOURCE.secret], store=store)


@asynccontextmanager
async def serving(receiver: WebhookReceiver, deed: Deed = _do_nothing) -> AsyncIterator[int]:
    """Serve both on one port of this process: *receiver* at ``/events``, and at ``/bare`` what only does *deed*."""

    async def answer_unseen(request: web.Request) -> web.Response:
        await request.json(loads=orjson.loads)
        await deed()
        return web.Response()

    app = web.Application()
    receiver.setup(app, "/events")
    app.router.add_post("/bare", answer_unseen)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def posting(poster: Child, port: int, path: str) -> Work:
    """The work of answering deliveries to *path*."""

    async def prepare() -> None:
        await poster.ask(f"prepare {EVENTS} {port}")
        _collect_garbage()

    async def run() -> None:
        await poster.ask(f"post {path}")

    return Work(run, prepare)


def side_by_side(deed: Deed) -> Work:
    """The work of doing *deed* for as many events, as many at a time, as deliveries arrive."""

    async def run() -> None:
        numbers = iter(range(EVENTS))

        async def go_on() -> None:
            for _ in numbers:
                await deed()

        async with asyncio.TaskGroup() as group:
            for _ in range(WIDTH):
                group.create_task(go_on())

    return Work(run, _collect_garbage)


async def compare_with(poster: Child, receiver: WebhookReceiver, deed: Deed, names: tuple[str, str]) -> list[Row]:
    """Compare deliveries with *deed* alone, and with a handler that does it."""
    work, base = names
    async with serving(receiver, deed) as port:
        bare, other = (posting(poster, port, path) for path in ("/bare", "/events"))
        alone = await compare(side_by_side(deed), other, rounds=ROUNDS, units=EVENTS)
        served = await compare(bare, other, rounds=ROUNDS, units=EVENTS)
    return [
        {"work": work, "base": base, "at most": "wall 2", **alone},
        {"work": work, "base": f"aiohttp, {base}", "at most": "", **served},
    ]


async def compare_memory(poster: Child) -> list[Row]:
    """The store in memory, against a bare handler in the same server."""
    receiver = receiver_with(MemoryStore())

    @receiver.on("AUTHORIZED")
    async def take(event: PaymentEvent) -> None:
        """Do nothing: what is measured is the way here."""

    async with serving(receiver) as port:
        base, other = (posting(poster, port, path) for path in ("/bare", "/events"))
        figures = await compare(base, other, rounds=ROUNDS, units=EVENTS)
    return [{"work": "verify, parse, claim, dispatch", "base": "aiohttp", "at most": "CPU 1.30", **figures}]


async def _claim_bare(client: Redis, lease: timedelta, retention: timedelta) -> None:
    key, owner = f"bare:{uuid4()}", uuid4().hex
    await client.set(key, f"held {owner}", nx=True, px=lease)
    await client.set(key, f"done {owner}", xx=True, px=retention)


async def compare_redis(poster: Child) -> list[Row]:
    """The store in Redis, against the two commands that a claim is."""
    async with AsyncExitStack() as opened:
        server = opened.enter_context(RedisServer())
        client = await opened.enter_async_context(server.client())
        store = RedisStore(client)
        deed = partial(_claim_bare, client, timedelta(seconds=30), store.retention)
        return await compare_with(poster, receiver_with(store), deed, ("the same with Redis", "redis: SET, SET"))


async def _take_effect_bare(pool: asyncpg.Pool, numbers: "itertools.count[int]") -> None:
    key = f"{uuid4()}:AUTHORIZED"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO marks (key) VALUES ($1) ON CONFLICT DO NOTHING", key)
        await connection.execute(EFFECT, f"acme-shop-123-{next(numbers)}")


async def compare_postgres(poster: Child) -> list[Row]:
    """The store in PostgreSQL, effect and mark in one transaction, against that transaction."""
    async with AsyncExitStack() as opened:
        server = opened.enter_context(PostgresServer())
        pool = await opened.enter_async_context(asyncpg.create_pool(server.url(), min_size=WIDTH, max_size=WIDTH))
        await pool.execute("CREATE TABLE marks (key text PRIMARY KEY); CREATE TABLE effects (reference text)")
        store = PostgresStore(pool)
        await store.create_schema()
        receiver = receiver_with(store)

        @receiver.on("AUTHORIZED")
        async def take(event: PaymentEvent, claim: PostgresClaim) -> None:
            await claim.connection.execute(EFFECT, event.reference)

        deed = partial(_take_effect_bare, pool, itertools.count())
        return await compare_with(poster, receiver, deed, ("the same with PostgreSQL", "asyncpg: the transaction"))


async def compare_receivers() -> list[Row]:
    """Compare the receiver over each store with the least that could do."""
    rows: list[Row] = []
    async with child("benchmarks.posting") as poster:
        for compare_store in (compare_memory, compare_redis, compare_postgres):
            try:
                rows += await compare_store(poster)
            except pytest.skip.Exception as reason:
                print(f"left out: {reason}")
    return rows
