"""Faults of deliveries, against a receiver made with this package: one effect for each event, whatever happens."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import attrs
import pytest
from aiohttp import web

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, until
from vipps_async import PaymentEvent
from vipps_async.sandbox import Delivery, DeliveryFault, InjectedFault, Sandbox, UnknownDelivery
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.webhooks import Stage, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

SECRET = "the-secret-of-this-webhook"
OTHER_SECRET = "the-secret-that-replaces-it"


@attrs.define
class Books:
    """What a merchant's handler booked."""

    receiver: WebhookReceiver
    names: list[str] = attrs.field(factory=list)

    async def book(self, event: PaymentEvent) -> None:
        """Book an event, slowly enough for another delivery of it to arrive meanwhile."""
        await asyncio.sleep(0.02)
        self.names.append(str(event.name))


@asynccontextmanager
async def books(sandbox: Sandbox, *secrets: str) -> AsyncIterator[Books]:
    """Open a shop whose receiver is a webhook of *sandbox*, signed with the first of *secrets*."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/vipps/events"
        receiver = WebhookReceiver(url=url, secrets=secrets, store=MemoryStore())
        opened = Books(receiver)
        receiver.on(PaymentEvent)(opened.book)
        app = web.Application()
        receiver.setup(app, "/vipps/events")
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await sandbox.add_webhook(url, secret=secrets[0])
        try:
            yield opened
        finally:
            await runner.cleanup()


@pytest.fixture(name="books")
async def opened_books(sandbox: Sandbox) -> AsyncIterator[Books]:
    """A shop that knows the secret of its webhook."""
    async with books(sandbox, SECRET) as opened:
        yield opened


def told(sandbox: Sandbox) -> list[tuple[str, int, int, int | None]]:
    """Event, copy, attempt and status of each delivery."""
    return [(record.event, record.copy, record.attempt, record.status) for record in sandbox.deliveries]


async def test_a_duplicate_takes_effect_once(merchant: Merchant, books: Books) -> None:
    """It arrives as often as was ordered, each time answered 200, and is booked once; the next event is as usual."""
    merchant.sandbox.fail_delivery(DeliveryFault.DUPLICATE, copies=3)
    await merchant.authorized()
    await merchant.sandbox.settled()
    assert told(merchant.sandbox) == [
        ("CREATED", 1, 1, 200),
        ("CREATED", 2, 1, 200),
        ("CREATED", 3, 1, 200),
        ("AUTHORIZED", 1, 1, 200),
    ]
    assert books.names == ["CREATED", "AUTHORIZED"]
    assert books.receiver.counts[Stage.DUPLICATE] == 2


async def test_concurrent_copies_take_effect_once(merchant: Merchant, books: Books) -> None:
    """Copies sent at one moment meet in the receiver: one runs the handler, the others are told to come again."""
    merchant.sandbox.fail_delivery("concurrent", copies=8)
    await merchant.create()
    await merchant.sandbox.settled()
    assert books.names == ["CREATED"]
    first = [record for record in merchant.sandbox.deliveries if record.attempt == 1]
    assert len(first) == 8
    latest_start = max(record.started_at for record in first)
    assert latest_start < min(record.started_at + record.duration for record in first)
    assert {record.copy for record in merchant.sandbox.deliveries if record.is_success} == set(range(1, 9))


async def test_a_dropped_event_never_arrives(merchant: Merchant, books: Books) -> None:
    """The receiver hears nothing of it, the record says why, later events arrive; it can be delivered by hand."""
    sandbox = merchant.sandbox
    sandbox.fail_delivery(DeliveryFault.DROP, event="AUTHORIZED")
    await merchant.authorized()
    await sandbox.settled()
    assert books.names == ["CREATED"]
    lost = sandbox.deliveries[-1]
    assert (lost.event, lost.status, lost.fault) == ("AUTHORIZED", None, DeliveryFault.DROP)
    assert "dropped" in (lost.error or "")
    await sandbox.redeliver(lost.id)
    await sandbox.settled()
    assert books.names == ["CREATED", "AUTHORIZED"]


async def test_a_delay_holds_up_later_events_of_the_payment(merchant: Merchant, books: Books) -> None:
    """Nothing of the payment arrives until the sandbox's clock has come so far; then everything does, in order."""
    sandbox = merchant.sandbox
    sandbox.fail_delivery(DeliveryFault.DELAY, seconds=600)
    await merchant.authorized()
    await merchant.authorized(reference="another-payment")
    await until(lambda: len(books.names) == 2)
    assert {record.reference for record in sandbox.deliveries} == {"another-payment"}
    sandbox.clock.advance(timedelta(seconds=600))
    await sandbox.settled()
    assert books.names == ["CREATED", "AUTHORIZED"] * 2


async def test_reordered_events_take_effect_once_each(merchant: Merchant, books: Books) -> None:
    """The event is held back until the next one of the payment has overtaken it, another payment's does not."""
    sandbox = merchant.sandbox
    sandbox.fail_delivery(DeliveryFault.REORDER, event=EventName.AUTHORIZED, seconds=600)
    await merchant.authorized()
    await merchant.authorized(reference="another-payment")
    await until(lambda: len(books.names) == 3)
    assert books.names == ["CREATED", "CREATED", "AUTHORIZED"]
    await merchant.modify("cancel")
    await sandbox.settled()
    assert books.names[3:] == ["CANCELLED", "AUTHORIZED"]
    assert {record.reference for record in sandbox.deliveries[3:]} == {REFERENCE}


async def test_an_event_that_nothing_overtakes_arrives_late(merchant: Merchant, books: Books) -> None:
    """The last event of a payment arrives when its time has passed."""
    sandbox = merchant.sandbox
    sandbox.fail_delivery(DeliveryFault.REORDER, event=EventName.AUTHORIZED, seconds=600)
    await merchant.authorized()
    await until(lambda: len(books.names) == 1)
    sandbox.clock.advance(timedelta(seconds=600))
    await sandbox.settled()
    assert books.names == ["CREATED", "AUTHORIZED"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (DeliveryFault.MIS_SIGN, "the body is not the one that was signed"),
        (DeliveryFault.RE_SIGN, "the secret is not that of this webhook's registration"),
    ],
)
async def test_a_wrong_signature_is_refused_and_the_right_one_taken(
    merchant: Merchant, books: Books, caplog: pytest.LogCaptureFixture, fault: DeliveryFault, reason: str
) -> None:
    """The first attempt is refused for its cause and has no effect; the second is signed well, and booked once."""
    merchant.sandbox.fail_delivery(fault)
    await merchant.create()
    await merchant.sandbox.settled()
    assert told(merchant.sandbox) == [("CREATED", 1, 1, 401), ("CREATED", 1, 2, 200)]
    assert books.receiver.counts[Stage.REFUSED] == 1
    assert reason in caplog.text
    assert books.names == ["CREATED"]


async def test_a_secret_that_replaces_another_is_taken_beside_it(merchant: Merchant) -> None:
    """A receiver that knows both secrets takes what either has signed."""
    async with books(merchant.sandbox, SECRET, OTHER_SECRET) as rotating:
        merchant.sandbox.fail_delivery(DeliveryFault.RE_SIGN, secret=OTHER_SECRET)
        await merchant.authorized()
        await merchant.sandbox.settled()
        assert told(merchant.sandbox) == [("CREATED", 1, 1, 200), ("AUTHORIZED", 1, 1, 200)]
        assert rotating.names == ["CREATED", "AUTHORIZED"]


async def test_every_fault_at_once_leaves_one_effect_each(books: Books, merchant: Merchant) -> None:
    """Whatever mixture chance makes of ten payments' events, each event that arrives takes effect once."""
    sandbox = merchant.sandbox
    for fault in set(DeliveryFault) - {DeliveryFault.DROP}:
        seconds = 0.01 if fault in {DeliveryFault.DELAY, DeliveryFault.REORDER} else None
        sandbox.fail_delivery(fault, probability=0.3, seconds=seconds)
    references = [await merchant.authorized(reference=f"payment-{number:04}") for number in range(10)]
    await sandbox.settled()
    assert Counter(books.names) == {"CREATED": len(references), "AUTHORIZED": len(references)}
    assert len({done.fault for done in sandbox.injected_faults}) > 3


async def test_faults_of_one_payment_or_event_leave_others_alone(merchant: Merchant, books: Books) -> None:
    """An order that names a payment, or an event, waits for it."""
    sandbox = merchant.sandbox
    sandbox.fail_delivery(DeliveryFault.DROP, reference="another-payment", event="CREATED")
    await merchant.authorized()
    await merchant.authorized(reference="another-payment")
    await sandbox.settled()
    assert Counter(books.names) == {"CREATED": 1, "AUTHORIZED": 2}
    assert sandbox.injected_faults == [
        InjectedFault(
            operation="deliveries", fault=DeliveryFault.DROP, reference="another-payment", event=EventName.CREATED
        )
    ]


async def test_an_unsigned_webhook_has_no_signature_to_break(draft: Merchant, shop: Shop) -> None:
    """The draft's deliveries stay unsigned, whatever was ordered."""
    await draft.sandbox.add_webhook(shop.url)
    draft.sandbox.fail_delivery(DeliveryFault.MIS_SIGN)
    await draft.create()
    await draft.sandbox.settled()
    ((headers, _, _),) = shop.received
    assert "Authorization" not in headers


async def test_redelivering(merchant: Merchant, books: Books) -> None:
    """What was delivered is delivered again, with a fault if that is asked for, and without another effect."""
    sandbox = merchant.sandbox
    await merchant.create()
    await sandbox.settled()
    (first,) = sandbox.deliveries
    await sandbox.redeliver(first.id, fault="mis-sign")
    await sandbox.settled()
    statuses = [(record.status, record.fault) for record in sandbox.deliveries]
    assert statuses == [(200, None), (401, DeliveryFault.MIS_SIGN), (200, DeliveryFault.MIS_SIGN)]
    assert {record.psp_reference for record in sandbox.deliveries} == {first.psp_reference}
    assert books.names == ["CREATED"]


async def test_what_cannot_be_redelivered(merchant: Merchant, books: Books) -> None:
    """An unknown delivery, or one to a webhook that is gone, is a LookupError that names it."""
    with pytest.raises(UnknownDelivery, match="no delivery 99"):
        await merchant.sandbox.redeliver(99)
    await merchant.create()
    await merchant.sandbox.settled()
    (delivered,) = merchant.sandbox.deliveries
    await merchant.send("DELETE", f"/sandbox/webhooks/{delivered.registration_id}")
    with pytest.raises(LookupError, match="still registered"):
        await merchant.sandbox.redeliver(delivered.id)
    assert books.names == ["CREATED"]


async def test_a_sandbox_stops_with_deliveries_held_back() -> None:
    """Neither a delay nor a reordering keeps a task alive after the end."""
    async with Sandbox() as sandbox, at(sandbox) as merchant, books(sandbox, SECRET) as opened:
        sandbox.fail_delivery(DeliveryFault.DELAY, seconds=3600)
        sandbox.fail_delivery(DeliveryFault.REORDER, seconds=3600)
        await merchant.authorized()
        with pytest.raises(TimeoutError, match=f"CREATED of {REFERENCE}"):
            await sandbox.settled(0.05)
    assert not opened.names
    assert not [task for task in asyncio.all_tasks() if "_carry" in repr(task)]


def test_records_show_no_signature() -> None:
    """A delivery's repr has neither headers nor bodies."""
    assert all(not field.repr for field in attrs.fields(Delivery) if field.name.startswith(("request_", "response_")))
