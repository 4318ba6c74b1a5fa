"""A process that does a lap of a kind of work whenever its standard input names one, with whatever package it imports.

    python laps.py URL REDIS POSTGRES FOLDER

The arguments are a server that answers calls, a Redis and a PostgreSQL server, and a folder for files. The answer to a
line such as ``get`` is how many seconds the lap took by the clock, and of this process's CPU time. It uses public names
alone, and is run by its path, so that it measures any version of the package that ``PYTHONPATH`` leads to.
"""

import asyncio
import gc
import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
from redis.asyncio import Redis

from vipps_async import Amount, Credentials, Environment, PaymentEvent, VippsClient
from vipps_async.testing.events import EventSource
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.redis import RedisStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

UNITS = 100
_WIDTH = 10
_AMOUNT = Amount(49900, "NOK")
_SOURCE = EventSource()
_KEYS = Credentials(
    client_id="id-of-nobody",
    client_secret="secret-of-nobody",
    subscription_key="key-of-nobody",
    merchant_serial_number="123456",
)

Unit = Callable[[int], Awaitable[object]]
_numbers = itertools.count()


async def lap(unit: Unit) -> None:
    """Do *unit* for new numbers, some at a time."""
    numbers = itertools.islice(_numbers, UNITS)

    async def go_on() -> None:
        for number in numbers:
            await unit(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(_WIDTH):
            group.create_task(go_on())


def reference(number: int) -> str:
    """Return the reference of a payment."""
    return f"acme-shop-123-{number:011}"


def claiming(store: EventStore) -> Unit:
    """Return the work of letting an event take effect in *store*."""

    async def claim(number: int) -> None:
        async with store.claim(f"{number}:AUTHORIZED"):
            pass

    return claim


def delivering(store: EventStore) -> Unit:
    """Return the work of answering a delivery: verify, parse, claim, dispatch."""
    receiver = WebhookReceiver(url=_SOURCE.url, secrets=[_SOURCE.secret], store=store)

    @receiver.on("AUTHORIZED")
    async def look(event: PaymentEvent) -> None:
        """Do nothing: what is measured is the way here."""

    async def deliver(number: int) -> None:
        request = _SOURCE("AUTHORIZED", reference=reference(number)).request
        assert (await receiver.handle(request)).status == 200

    return deliver


def calling(vipps: VippsClient) -> dict[str, Unit]:
    """Return the work of each call."""
    payments = vipps.epayment
    return {
        "get": lambda number: payments.get(reference(number)),
        "create": lambda number: payments.create(
            amount=_AMOUNT, reference=reference(number), return_url="https://shop.example/return"
        ),
        "capture": lambda number: payments.capture(reference(number), _AMOUNT),
    }


async def serve(url: str, redis: str, postgres: str, folder: str) -> None:
    """Do the laps that are asked for."""
    async with AsyncExitStack() as opened:
        vipps = await opened.enter_async_context(VippsClient(_KEYS, environment=Environment(url)))
        sqlite = await opened.enter_async_context(SQLiteStore(Path(folder, "events.db")))
        pool = await opened.enter_async_context(asyncpg.create_pool(postgres, min_size=_WIDTH, max_size=_WIDTH))
        in_postgres = PostgresStore(pool)
        await in_postgres.create_schema()
        client = await opened.enter_async_context(Redis.from_url(redis))
        units = {
            **calling(vipps),
            "delivery": delivering(MemoryStore()),
            "memory": claiming(MemoryStore()),
            "sqlite": claiming(sqlite),
            "redis": claiming(RedisStore(client)),
            "postgres": claiming(in_postgres),
        }
        while line := await asyncio.to_thread(sys.stdin.readline):
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            await lap(units[line.strip()])
            print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
