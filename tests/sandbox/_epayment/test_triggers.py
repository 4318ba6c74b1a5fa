"""The amounts that make a payment or a refund fail in the test environment."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, of
from vipps_async.sandbox import ActionRefused
from vipps_async.sandbox._epayment.lifecycle import EventName, State

HOUR = timedelta(hours=1)


def nok(value: int, currency: str = "NOK") -> dict[str, Any]:
    """Return an amount."""
    return {"currency": currency, "value": value}


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (151, "insufficient funds"),
        (182, "refused by the issuer"),
        (183, "suspected fraud"),
        (184, "withdrawal limit exceeded"),
        (186, "expired card"),
        (187, "invalid card"),
        (197, "3-D Secure denied"),
        (202, "strong customer authentication required"),
    ],
)
async def test_the_attempt_to_pay_fails(merchant: Merchant, amount: int, reason: str) -> None:
    """The user is told why; the payment stays CREATED, so that it can still be rejected, or run out."""
    await merchant.create(amount=nok(amount))
    with pytest.raises(ActionRefused, match=reason):
        await merchant.sandbox.approve(REFERENCE)
    assert [event["name"] for event in await merchant.events()] == ["CREATED"]
    got = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/approve")
    assert (got.status, reason in got.json["detail"]) == (409, True)
    merchant.sandbox.clock.advance(timedelta(minutes=10))
    assert (await merchant.get()).json["state"] == "EXPIRED"


@pytest.mark.parametrize("amount", [197, 202])
async def test_two_triggers_are_norwegian(merchant: Merchant, amount: int) -> None:
    """In another currency they are amounts like any other."""
    await merchant.create(amount=nok(amount, "DKK"))
    assert (await merchant.sandbox.approve(REFERENCE)).state is State.AUTHORIZED


async def test_triggers_hold_in_every_other_currency(merchant: Merchant) -> None:
    """Minor units count, not kroner."""
    await merchant.create(amount=nok(151, "EUR"))
    with pytest.raises(ActionRefused, match="insufficient funds"):
        await merchant.sandbox.approve(REFERENCE)


async def test_force_approve_honours_triggers(merchant: Merchant) -> None:
    """It pays with the test user's card, and the payment stays as it was."""
    await merchant.create(amount=nok(151))
    body = {"customer": {"phoneNumber": "4712345678"}}
    forced = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (forced.status, forced.code) == (400, "10040")
    assert "insufficient funds" in forced.json["detail"]
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED


async def test_a_forced_outcome_can_be_unknown_for_an_hour(merchant: Merchant) -> None:
    """As that of an approval in the app."""
    await merchant.create(amount=nok(201))
    body = {"customer": {"phoneNumber": "4712345678"}}
    forced = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (forced.status, merchant.sandbox.payments[REFERENCE].state) == (200, State.CREATED)
    merchant.sandbox.clock.advance(HOUR)
    assert merchant.sandbox.payments[REFERENCE].state is State.AUTHORIZED


async def test_an_outcome_can_be_unknown_for_an_hour(merchant: Merchant, shop: Shop) -> None:
    """Nobody can act, not even time, until it turns out to be authorized, with an event of that moment."""
    await merchant.sandbox.add_webhook(shop.url)
    await merchant.create(amount=nok(201), profile={"scope": "name"})
    payment = await merchant.sandbox.approve(REFERENCE)
    assert payment.state is State.CREATED
    merchant.sandbox.clock.advance(HOUR - timedelta(seconds=30))
    assert (await merchant.get()).json["state"] == "CREATED"
    locked = await merchant.modify("cancel")
    assert (locked.status, locked.code) == (423, "6250")
    body = {"customer": {"phoneNumber": "4712345678"}}
    forced = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (forced.status, forced.code) == (400, "10020")
    sandbox = merchant.sandbox
    for act in (sandbox.approve, sandbox.reject, sandbox.go_back, sandbox.expire):
        with pytest.raises(ActionRefused, match="under way"):
            await act(REFERENCE)
    merchant.sandbox.clock.advance(timedelta(seconds=30))
    after = merchant.sandbox.payments[REFERENCE]
    assert (after.state, after.events[-1].name) == (State.AUTHORIZED, EventName.AUTHORIZED)
    assert after.events[-1].timestamp == payment.processing_until
    await merchant.sandbox.settled()
    assert [body["name"] for body in shop.bodies] == ["CREATED", "AUTHORIZED"]
    assert shop.bodies[-1]["userDetails"]["firstName"] == "Ada"
    merchant.sandbox.clock.advance(timedelta(days=180))
    assert merchant.sandbox.payments[REFERENCE].events[-1].name is EventName.CANCELLED


@pytest.mark.parametrize(("amount", "code"), [(123, "6210"), (124, "6220")])
async def test_refunds_have_triggers(merchant: Merchant, amount: int, code: str) -> None:
    """Refunding exactly so much fails with the code of its reason, and a capture of it does not."""
    await merchant.authorized()
    assert (await merchant.modify("capture", of(amount))).status == 200
    got = await merchant.modify("refund", of(amount))
    assert (got.status, got.code) == (400, code)
    assert (await merchant.modify("refund", of(100))).status == 200


async def test_the_user_may_be_too_young(merchant: Merchant) -> None:
    """Whoever is younger than `minimumUserAge` is no customer: not when known, forced, or in the app."""
    known = await merchant.create(minimumUserAge=100, customer={"phoneNumber": "4712345678"})
    assert (known.status, known.code) == (400, "7010")
    await merchant.create(minimumUserAge=100)
    body = {"customer": {"phoneNumber": "4712345678"}}
    forced = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (forced.status, forced.code) == (400, "7010")
    with pytest.raises(ActionRefused, match="younger than 100"):
        await merchant.sandbox.approve(REFERENCE)


async def test_the_user_is_as_old_as_the_clock_says(merchant: Merchant) -> None:
    """Years later, the same user is old enough."""
    merchant.sandbox.clock.advance(timedelta(days=80 * 365.25))
    await merchant.sign_in()
    await merchant.create(minimumUserAge=100)
    assert (await merchant.sandbox.approve(REFERENCE)).state is State.AUTHORIZED
