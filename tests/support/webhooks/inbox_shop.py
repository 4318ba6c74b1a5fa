"""A shop that answers first and works after, in a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from tests.support.webhooks.deliveries import event, receiver_of, signed
from tests.support.webhooks.places import Place
from tests.support.webhooks.serving import Server, serving
from vipps_async import PaymentEvent
from vipps_async.webhooks import InboxPolicy, Notice, WebhookReceiver
from vipps_async.webhooks.stores.base import EventStore, InboxSize, InboxStore

PATH = "/vipps/events"
QUICK = InboxPolicy(
    initial_delay=timedelta(milliseconds=5),
    max_delay=timedelta(milliseconds=20),
    poll_interval=timedelta(milliseconds=20),
)
NO_GRACE = timedelta(milliseconds=1)
EMPTY = InboxSize(waiting=0, dead=0)
Handle = Callable[[str], Awaitable[None]]


def event_of(name: str) -> bytes:
    """The event of this name, whose first letter is its payment."""
    return event(reference=f"order-{name[0]}", pspReference=name)


def name_of(key: str) -> str:
    """The name of the event that is claimed by *key*."""
    return key.split(",")[-3].partition(":")[2]


@attrs.frozen
class Shop:
    """A receiver with an inbox in a server.

    Attributes:
        place: where the events are, and the effects.
        store: as the receiver has it.
        receiver: what is tested.
        server: what serves it.
        begun: the names of the events with which a handler began, in order.
        notices: what the receiver told.
    """

    place: Place
    store: InboxStore
    receiver: WebhookReceiver
    server: Server
    begun: list[str]
    notices: list[Notice]

    async def deliver(self, *names: str) -> list[int]:
        """Deliver events one after the other over HTTP, and return the answers."""
        async with aiohttp.ClientSession() as client:
            return [await self._post(client, event_of(name)) for name in names]

    async def _post(self, client: aiohttp.ClientSession, body: bytes) -> int:
        async with client.post(self.server.url(PATH), data=body, headers=signed(body)) as response:
            return response.status

    async def shipped(self) -> list[str]:
        """The names of the events that took effect, in alphabetical order."""
        return sorted(name for (name,) in await self.place.sql("SELECT reference FROM effects"))

    async def has_shipped(self, *names: str) -> None:
        """Wait until these events, and no others, have taken effect once, and are out of the inbox."""
        await until(lambda: self._is_through(names))
        assert await self.shipped() == sorted(names)

    async def _is_through(self, names: tuple[str, ...]) -> bool:
        held = await self.place.sql("SELECT key FROM vipps_inbox")
        return set(names) <= set(await self.shipped()) and not set(names) & {name_of(key) for (key,) in held}

    async def has_effect(self, name: str) -> bool:
        """Whether an event took effect."""
        return name in await self.shipped()

    async def is_empty(self) -> bool:
        """Whether the inbox is."""
        return await self.store.inbox.size() == EMPTY

    async def is_dead(self, *names: str) -> None:
        """Wait until these events are the dead letters."""
        await until(lambda: self._has_dead(names))

    async def _has_dead(self, names: tuple[str, ...]) -> bool:
        return [name_of(letter.key) for letter in await self.store.inbox.dead_letters()] == [*names]


async def until(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not await _said(is_so()):
            await asyncio.sleep(0.01)


async def _said(answer: bool | Awaitable[bool]) -> bool:  # noqa: FBT001 - an answer, not a switch
    return answer if isinstance(answer, bool) else await answer


async def at_once(_: str) -> None:
    """Handle an event without delay."""


async def never(_: str) -> None:
    """Handle an event without end."""
    await asyncio.Event().wait()


def shop_receiver(
    place: Place, store: EventStore, handle: Handle, policy: InboxPolicy, begun: list[str], **settings: Any
) -> WebhookReceiver:
    """A receiver whose handler takes effect in *place* after *handle*."""
    receiver = receiver_of(store=store, inbox=policy, **settings)

    @receiver.on(PaymentEvent)
    async def ship(event: PaymentEvent, claim: Any) -> None:
        begun.append(event.psp_reference)
        await handle(event.psp_reference)
        await place.ship(claim, event.psp_reference)

    return receiver


@asynccontextmanager
async def shop(
    place: Place, handle: Handle = at_once, policy: InboxPolicy = QUICK, **settings: Any
) -> AsyncIterator[Shop]:
    """Serve a shop; it is closed as a server closes it."""
    begun: list[str] = []
    notices: list[Notice] = []
    async with place.opened() as store:
        receiver = shop_receiver(place, store, handle, policy, begun, **settings)
        receiver.observe(notices.append)
        app = web.Application()
        receiver.setup(app, PATH)
        async with serving(app) as server:
            yield Shop(place, store, receiver, server, begun, notices)
