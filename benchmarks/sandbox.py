"""What a payment's whole life costs a sandbox that has seen many: the last thousand against the first.

Each payment is created, approved, read, captured in part, refunded in part and cancelled for the rest; its event log is
read, and each of its five events is delivered to a webhook. The last payments of one sandbox and the first of another
take turns. Each sandbox has a process of its own.
"""

import asyncio
import multiprocessing
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from multiprocessing.connection import Connection

import aiohttp
import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.pairs import Row, Tables, Work, compare
from vipps_async import Amount, Environment, VippsClient
from vipps_async.sandbox import Sandbox

AT_ONCE = 10  # payments
EVENTS = 5
PRICE, CAPTURED, REFUNDED = Amount(1000, "NOK"), Amount(600, "NOK"), Amount(200, "NOK")


@attrs.frozen
class Usage:
    """What a process has used so far: CPU time in seconds, and memory in KiB, which is the most that it had."""

    cpu: float
    memory: float


@attrs.frozen
class Process:
    """A process that runs a sandbox.

    Attributes:
        base_url: the sandbox's.
        pipe: leads to the process.
    """

    base_url: str
    pipe: Connection

    def usage(self) -> Usage:
        """Return what it has used so far."""
        self.pipe.send("usage")
        used: Usage = self.pipe.recv()
        return used


@contextmanager
def sandbox_process() -> Iterator[Process]:
    """Run a sandbox in another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run_sandbox, args=[there])
    process.start()
    try:
        yield Process(here.recv(), here)
    finally:
        here.send("end")
        process.join()


def _run_sandbox(pipe: Connection) -> None:
    asyncio.run(_answer(pipe))


async def _answer(pipe: Connection) -> None:
    async with Sandbox() as sandbox:
        pipe.send(sandbox.base_url)
        while await asyncio.to_thread(pipe.recv) == "usage":
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(Usage(used.ru_utime + used.ru_stime, used.ru_maxrss))


class Webhook:
    """Counts the deliveries that it takes."""

    def __init__(self) -> None:
        self.taken = 0
        self.changed = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Take one delivery."""
        await request.read()
        self.taken += 1
        self.changed.set()
        return web.Response()

    async def has_taken(self, count: int) -> None:
        """Return once there were so many."""
        while self.taken < count:
            self.changed.clear()
            await self.changed.wait()


@attrs.define
class Shop:
    """A shop that has payments in one sandbox.

    Attributes:
        process: the sandbox's.
        vipps: the client.
        control: does what the user does.
        webhook: registered for every event.
        payments: how many there have been.
    """

    process: Process
    vipps: VippsClient
    control: aiohttp.ClientSession
    webhook: Webhook
    payments: int = 0

    async def live(self, count: int) -> None:
        """Take so many new payments through their lives, at once."""
        first, self.payments = self.payments, self.payments + count
        await asyncio.gather(*(self._live(f"order-{number:08}") for number in range(first, self.payments)))
        await self.webhook.has_taken(self.payments * EVENTS)

    async def _live(self, reference: str) -> None:
        epayment = self.vipps.epayment
        await epayment.create(amount=PRICE, reference=reference, return_url="https://shop.example/return")
        async with self.control.post(f"/sandbox/payments/{reference}/approve") as approved:
            approved.raise_for_status()
        await epayment.get(reference)
        await epayment.capture(reference, CAPTURED)
        await epayment.refund(reference, REFUNDED)
        await epayment.cancel(reference)
        assert len(await epayment.events(reference)) == EVENTS


@asynccontextmanager
async def new_shop() -> AsyncIterator[Shop]:
    """A shop that has a sandbox to itself."""
    webhook = Webhook()
    app = web.Application()
    app.router.add_post("/events", webhook.take)
    with sandbox_process() as process:
        async with (
            VippsClient(Sandbox().credentials, environment=Environment(process.base_url)) as vipps,
            aiohttp.ClientSession(process.base_url) as control,
            TestServer(app) as server,
        ):
            await vipps.webhooks.register(str(server.make_url("/events")))
            yield Shop(process, vipps, control, webhook)


async def grow(shop: Shop, payments: int, batch: int) -> list[Row]:
    """Have so many *payments*; return what the sandbox's process used for one, by *batch*."""
    rows: list[Row] = []
    while shop.payments < payments:
        before = shop.process.usage()
        for _ in range(0, batch, AT_ONCE):
            await shop.live(AT_ONCE)
        used = shop.process.usage()
        rows.append(
            {
                "payments": f"{shop.payments:,}",
                "CPU ms": (used.cpu - before.cpu) / batch * 1e3,
                "KiB more": (used.memory - before.memory) / batch,
                "MiB": used.memory / 1024,
            }
        )
    return rows


async def compare_lives(payments: int = 10_000, batch: int = 1_000) -> Tables:
    """Return the figures of all but the last *batch* of *payments*, and those of the last against the first."""
    async with new_shop() as young, new_shop() as old:
        rows = await grow(old, payments - batch, batch)
        before = young.process.usage(), old.process.usage()
        works = [Work(partial(shop.live, AT_ONCE)) for shop in (young, old)]
        times = await compare(*works, rounds=batch // AT_ONCE, units=AT_ONCE)
        used = [shop.process.usage().cpu - start.cpu for shop, start in zip((young, old), before, strict=True)]
        wall = {name: cell for name, cell in times.items() if not name.startswith("CPU")}
    return {
        "What a payment's life takes of the sandbox's process": rows,
        f"A payment's life after {payments - batch:,} others; base: in a new sandbox": [
            {**wall, "sandbox's CPU ratio": used[1] / used[0]}
        ],
    }
