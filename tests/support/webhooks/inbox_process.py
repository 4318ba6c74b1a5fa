"""What processes do with an inbox that they share with a test."""

import asyncio
import os
import signal
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from tests.support.webhooks.deliveries import NAME, receiver_of
from tests.support.webhooks.places import Place
from vipps_async import PaymentEvent
from vipps_async.webhooks import InboxPolicy

_LEASE = timedelta(seconds=600)


def drain(place: Place, journal: Path, events: int, start: Barrier) -> None:
    """Take and finish events until all have ended, by whomever; each gets a line when it begins, and when it ends."""
    asyncio.run(_drain(place, journal, events, start))


async def _drain(place: Place, journal: Path, events: int, start: Barrier) -> None:
    holder = str(os.getpid())
    notes = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with place.opened() as store:
        await asyncio.to_thread(start.wait, 30)
        while _lines(journal) < 2 * events:
            event = await store.inbox.take(NAME, holder, _LEASE)
            if event is None:
                await asyncio.sleep(0.005)
                continue
            line = event.body + b"@" + holder.encode() + b"\n"
            os.write(notes, line)
            await asyncio.sleep(0.002)
            os.write(notes, line)
            await store.inbox.complete(event)


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n")


def handle_or_die(place: Place, deadly: str) -> None:
    """Handle what the inbox holds, in two attempts each; the handler of one event kills the process."""
    asyncio.run(_handle_or_die(place, deadly))


async def _handle_or_die(place: Place, deadly: str) -> None:
    async with place.opened() as store:
        receiver = receiver_of(store=store, inbox=InboxPolicy(attempts=2, workers=1))

        @receiver.on(PaymentEvent)
        async def ship(event: PaymentEvent, claim: Any) -> None:
            await place.ship(claim, event.psp_reference)
            if event.psp_reference == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

        async with receiver:
            while (await store.inbox.size()).waiting:
                await asyncio.sleep(0.01)
