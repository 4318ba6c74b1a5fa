"""What clients in production send without being refused is taken, and noted; a strict sandbox refuses it."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Got, Merchant, create_body, of, until
from tests.support.sandbox.shipping import express
from vipps_async.sandbox._platform.leniency import Leniency

WEBHOOKS = "/webhooks/v1/webhooks"
EVENTS = ["epayments.payment.authorized.v1"]
HOOK = {"url": "https://shop.example/hook", "events": EVENTS}
GROUP = {
    "type": "OTHER",
    "brand": "OTHER",
    "options": [{"id": "flat", "name": "Flat rate", "amount": {"currency": "NOK", "value": 5000}}],
}


@attrs.frozen(kw_only=True)
class Request:
    """A request that the documents do not allow.

    Attributes:
        notes: what is noted of it.
        code: what a strict sandbox refuses it with, if that has a code.
        status: the status of that.
    """

    method: str = "POST"
    path: str = PAYMENTS
    body: Any = None
    headers: Mapping[str, str | None] = attrs.field(factory=dict)
    notes: tuple[str, ...]
    code: str | None = None
    status: int = 400


def creation(*notes: str, code: str | None = None, **changes: Any) -> Request:
    """Return a creation with changes; ``NULL`` in them is null."""
    body = create_body(**changes)
    return Request(body=body | {name: None for name, value in changes.items() if value is None}, notes=notes, code=code)


CREATIONS = {
    "an unknown member": creation("ignored: colour", colour="red"),
    "a deep unknown member": creation("ignored: paymentMethod.brand", paymentMethod={"type": "WALLET", "brand": "x"}),
    "the interaction within the customer": creation(
        "ignored: customer.customerInteraction",
        customer={"phoneNumber": "4712345678", "customerInteraction": "CUSTOMER_PRESENT"},
    ),
    "an empty customer": creation("ignored: customer, which is empty", customer={}),
    "a customer without a number": creation(
        "ignored: customer.phoneNumber, which is null",
        "ignored: customer, which is empty",
        code="4070",
        customer={"phoneNumber": None},
    ),
    "null for absent": creation("ignored: receipt, which is null", receipt=None),
    "a number as a reference": creation("read as text: reference", reference=1234567890),
    "a number as a phone number": creation(
        "read as text: customer.phoneNumber", code="4070", customer={"phoneNumber": 4712345678}
    ),
    "numbers and null in metadata": creation(
        "read as text: metadata.order",
        "ignored: metadata.cart, which is null",
        metadata={"order": 17, "cart": None},
    ),
    "two groups of one brand": creation(
        "shipping.fixedOptions: One group for each brand and type.",
        "profile.scope: Express needs address in the scope, and whatever else is wanted of the user.",
        profile={"scope": "name email phoneNumber"},
        shipping={"fixedOptions": [GROUP, GROUP]},
    ),
    "a header's value as the callback's token": creation(
        "shipping.dynamicOptions.callbackAuthorizationToken: 1 to 50 letters, digits and hyphens.",
        **express(
            "https://shop.example/shipping",
            authorization="Bearer eyJhbGciOiJIUzI1NiJ9.e30.Et9HFtf9R3GEMA0II",
        ),
    ),
    "a QR format without QR": creation(
        "qrFormat: qrFormat goes with userFlow QR.", qrFormat={"format": "IMAGE/SVG+XML"}
    ),
    "an app without a customer": creation(
        "customer: NATIVE_REDIRECT requires customer.",
        code="4140",
        userFlow="NATIVE_REDIRECT",
        returnUrl="shop-app://done",
    ),
    "capitals and a slash in the path": Request(
        path="/ePayment/V1/Payments/", body=create_body(), notes=(f"path read as {PAYMENTS}",), status=404
    ),
    "no merchant serial number": Request(
        body=create_body(),
        headers={"Merchant-Serial-Number": None},
        notes=("taken from the keys: Merchant-Serial-Number",),
    ),
    "a long system name": Request(
        body=create_body(),
        headers={"Vipps-System-Name": "x" * 31},
        notes=("longer than 30 characters: Vipps-System-Name",),
    ),
    "a form by its type": Request(
        path=WEBHOOKS,
        body=HOOK,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        notes=("read as application/json: Content-Type application/x-www-form-urlencoded",),
        status=415,
    ),
    "another type": Request(
        path=WEBHOOKS,
        body=HOOK,
        headers={"Content-Type": "application/octet-stream"},
        notes=("read as application/json: Content-Type application/octet-stream",),
        status=415,
    ),
}
MODIFICATIONS = {
    "a reference of a capture": Request(
        path=f"{PAYMENTS}/{REFERENCE}/capture",
        body={**of(100), "modificationReference": "00123"},
        notes=("ignored: modificationReference",),
    ),
    "an amount of a cancellation": Request(
        path=f"{PAYMENTS}/{REFERENCE}/cancel", body=of(100), notes=("ignored: modificationAmount",)
    ),
}


async def send(merchant: Merchant, request: Request, key: str = "a-key") -> Got:
    """Send a request."""
    return await merchant.call(request.method, request.path, request.body, key=key, headers=request.headers)


@pytest.mark.parametrize("request_", CREATIONS.values(), ids=CREATIONS)
async def test_it_is_taken_and_noted(merchant: Merchant, request_: Request) -> None:
    """Created or registered; what was ignored or amended stands in the record, over HTTP too."""
    got = await send(merchant, request_)
    assert got.status == 201, got.body
    (record,) = merchant.sandbox.requests[1:]
    assert record.notes == request_.notes
    listed = (await merchant.send("GET", "/sandbox/requests")).json["requests"]
    assert listed[-1]["notes"] == [*request_.notes]


@pytest.mark.strict
@pytest.mark.parametrize("request_", CREATIONS.values(), ids=CREATIONS)
async def test_a_strict_sandbox_refuses_it(merchant: Merchant, request_: Request) -> None:
    """As the documents have it, and notes nothing."""
    got = await send(merchant, request_)
    assert got.status == request_.status, got.body
    assert got.code == request_.code
    assert not merchant.sandbox.payments
    assert not any(record.notes for record in merchant.sandbox.requests)


@pytest.mark.parametrize("request_", MODIFICATIONS.values(), ids=MODIFICATIONS)
async def test_a_modification_is_taken(merchant: Merchant, request_: Request) -> None:
    """Of an authorized payment."""
    await merchant.authorized()
    assert (await send(merchant, request_)).status == 200
    assert merchant.sandbox.requests[-1].notes == request_.notes


@pytest.mark.strict
@pytest.mark.parametrize("request_", MODIFICATIONS.values(), ids=MODIFICATIONS)
async def test_a_strict_sandbox_refuses_the_modification(merchant: Merchant, request_: Request) -> None:
    """It has no such member."""
    await merchant.authorized()
    got = await send(merchant, request_)
    assert (got.status, list(got.fields)) == (400, [note.removeprefix("ignored: ") for note in request_.notes])


@pytest.mark.parametrize("body", [{}, None])
async def test_an_approval_needs_no_customer(merchant: Merchant, body: Any) -> None:
    """The test user's is taken."""
    await merchant.create()
    path = f"/epayment/v1/test/payments/{REFERENCE}/approve"
    assert (await merchant.call("POST", path, body)).status == 200
    assert merchant.sandbox.payments[REFERENCE].state == "AUTHORIZED"
    assert merchant.sandbox.requests[-1].notes == ("taken for the test user: the customer",)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"amount": None}, 400),
        ({"amount": {"currency": "NOK", "value": "49900"}}, 400),
        ({"amount": {"currency": "NOK", "value": 499.5}}, 400),
        ({"amount": {"currency": "NOK", "value": 99}}, 400),
        ({"amount": {"currency": "USD", "value": 49900}}, 400),
        ({"reference": None}, 400),
        ({"reference": 123}, 400),
        ({"userFlow": "WEB"}, 400),
        ({"paymentMethod": {"type": "CASH"}}, 400),
        ({"paymentMethod": {"type": None}}, 400),
        ({"customer": {"phoneNumber": "+4712345678"}}, 400),
        ({"customer": {"phoneNumber": "4712345678", "customerToken": "x"}}, 400),
        ({"metadata": {f"key-{number}": "x" for number in range(6)}}, 400),
        ({"metadata": "text"}, 400),
        ({"customer": [1]}, 400),
        (express("https://shop.example/shipping", authorization="two\r\nlines"), 400),
    ],
)
async def test_what_the_service_decides_stays_decided(merchant: Merchant, changes: Any, status: int) -> None:
    """What is required, amounts, enums that matter, limits: in every sandbox."""
    assert (await merchant.create(**changes)).status == status
    assert not merchant.sandbox.payments


async def test_a_repetition_is_the_same_request(merchant: Merchant) -> None:
    """By what was sent: a repetition with what is ignored is answered from its key, and another body is refused."""
    first = await merchant.create(key="k", colour="red")
    assert (await merchant.create(key="k", colour="red")).body == first.body
    assert (await merchant.create(key="k", colour="blue")).status == 409


async def test_other_methods_of_a_path_in_capitals(merchant: Merchant) -> None:
    """Are refused as those of the path are, and a path that is not served at all is not found."""
    got = await merchant.call("PUT", "/EPAYMENT/v1/payments/")
    assert (got.status, got.headers["Allow"]) == (405, "POST")
    assert (await merchant.call("GET", "/epayment/v1/nothing/")).status == 404


async def test_the_resource_is_case_sensitive(merchant: Merchant) -> None:
    """References that differ in capitals are two."""
    await merchant.create()
    assert (await merchant.call("GET", f"/EPAYMENT/v1/payments/{REFERENCE}/")).status == 200
    assert (await merchant.call("GET", f"/EPAYMENT/v1/payments/{REFERENCE.upper()}")).status == 404


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"paymentMethod": {"type": "CARD"}}, "works in production, and not at apitest: CARD"),
        (
            {"amount": {"currency": "DKK", "value": 100}},
            "one currency for a sales unit elsewhere: that of its market",
        ),
        (
            {"customer": {"phoneNumber": "15551234567"}},
            "no test user elsewhere has such a number: customer.phoneNumber",
        ),
    ],
)
async def test_what_would_not_work_elsewhere_is_said(merchant: Merchant, changes: Any, note: str) -> None:
    """And not refused."""
    await merchant.create(reference="in-norway-1")
    assert (await merchant.create(**changes)).status == 201
    assert [record.notes for record in merchant.sandbox.requests][-2:] == [(), (note,)]


async def test_a_webhook_out_of_reach_is_said(merchant: Merchant) -> None:
    """It works here alone."""
    await merchant.register("http://localhost:8000/hook", *EVENTS)
    await merchant.register("https://shop.example/hook", *EVENTS)
    notes = [record.notes for record in merchant.sandbox.requests][-2:]
    assert notes == [("out of Vipps MobilePay's reach: url",), ()]


async def test_notes_are_logged(merchant: Merchant, caplog: pytest.LogCaptureFixture) -> None:
    """With the request's line."""
    caplog.set_level("DEBUG", "vipps_async.sandbox")
    await merchant.create(colour="red")
    await until(lambda: "(ignored: colour)" in caplog.text)


def test_notes_are_bounded() -> None:
    """A sender chooses how many there are, and how long."""
    leniency = Leniency(strict=False)
    for number in range(1000):
        leniency.note(f"{number} {'x' * 1000}")
    assert (len(leniency.notes), max(map(len, leniency.notes))) == (100, 200)
