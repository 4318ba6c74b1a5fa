"""A receiver process: an aiohttp server whose handler takes effect in a store, until somebody kills it."""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

from tests.chaos.stores import STORES, Effect, Opened
from tests.support.webhooks.deliveries import SECRET, URL
from vipps_async.epayment import PaymentEvent
from vipps_async.errors import DeliveryError
from vipps_async.webhooks import InboxPolicy, WebhookReceiver
from vipps_async.webhooks.stores.base import Claim, EventStore, Inbox, InboxStore


@attrs.frozen(kw_only=True)
class Job:
    """What a receiver process does.

    Attributes:
        store: a name in `STORES`.
        location: where that store is.
        order: a name in `ORDERS`.
        lease: of the store.
        inbox: how events are handled after the answer, or ``None`` for before.
        healed: the file without which the events of every fourth payment fail, if there is an inbox.
        journal: the file that gets a line when a handler begins, and when its claim was left.
        before: seconds that a handler takes at most before its effect.
        after: seconds that it takes at most after its effect.
    """

    store: str
    location: str
    order: str
    lease: timedelta
    inbox: InboxPolicy | None
    healed: Path
    journal: Path
    before: float
    after: float


class MarksFirst:
    """The first wrong order: the event counts as done before its handler begins, and is not given back."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.retention = store.retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Leave the claim before its block runs."""
        async with self._store.claim(key) as claim:
            pass
        yield claim


class Journaled:
    """Writes down when a handler begins, and when its claim was left: what has no end was killed, or lost its lease."""

    def __init__(self, store: EventStore, journal: Path) -> None:
        self._store = store
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.retention = store.retention

    @property
    def inbox(self) -> Inbox:
        """The store's own."""
        assert isinstance(self._store, InboxStore)
        return self._store.inbox

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*."""
        has_begun = False
        try:
            async with self._store.claim(key) as claim:
                if not claim.is_duplicate:
                    has_begun = self._note("+", key)
                yield claim
        except DeliveryError:
            has_begun = False  # it stood still for longer than its lease, which for others is the same as being killed
            raise
        finally:
            if has_begun:
                self._note("-", key)

    def _note(self, sign: str, key: str) -> bool:
        # One write, which the kernel keeps whole and keeps when the process is killed.
        return os.write(self._journal, f"{sign}{key}\n".encode()) > 0


def _together(opened: Opened) -> tuple[EventStore, Effect]:
    return opened.store, opened.together


def _marked_first(opened: Opened) -> tuple[EventStore, Effect]:
    return MarksFirst(opened.store), opened.apart


def _marked_last(opened: Opened) -> tuple[EventStore, Effect]:
    return opened.store, opened.apart


def _endless(opened: Opened) -> tuple[EventStore, Effect]:
    async def wait(_: PaymentEvent, __: Any) -> None:
        await asyncio.Event().wait()

    return opened.store, wait


ORDERS: dict[str, Callable[[Opened], tuple[EventStore, Effect]]] = {
    "together": _together,
    "mark, then run": _marked_first,
    "run, then mark": _marked_last,
    "run without an end": _endless,
}


def serve(job: Job, parent: Connection) -> None:
    """Serve *job*, send the port to the *parent*, and end when that hangs up."""
    asyncio.run(_serve(job, parent))


async def _serve(job: Job, parent: Connection) -> None:
    if job.inbox:
        logging.getLogger("vipps_async.webhooks").setLevel(logging.ERROR)  # events that fail as planned are warnings
    has_hung_up = asyncio.Event()
    asyncio.get_running_loop().add_reader(parent.fileno(), has_hung_up.set)
    async with STORES[job.store].opened(job.location, job.lease) as opened:
        store, effect = ORDERS[job.order](opened)
        app = web.Application()
        _receiver(Journaled(store, job.journal), effect, job).setup(app, "/vipps/events")
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        parent.send(runner.addresses[0][1])
        await has_hung_up.wait()
        await runner.cleanup()


def _receiver(store: EventStore, effect: Effect, job: Job) -> WebhookReceiver:
    receiver = WebhookReceiver(url=URL, secrets=[SECRET], store=store, inbox=job.inbox)
    pause = random.Random().uniform  # noqa: S311 - no secret

    @receiver.on(PaymentEvent)
    async def handler(event: PaymentEvent, claim: Any) -> None:
        await asyncio.sleep(pause(0, job.before))
        if job.inbox and int(event.reference[-3:]) % 4 == 0 and not job.healed.exists():
            raise RuntimeError("fails until it is healed")
        await effect(event, claim)
        await asyncio.sleep(pause(0, job.after))

    return receiver
