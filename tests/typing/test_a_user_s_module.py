# pyright: strict
"""What a user writes, checked as strictly as their own checkers may: by ``mypy --strict`` and pyright's strict mode.

Each test runs, too. There is neither an ignore nor a cast here, since the commonest lines must need none.
"""

from decimal import Decimal
from typing import Any, assert_type

from aiohttp import web

from vipps_async import (
    Adjustment,
    Aggregate,
    Amount,
    BadRequest,
    Conflict,
    CreatedPayment,
    InvalidRequest,
    NotFound,
    NotInReply,
    OutcomeUnknown,
    Payment,
    PaymentEvent,
    PaymentEventName,
    PaymentState,
    VippsClient,
    VippsError,
    WaitTimeout,
)
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import IncomingRequest, WebhookReceiver
from vipps_async.webhooks.stores.base import Claim
from vipps_async.webhooks.stores.memory import MemoryStore

PRICE = Amount(49900, "NOK")


async def pay(vipps: VippsClient, reference: str) -> str:
    """Create a payment, and return where its user goes."""
    created = await vipps.epayment.create(
        amount=PRICE,
        reference=reference,
        return_url="https://shop.example/return",
        payment_description="One pair of socks",
        metadata={"till": "7"},
    )
    assert_type(created, CreatedPayment)
    assert_type(created.redirect_url, str)
    return created.redirect_url


async def settle(vipps: VippsClient, reference: str) -> Amount:
    """Wait for a payment, capture it in two parts, and give some of it back; return what is kept."""
    payment = await vipps.epayment.wait(reference, timeout=600)
    assert_type(payment, Payment)
    if payment.state is not PaymentState.AUTHORIZED:
        return Amount(0, payment.amount.currency)
    part = await vipps.epayment.capture(reference, Amount(20000, "NOK"))
    assert_type(part, Adjustment)
    assert_type(part.aggregate, Aggregate)
    rest = await vipps.epayment.capture(reference)
    refunded = await vipps.epayment.refund(reference, Amount(5000, "NOK"))
    assert_type(refunded.state, PaymentState)
    return rest.aggregate.captured_amount - refunded.aggregate.refunded_amount


async def capture_again(vipps: VippsClient, reference: str) -> str:
    """Capture, and say what came of it."""
    try:
        await vipps.epayment.capture(reference, PRICE)
    except OutcomeUnknown as unknown:
        await vipps.epayment.capture(reference, PRICE, idempotency_key=unknown.idempotency_key)
    except (BadRequest, Conflict, NotFound) as refusal:
        assert_type(refusal.code, str | None)
        return refusal.code or str(refusal.status)
    except (InvalidRequest, WaitTimeout, VippsError) as error:
        return str(error)
    return "captured"


async def test_the_commonest_calls_type_and_work() -> None:
    """Create, redirect, wait, capture, refund and repeat, against a sandbox."""
    async with Sandbox() as sandbox, VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        url = await pay(vipps, "order-0001")
        assert url.startswith(sandbox.base_url)
        await sandbox.approve("order-0001")
        assert await settle(vipps, "order-0001") == Amount(44900, "NOK")
        await pay(vipps, "order-0002")
        await sandbox.approve("order-0002")
        sandbox.fail("capture", Fault.RESET_AFTER)
        assert await capture_again(vipps, "order-0002") == "captured"
        assert await capture_again(vipps, "no-such-order") == "5090"


def test_amounts_type_and_work() -> None:
    """What a basket does with its prices."""
    lines = [(PRICE, 2), (Amount.from_major(Decimal("99.50"), "NOK"), 1)]
    total = sum((price * count for price, count in lines), Amount(0, "NOK"))
    assert_type(total, Amount)
    assert_type(total.to_major(), Decimal)
    assert (total.to_major(), str(total), total > PRICE) == (Decimal("1097.50"), "1097.50 NOK", True)
    assert max(price for price, _ in lines) == 1 * PRICE
    assert_type(total.to_dict(), dict[str, Any])


def test_results_that_have_nothing_say_so() -> None:
    """What a reply may lack can be asked for, and asked about, without narrowing."""
    created = CreatedPayment(reference="order-0001", idempotency_key="key", raw={})
    assert not created.has_redirect_url
    try:
        assert_type(created.redirect_url, str)
    except NotInReply as missing:
        assert_type(missing.name, str)


async def test_a_receiver_types_and_works() -> None:
    """Handlers of events, plain and with their claims, mounted and called."""
    shipped: list[str] = []
    receiver = WebhookReceiver(allow_unsigned=True, store=MemoryStore())

    @receiver.on(PaymentEventName.AUTHORIZED)
    async def ship(event: PaymentEvent) -> None:
        user = event.user_details
        shipped.append(f"{event.reference}: {event.amount} of {user.first_name if user else 'somebody'}")

    @receiver.on("CAPTURED", PaymentEventName.REFUNDED)
    async def book(event: PaymentEvent, claim: Claim) -> None:
        shipped.append(f"{event.name} {event.amount}")

    @receiver.on_failed(PaymentEvent)
    async def alarm(event: PaymentEvent) -> None:
        shipped.append(f"{event.name} failed")

    app = web.Application()
    receiver.setup(app, "/vipps/events")
    body = (
        b'{"reference": "order-0001", "pspReference": "1", "name": "AUTHORIZED", "success": true,'
        b'"amount": {"value": 49900, "currency": "NOK"}, "timestamp": "2026-01-19T16:26:32Z"}'
    )
    headers = {"Content-Type": "application/json"}
    reply = await receiver.handle(IncomingRequest("POST", "/vipps/events", headers, body))
    assert_type(reply.status, int)
    assert (reply.status, shipped) == (200, ["order-0001: 499.00 NOK of somebody"])
    assert [handler.__name__ for handler in (ship, book, alarm)] == ["ship", "book", "alarm"]
    await receiver.close()


async def test_the_fixtures_type(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """A shop's own test, by the pytest plugin's fixtures, and a payment that leaves for a web page."""
    await pay(vipps_client, "order-0001")
    payment = await vipps_client.epayment.get("order-0001")
    answer = web.json_response(payment.to_dict())
    assert answer.status == 200
    assert payment.aggregate.left_to_capture == Amount(0, "NOK")
    assert len(vipps_sandbox.payments) == 1
