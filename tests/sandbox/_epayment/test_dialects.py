"""The draft dialect: the same payments, told as the API was drafted in January 2022."""

import re
import uuid
from typing import Any

import pytest

from tests.support.sandbox.merchant import PAYMENTS, Merchant, Shop, of
from vipps_async.sandbox._epayment.lifecycle import State

REFERENCE = "UNIQUE-PAYMENT-REFERENCE"
MINIMAL: dict[str, Any] = {
    "amount": {"currency": "NOK", "value": 1000},
    "paymentMethod": {"type": "WALLET"},
    "reference": REFERENCE,
    "returnUrl": "https://yourwebsite.come/redirect?orderId=abcc123",
    "userFlow": "NATIVE_REDIRECT",
    "paymentDescription": "A simple payment",
}
FULL: dict[str, Any] = {
    **MINIMAL,
    "authorisationType": "PRE_AUTH",
    "directCapture": False,
    "customer": "4712345678",
    "customerInteraction": "CUSTOMER_PRESENT",
    "industryData": {
        "airline": {
            "agencyInvoiceNumber": "1",
            "airlineCode": "074",
            "airlineDesignatorCode": "KL",
            "passengerName": "FLYER",
        }
    },
    "logistics": {
        "fixedOptions": [
            {
                "amount": {"currency": "NOK", "value": 2900},
                "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
                "priority": 1,
                "brand": "Posten Servicepakke",
                "product": "Next day delivery",
                "description": "To the door",
                "default": True,
            }
        ]
    },
    "orderInformation": {
        "lineItems": [
            {
                "amountExcludingTax": 8000,
                "amountIncludingTax": 10000,
                "description": "Socks",
                "id": "socks-1",
                "productUrl": "https://example.com/store/socks",
                "quantity": 1,
                "taxAmount": "2000",
                "taxPercentage": 25,
                "discount": None,
                "quantityUnit": "Unknown",
            }
        ],
        "shippingAmount": 2900,
    },
    "profile": {"scope": "name address"},
    "subReference": "order-2022-000123-a",
    "userFlow": "WEB_REDIRECT",
}


def purchase(value: int) -> dict[str, Any]:
    """Return an amount as the draft's guide prints it."""
    return {"currency": "NOK", "type": "PURCHASE", "value": value}


def aggregate(authorized: int = 0, cancelled: int = 0, captured: int = 0, refunded: int = 0) -> dict[str, Any]:
    """Return the aggregate as the draft's guide prints it."""
    amounts = {"authorized": authorized, "cancelled": cancelled, "captured": captured, "refunded": refunded}
    return {f"{name}Amount": purchase(value) for name, value in amounts.items()}


async def create(draft: Merchant, body: dict[str, Any] = MINIMAL, *, base: str = PAYMENTS) -> Any:
    """Create a payment and return the answer."""
    got = await draft.call("POST", base, body, key=draft.fresh_key())
    assert got.status == 201, got.body
    return got.json


async def test_create_answers_the_whole_payment(draft: Merchant) -> None:
    """Every member of the documented draft response, and no other."""
    body = await create(draft)
    assert uuid.UUID(body.pop("pspReference"))
    assert body == {
        **MINIMAL,
        "aggregate": aggregate(),
        "amount": purchase(1000),
        "authorisationType": "FINAL_AUTH",
        "state": "CREATED",
        "directCapture": False,
        "customerInteraction": "CUSTOMER_NOT_PRESENT",
        "redirectUrl": f"{draft.sandbox.base_url}/landing?token={draft.sandbox.payments[REFERENCE].token}",
    }


async def test_the_full_request_is_echoed(draft: Merchant) -> None:
    """Every optional field of the draft is accepted and comes back, `amount.type` included."""
    body = await create(draft, FULL | {"amount": purchase(1000)})
    assert {name: body[name] for name in FULL} == FULL | {"amount": purchase(1000)}
    await draft.sandbox.approve(REFERENCE)
    got = (await draft.get(REFERENCE)).json
    assert got["state"] == "AUTHORISED"
    assert got["profile"]["scope"] == "name address"
    assert uuid.UUID(got["profile"]["sub"])


async def test_modifications_answer_202_without_a_body(draft: Merchant) -> None:
    """Capture, refund, adjust and cancel: 202, nothing to read, and the result shows on GET."""
    await create(draft)
    await draft.sandbox.approve(REFERENCE)
    base = f"{PAYMENTS}/{REFERENCE}"
    full = {"modificationAmount": purchase(300), "modificationReference": "UNIQUE-MODIFICATION-REFERENCE"}
    for method, path, body in (
        ("POST", "capture", full),
        ("POST", "refund", of(100)),
        ("PUT", "cancel", of(200)),
        ("PUT", "adjustAuthorization", {**of(1500), "modificationReference": "adjust-000123-1"}),
    ):
        got = await draft.call(method, f"{base}/{path}", body, key="k")
        assert (got.status, got.body) == (202, b"")
    got = await draft.get(REFERENCE)
    assert got.json["aggregate"] == aggregate(authorized=1500, captured=300, refunded=100, cancelled=200)
    assert got.json["state"] == "AUTHORISED"


async def test_the_event_log_speaks_the_draft(draft: Merchant) -> None:
    """`paymentAction`, `processedAt`, a UUID for each event, and `authorisationType` on the authorisation."""
    await create(draft)
    await draft.sandbox.approve(REFERENCE)
    await draft.modify("capture", of(300), reference=REFERENCE)
    await draft.call("POST", f"{PAYMENTS}/{REFERENCE}/cancel")
    body = {**of(1500), "modificationReference": "adjust-000123-1"}
    await draft.call("PUT", f"{PAYMENTS}/{REFERENCE}/adjustAuthorization", body, key="k")
    await draft.modify("refund", of(300), reference=REFERENCE)
    events = await draft.events(REFERENCE)
    assert [(event["paymentAction"], event["amount"]["value"]) for event in events] == [
        ("CREATION", 1000),
        ("AUTHORISATION", 1000),
        ("CAPTURE", 300),
        ("CANCELLATION", 700),
        ("AUTHORISATION_ADJUSTMENT", 1500),
        ("REFUND", 300),
    ]
    assert set(events[0]) == {
        "reference",
        "pspReference",
        "paymentAction",
        "success",
        "amount",
        "processedAt",
        "idempotencyKey",
    }
    assert events[1]["authorisationType"] == "FINAL_AUTH"
    assert len({uuid.UUID(event["pspReference"]) for event in events}) == 6
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["processedAt"]) for event in events)
    assert all(event["idempotencyKey"] for event in events)


@pytest.mark.parametrize("act", ["reject", "expire", "cancel"])
async def test_every_end_without_money_is_a_termination(draft: Merchant, act: str) -> None:
    """The draft's guide calls rejection, expiry and the merchant's cancel TERMINATION."""
    await create(draft)
    if act == "cancel":
        assert (await draft.call("PUT", f"{PAYMENTS}/{REFERENCE}/cancel", of(1000), key="k")).status == 202
    else:
        await getattr(draft.sandbox, act)(REFERENCE)
    assert (await draft.events(REFERENCE))[-1]["paymentAction"] == "TERMINATION"


async def test_a_notification_has_the_draft_shape_and_no_signature(draft: Merchant, shop: Shop) -> None:
    """What the portal's webhook gets: no MSN, no signature, no `authorisationType`."""
    await draft.sandbox.add_webhook(shop.url)
    await create(draft)
    await draft.sandbox.approve(REFERENCE)
    await draft.sandbox.settled()
    body = shop.bodies[1]
    assert body.pop("processedAt")
    assert uuid.UUID(body.pop("pspReference"))
    assert body == {
        "reference": REFERENCE,
        "paymentAction": "AUTHORISATION",
        "success": True,
        "amount": purchase(1000),
        "idempotencyKey": "key-1",
    }
    assert not {"Authorization", "x-ms-date", "x-ms-content-sha256"} & set(shop.received[1][0])


@pytest.mark.parametrize(("value", "status"), [(499, 400), (500, 202)])
async def test_a_reservation_is_adjusted_down_to_what_was_taken(draft: Merchant, value: int, status: int) -> None:
    """And no further."""
    await create(draft)
    await draft.sandbox.approve(REFERENCE)
    await draft.modify("capture", of(500), reference=REFERENCE)
    body = {**of(value), "modificationReference": "adjust-000123-1"}
    got = await draft.call("PUT", f"{PAYMENTS}/{REFERENCE}/adjustAuthorization", body, key="k")
    assert got.status == status


async def test_an_adjustment_is_told_to_who_wants_everything(draft: Merchant, shop: Shop) -> None:
    """It has no event type of its own."""
    await draft.sandbox.add_webhook(shop.url)
    await create(draft)
    await draft.sandbox.approve(REFERENCE)
    body = {**of(1500), "modificationReference": "adjust-000123-1"}
    await draft.call("PUT", f"{PAYMENTS}/{REFERENCE}/adjustAuthorization", body, key="k")
    await draft.sandbox.settled()
    assert [body["paymentAction"] for body in shop.bodies][-1] == "AUTHORISATION_ADJUSTMENT"


async def test_a_problem_has_the_draft_shape(draft: Merchant) -> None:
    """`type`, `title`, `detail` and `traceId`; bad fields are told in the detail."""
    got = await draft.modify("capture", of(1), reference=REFERENCE)
    assert (got.status, set(got.json)) == (404, {"type", "title", "detail", "traceId"})
    got = await draft.call("POST", PAYMENTS, MINIMAL | {"reference": "short"}, key="k")
    assert got.status == 400
    assert got.json["detail"].startswith("reference: ")


@pytest.mark.strict
@pytest.mark.parametrize(
    "changes",
    [
        {"returnUrl": None},
        {"reference": "a" * 51},
        {"amount": {"currency": "EUR", "value": 1000}},
        {"amount": {"currency": "NOK", "value": 0}},
        {"amount": {"currency": "NOK", "value": 1000, "type": "REFUND"}},
        {"customer": {"phoneNumber": "4712345678"}},
        {"userFlow": "QR"},
        {"userFlow": "PUSH_MESSAGE"},
        {"paymentMethod": {"type": "CARD"}},
        {"directCapture": True},
        {"metadata": {"a": "b"}},
        {"state": "CREATED"},
    ],
)
async def test_what_the_draft_does_not_know_is_refused(draft: Merchant, changes: dict[str, Any]) -> None:
    """Fields, flows and currencies that came later, and what was not allowed even then."""
    body = {name: value for name, value in (MINIMAL | changes).items() if value is not None}
    assert (await draft.call("POST", PAYMENTS, body, key="k")).status == 400
    assert not draft.sandbox.payments


async def test_a_push_message_has_no_redirect_url(draft: Merchant) -> None:
    """The user gets it on the phone."""
    body = await create(draft, MINIMAL | {"userFlow": "PUSH_MESSAGE", "customer": "4712345678"})
    assert "redirectUrl" not in body


async def test_the_guides_paths_work_too(draft: Merchant) -> None:
    """The guide printed `/payments/v1`, the specification `/epayment/v1/payments`: both lead to one ledger."""
    await create(draft, base="/payments/v1")
    await draft.sandbox.approve(REFERENCE)
    got = await draft.call("POST", f"/payments/v1/{REFERENCE}/capture", of(1000), key="k")
    assert got.status == 202
    assert (await draft.call("GET", f"/payments/v1/{REFERENCE}")).json == (await draft.get(REFERENCE)).json


async def test_rules_of_cancel_and_adjust(draft: Merchant) -> None:
    """A key is required; neither can go below what is there, and nothing is adjusted before authorisation."""
    await create(draft)
    cancel, adjust = (f"{PAYMENTS}/{REFERENCE}/{name}" for name in ("cancel", "adjustAuthorization"))
    body = {**of(1500), "modificationReference": "adjust-000123-1"}
    assert (await draft.call("PUT", adjust, body, key="a")).status == 400
    assert (await draft.call("PUT", cancel, of(1001), key="a")).status == 400
    await draft.sandbox.approve(REFERENCE)
    assert (await draft.call("PUT", cancel, of(1000))).status == 400
    assert (await draft.call("PUT", cancel, of(1001), key="b")).status == 400
    assert (await draft.call("PUT", adjust, of(1500), key="c")).status == 400
    await draft.modify("capture", of(600), reference=REFERENCE)
    low = {**of(500), "modificationReference": "adjust-000123-1"}
    assert (await draft.call("PUT", adjust, low, key="d")).status == 400
    payment = draft.sandbox.payments[REFERENCE]
    assert (payment.state, payment.authorized_amount, payment.cancelled_amount) == (State.AUTHORIZED, 1000, 0)


async def test_the_current_dialect_has_no_draft_routes(merchant: Merchant) -> None:
    """Adjusting is gone, and cancel is no PUT any more."""
    assert (await merchant.call("PUT", f"{PAYMENTS}/{REFERENCE}/adjustAuthorization", of(1), key="k")).status == 404
    assert (await merchant.call("PUT", f"{PAYMENTS}/{REFERENCE}/cancel", of(1), key="k")).status == 405
    assert (await merchant.call("POST", "/payments/v1", MINIMAL, key="k")).status == 404
