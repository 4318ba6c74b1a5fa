"""Deliveries as Vipps MobilePay makes them: signed, or unsigned as the draft's."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from tests.support.vectors import document
from vipps_async import PaymentEvent
from vipps_async._events import netstrings
from vipps_async.webhooks import IncomingRequest, WebhookReceiver
from vipps_async.webhooks._events import read_event
from vipps_async.webhooks.signature import SignedUrl, sign
from vipps_async.webhooks.stores.memory import MemoryStore

URL = "https://shop.example/vipps/events?shop=1"
# The name that a receiver of this URL has.
NAME = "shop.example/vipps/events?shop=1"
SECRET = "090a478d-37ff-4e77-970e-d457aeb26a3a"
NOW = datetime(2026, 1, 20, 8, 0, 13, tzinfo=UTC)
REFERENCE = "acme-shop-123-order123abc"


def at_now() -> datetime:
    """A clock that stands still."""
    return NOW


def event(name: str = "CAPTURED", **changes: Any) -> bytes:
    """Return the body of an event, compact."""
    said = {**document("current-webhook-epayment-captured"), "name": name, **changes}
    return json.dumps(said, separators=(",", ":")).encode()


def key_of(body: bytes, *, receiver: str = NAME) -> str:
    """Return what a receiver of this name claims the event by."""
    return netstrings(receiver) + read_event(body).dedup_key


def signed(body: bytes, *, secret: str = SECRET, url: str = URL, date: datetime = NOW) -> dict[str, str]:
    """Return the headers of a delivery of *body*."""
    return {**sign(secret, SignedUrl.of(url), body, date=date), "Content-Type": "application/json"}


def delivery(body: bytes, headers: dict[str, str] | None = None) -> IncomingRequest:
    """Return the delivery of *body*, signed unless other headers are given."""
    return IncomingRequest("POST", "/vipps/events", signed(body) if headers is None else headers, body)


def receiver_of(**settings: Any) -> WebhookReceiver:
    """A receiver of signed deliveries, unless the settings say otherwise."""
    signing = {} if settings.get("allow_unsigned") else {"url": URL, "secrets": [SECRET]}
    return WebhookReceiver(**{"store": MemoryStore(), "clock": at_now, **signing, **settings})


class SlowShop:
    """A shop whose handler notes when it begins and ends, and waits in between until it is let go."""

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        self.notes: list[str] = []
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended = asyncio.Event()
        receiver.on(PaymentEvent)(self.handle)

    async def handle(self, event: PaymentEvent) -> None:
        """Handle an event slowly."""
        self.notes.append(f"{event.name} begins")
        self.begun.set()
        await self.let_go.wait()
        self.notes.append(f"{event.name} ends")
        self.ended.set()
