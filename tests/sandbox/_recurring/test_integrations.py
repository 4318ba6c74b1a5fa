"""A subscription's whole life as a shop's plugin sends it: more than is documented, and taken by default."""

from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox._recurring.test_agreements import AGREEMENTS, DRAFT, active, create_charge
from tests.support.sandbox.merchant import Got, Merchant

LONG_VERSION = "6.5.2/8.9.1-with-a-very-long-name"
CHARGE = {"amount": 49900, "description": "Membership", "retryDays": 4, "transactionType": "DIRECT_CAPTURE"}


async def sent(merchant: Merchant, method: str, path: str, body: Any) -> Got:
    """Send a request with the headers that the plugin has: those of a token request, and a long version."""
    headers = {
        "Vipps-System-Version": LONG_VERSION,
        **{name: str(value) for name, value in merchant.token_headers.items()},
    }
    return await merchant.call(method, f"{AGREEMENTS}{path}", body, key=merchant.fresh_key(), headers=headers)


async def test_a_subscription_s_whole_life(merchant: Merchant) -> None:
    """Drafted, accepted, changed, charged, captured, refunded, cancelled and stopped."""
    draft = {
        "productName": "Membership",
        "pricing": {"type": "LEGACY", "currency": "NOK", "amount": 49900},
        "interval": {"unit": "MONTH", "count": 1},
        "initialCharge": {"amount": 49900, "description": "Membership", "transactionType": "RESERVE_CAPTURE"},
        "isApp": False,
        "merchantAgreementUrl": "https://shop.example/my-account/subscriptions/7/",
        "merchantRedirectUrl": "https://shop.example/wc-api/return?order=7",
        "phoneNumber": "12345",
        "skipLandingPage": False,
    }
    drafted = await sent(merchant, "POST", "", draft)
    assert drafted.status == 201
    agreement, first = drafted.json["agreementId"], drafted.json["chargeId"]
    await merchant.sandbox.recurring.accept(agreement)
    changed = {
        "productName": "Membership, all clubs",
        "pricing": {"type": "LEGACY", "currency": "NOK", "amount": 59900},
        "interval": None,
        "productDescription": " Day and night",
    }
    assert (await sent(merchant, "PATCH", f"/{agreement}", changed)).status == 204
    whole = {**CHARGE, "due": None, "type": "INITIAL", "transactionId": "5001419121"}
    assert (await sent(merchant, "POST", f"/{agreement}/charges/{first}/capture", whole)).status == 204
    refund = {"description": "Refund", "amount": 10000}
    assert (await sent(merchant, "POST", f"/{agreement}/charges/{first}/refund", refund)).status == 204
    due = (merchant.sandbox.clock.now() + timedelta(days=2)).date().isoformat()
    charge = await sent(merchant, "POST", f"/{agreement}/charges", {**CHARGE, "due": due})
    assert charge.status == 201
    assert (await sent(merchant, "DELETE", f"/{agreement}/charges/{charge.json['chargeId']}", [])).status == 204
    assert (await sent(merchant, "PATCH", f"/{agreement}", {"status": "STOPPED"})).status == 204
    charges = merchant.sandbox.recurring.charges
    assert [(each.captured, each.refunded, each.cancelled) for each in charges.values()] == [
        (49900, 10000, 0),
        (0, 0, 49900),
    ]
    agreement_now = merchant.sandbox.recurring.agreements[agreement]
    assert (agreement_now.terms["productName"], agreement_now.pricing["amount"]) == ("Membership, all clubs", 59900)
    notes = {note for request in merchant.sandbox.requests for note in request.notes}
    assert {"ignored: pricing.type", "ignored: transactionId", "ignored: interval, which is null"} <= notes


@pytest.mark.strict
async def test_who_wants_the_documents_held_to_is_told(merchant: Merchant) -> None:
    """What is not documented is refused then."""
    agreement = await active(merchant)
    for body, field in (
        ({"pricing": {"type": "LEGACY", "amount": 100}}, "pricing.type"),
        ({"productName": "x", "interval": None}, "interval.type"),
    ):
        got = await merchant.call("PATCH", f"{AGREEMENTS}/{agreement}", body, key=merchant.fresh_key())
        assert (got.status, set(got.fields)) == (400, {field})
    got = await merchant.call("POST", AGREEMENTS, {**DRAFT, "merchantAgreementUrl": ""}, key="1")
    assert "merchantAgreementUrl" in got.fields
    assert "colour" in (await create_charge(merchant, agreement, colour="red")).fields
