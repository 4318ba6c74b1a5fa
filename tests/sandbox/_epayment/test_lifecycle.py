"""What time does to payments: long-living ones, and reservations that nobody captured."""

from datetime import timedelta

import pytest

from tests.sandbox._epayment.test_rules import RECEIPT
from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, of
from vipps_async.sandbox._epayment.lifecycle import EventName, State


async def test_a_long_living_payment_lives_until_it_says(merchant: Merchant) -> None:
    """Ten minutes do not end it; `expiresAt` does, to the moment."""
    expires_at = merchant.sandbox.clock.now() + timedelta(days=59)
    await merchant.create(expiresAt=expires_at.isoformat(), receipt=RECEIPT)
    merchant.sandbox.clock.advance(timedelta(days=58, hours=23))
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED
    merchant.sandbox.clock.advance(timedelta(hours=1))
    payment = merchant.sandbox.payments[REFERENCE]
    assert (payment.state, payment.events[-1].timestamp) == (State.EXPIRED, expires_at)


async def test_a_long_living_payment_is_paid_from_the_wallet(merchant: Merchant) -> None:
    """A card cannot wait for days."""
    expires_at = (merchant.sandbox.clock.now() + timedelta(days=1)).isoformat()
    got = await merchant.create(expiresAt=expires_at, receipt=RECEIPT, paymentMethod={"type": "CARD"})
    assert (got.status, set(got.fields)) == (400, {"paymentMethod.type"})


@pytest.mark.parametrize(("currency", "days"), [("NOK", 180), ("DKK", 14), ("EUR", 14)])
async def test_a_reservation_that_is_not_captured_is_released(
    merchant: Merchant, shop: Shop, currency: str, days: int
) -> None:
    """At the market's deadline the rest is cancelled, with an event without a key, and what was captured stays so."""
    await merchant.sandbox.add_webhook(shop.url)
    await merchant.authorized(amount={"currency": currency, "value": 1000})
    await merchant.modify("capture", of(400, currency))
    merchant.sandbox.clock.advance(timedelta(days=days, seconds=-30))
    assert merchant.sandbox.payments[REFERENCE].cancelled_amount == 0
    merchant.sandbox.clock.advance(timedelta(seconds=30))
    payment = merchant.sandbox.payments[REFERENCE]
    assert (payment.state, payment.captured_amount, payment.cancelled_amount) == (State.AUTHORIZED, 400, 600)
    released = payment.events[-1]
    assert (released.name, released.amount, released.idempotency_key) == (EventName.CANCELLED, 600, None)
    assert released.timestamp == payment.capture_until
    await merchant.sandbox.settled()
    assert shop.bodies[-1]["name"] == "CANCELLED"


@pytest.mark.parametrize(("operation", "code"), [("capture", "6100"), ("cancel", "6030")])
async def test_after_the_release_the_reason_is_told(merchant: Merchant, operation: str, code: str) -> None:
    """It came too late, which is more than that nothing is left."""
    await merchant.authorized()
    merchant.sandbox.clock.advance(timedelta(days=181))
    await merchant.sign_in()
    assert (await merchant.modify(operation, of(1) if operation == "capture" else None)).code == code


async def test_what_is_used_up_is_not_released(merchant: Merchant) -> None:
    """A payment that was captured, or cancelled, has no event at the deadline."""
    await merchant.authorized()
    await merchant.modify("capture", of(49900))
    await merchant.authorized(reference="second-payment")
    await merchant.modify("cancel", reference="second-payment")
    merchant.sandbox.clock.advance(timedelta(days=200))
    names = [[event.name for event in payment.events][2:] for payment in merchant.sandbox.payments.values()]
    assert names == [[EventName.CAPTURED], [EventName.CANCELLED]]
