"""Creating payments in the current API: what is accepted, what is refused, and how."""

import asyncio
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, at, create_body
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._platform.bodies import parse
from vipps_async.sandbox._platform.problems import ProblemError

LINE: dict[str, Any] = {
    "name": "Socks",
    "id": "line_item_1",
    "totalAmount": 1000,
    "totalAmountExcludingTax": 800,
    "totalTaxAmount": 200,
    "taxPercentage": 25,
}
RECEIPT: dict[str, Any] = {
    "orderLines": [
        {
            **LINE,
            "unitInfo": {"unitPrice": 400, "quantity": "2.5", "quantityUnit": "KG"},
            "discount": 0,
            "productUrl": "https://example.com/store/socks",
            "isReturn": False,
            "isShipping": False,
        }
    ],
    "bottomLine": {
        "currency": "NOK",
        "tipAmount": 0,
        "posId": "pos_122",
        "paymentSources": {"giftCard": 0, "card": 0, "voucher": 0, "cash": 0},
        "barcode": {"format": "CODE 39", "data": "SC0527013501"},
        "receiptNumber": "0527013501",
    },
}
OPTION: dict[str, Any] = {
    "id": "postnord-home-1",
    "amount": {"currency": "NOK", "value": 9900},
    "name": "Posten home standard",
    "meta": "Henrik Ibsens Gate 1, 0000 Oslo",
    "estimatedDelivery": "3-5 business days",
    "isDefault": True,
    "priority": 0,
}
GROUP: dict[str, Any] = {
    "brand": "POSTNORD",
    "type": "HOME_DELIVERY",
    "isDefault": True,
    "priority": 0,
    "options": [OPTION],
}
EXPRESS: dict[str, Any] = {
    "profile": {"scope": "name address email phoneNumber"},
    "shipping": {"fixedOptions": [GROUP]},
}
PUSH: dict[str, Any] = {"userFlow": "PUSH_MESSAGE", "returnUrl": None, "customerInteraction": "CUSTOMER_PRESENT"}
AIRLINE: dict[str, Any] = {
    "agencyInvoiceNumber": "123456",
    "airlineCode": "074",
    "airlineDesignatorCode": "KL",
    "passengerName": "FLYER / MARY MS.",
    "ticketNumber": "123-1234567890",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"customer": {"phoneNumber": "4712345678"}, "paymentDescription": "One pair of socks"},
        {**PUSH, "customer": {"phoneNumber": "4712345678"}},
        {**PUSH, "customer": {"customerToken": "wbA8ceVRKkoYiQAVELHeFCC3Sn5dtNCvvEtVPiOT77j6wx7uR965AG6Q+q0ATP4="}},
        {**PUSH, "customer": {"personalQr": "https://qr.vipps.no/p/4796844569"}},
        {"userFlow": "QR", "returnUrl": None, "qrFormat": {"format": "IMAGE/SVG+XML", "size": 1024}},
        {"userFlow": "QR", "qrFormat": None},
        {
            "userFlow": "NATIVE_REDIRECT",
            "returnUrl": "acmeshop://return?id=1",
            "customer": {"phoneNumber": "4712345678"},
        },
        {"receipt": RECEIPT, "receiptUrl": "https://example.com/receipt/9876543210"},
        {"receiptUrl": "acme-app://receipt", "minimumUserAge": 18, "metadata": {"location": "Q-Park", "date": "2026"}},
        {"metadata": {f"{number}" * 100: "v" * 500 for number in range(5)}},
        {"profile": {"scope": "name phoneNumber email address birthDate"}},
        {"profile": {}},
        EXPRESS,
        {
            "profile": {"scope": "email name phoneNumber"},
            "shipping": {
                "dynamicOptions": {
                    "callbackUrl": "http://localhost:9/ship",
                    "callbackAuthorizationToken": "a1b2c3d4e5",
                },
                "allowedCountries": ["NO", "SE"],
            },
        },
        {"industryData": {"airlineData": AIRLINE}},
        {"paymentMethod": {"type": "CARD"}},
        {
            "amount": {"currency": "DKK", "value": 1},
            "paymentMethod": {"type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"]},
        },
        {"amount": {"currency": "EUR", "value": 65_000_000}},
        {"amount": {"currency": "NOK", "value": 100}},
        {"returnUrl": "http://127.0.0.1:8080/back?x=1&y=2#z"},
        {"returnUrl": "http://[::1]:8080/"},
        {
            "merchantLegalLinks": {
                "termsOfSaleUrl": "https://example.com/t",
                "privacyPolicyUrl": "https://example.com/p",
            }
        },
        {"reference": "a" * 64},
    ],
)
async def test_every_documented_request_is_accepted(merchant: Merchant, changes: dict[str, Any]) -> None:
    """The documented requests, and the edges of the documented limits, create a payment."""
    got = await merchant.create(**changes)
    assert got.status == 201, got.body
    assert got.headers["Content-Type"].startswith("application/json")


async def test_a_long_living_payment_is_accepted(merchant: Merchant) -> None:
    """`expiresAt` within the window, in any RFC 3339 spelling, together with a receipt."""
    for number, (ahead, suffix) in enumerate([(timedelta(minutes=11), "z"), (timedelta(days=59), "+00:00")]):
        moment = merchant.sandbox.clock.now() + ahead
        expires_at = f"{moment:%Y-%m-%dt%H:%M:%S.1234567}{suffix}"
        got = await merchant.create(reference=f"long-living-{number}", expiresAt=expires_at, receipt=RECEIPT)
        assert got.status == 201, got.body
        payment = merchant.sandbox.payments[f"long-living-{number}"]
        assert abs(payment.expires_at - moment) < timedelta(seconds=1)


@pytest.mark.strict
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": None}, "amount"),
        ({"amount": 5}, "amount"),
        ({"amount": {"value": 100}}, "amount.currency"),
        ({"amount": {"currency": "NOK"}}, "amount.value"),
        ({"amount": {"currency": "SEK", "value": 100}}, "amount.currency"),
        ({"amount": {"currency": "NOK", "value": 100, "type": "PURCHASE"}}, "amount.type"),
        ({"paymentMethod": None}, "paymentMethod"),
        ({"paymentMethod": {"type": "CASH"}}, "paymentMethod.type"),
        ({"paymentMethod": {"type": "WALLET", "blockedSources": "COMMERCIAL_CARDS"}}, "paymentMethod.blockedSources"),
        ({"paymentMethod": {"type": "CARD"}, "userFlow": "QR"}, "paymentMethod.type"),
        ({"reference": None}, "reference"),
        ({"reference": "short"}, "reference"),
        ({"reference": "a" * 65}, "reference"),
        ({"reference": "under_score"}, "reference"),
        ({"reference": "line-break\n"}, "reference"),
        ({"reference": "arabic-٣٣٣"}, "reference"),
        ({"reference": 12345678}, "reference"),
        ({"userFlow": None}, "userFlow"),
        ({"userFlow": "CARRIER_PIGEON"}, "userFlow"),
        ({"userFlow": ["QR"]}, "userFlow"),
        ({"colour": "orange"}, "colour"),
        ({"profile": {"scope": "name", "sub": "x"}}, "profile.sub"),
        ({"profile": {"scope": 1}}, "profile.scope"),
        ({"customer": {}}, "customer"),
        ({"customer": {"phoneNumber": "4712345678", "customerToken": "x"}}, "customer"),
        ({"customer": "4712345678"}, "customer"),
        ({"customerInteraction": "MAYBE"}, "customerInteraction"),
        ({"paymentDescription": "ab"}, "paymentDescription"),
        ({"paymentDescription": "x" * 101}, "paymentDescription"),
        ({"minimumUserAge": 101}, "minimumUserAge"),
        ({"minimumUserAge": True}, "minimumUserAge"),
        ({"metadata": {"key": 1}}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"qrFormat": {"format": "IMAGE/PNG"}}, "qrFormat"),
        ({"userFlow": "QR", "qrFormat": {"format": "IMAGE/GIF"}}, "qrFormat.format"),
        ({"userFlow": "QR", "qrFormat": {"format": "IMAGE/PNG", "size": 99}}, "qrFormat.size"),
        ({"returnUrl": "https://example.com/" + "x" * 2500}, "returnUrl"),
        ({"returnUrl": 7}, "returnUrl"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": "2026-13-45T10:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2026-12-24T10:00:00+24:00"}, "expiresAt"),
        ({"expiresAt": "2026-12-24T10:00:00+10:60"}, "expiresAt"),
        ({"receipt": {"orderLines": [], "bottomLine": {"currency": "NOK"}}}, "receipt.orderLines"),
        ({"receipt": {"orderLines": {}, "bottomLine": {"currency": "NOK"}}}, "receipt.orderLines"),
        ({"receipt": {**RECEIPT, "orderLines": [{**LINE, "totalAmount": 1.5}]}}, "receipt.orderLines[0].totalAmount"),
        ({"receipt": {**RECEIPT, "orderLines": [{**LINE, "discount": -1}]}}, "receipt.orderLines[0].discount"),
        ({"receipt": {**RECEIPT, "orderLines": [{**LINE, "isReturn": 1}]}}, "receipt.orderLines[0].isReturn"),
        ({"receipt": {**RECEIPT, "orderLines": [{**LINE, "taxPercentage": None}]}}, "receipt.orderLines"),
        (
            {"receipt": {**RECEIPT, "orderLines": [{**LINE, "unitInfo": {"unitPrice": 1, "quantity": "1.123456789"}}]}},
            "receipt.orderLines[0].unitInfo.quantity",
        ),
        (
            {"receipt": {**RECEIPT, "orderLines": [{**LINE, "unitInfo": {"unitPrice": 1, "quantity": "two"}}]}},
            "receipt.orderLines[0].unitInfo.quantity",
        ),
        ({"industryData": {"airlineData": {}}}, "industryData.airlineData.airlineCode"),
        ({"shipping": {"fixedOptions": [GROUP]}}, "profile.scope"),
        ({**EXPRESS, "shipping": {}}, "shipping"),
        ({**EXPRESS, "shipping": {"fixedOptions": []}}, "shipping.fixedOptions"),
        ({**EXPRESS, "shipping": {"fixedOptions": [GROUP, GROUP]}}, "shipping.fixedOptions"),
        ({**EXPRESS, "paymentMethod": {"type": "CARD"}}, "shipping"),
    ],
)
async def test_malformed_fields_are_named(merchant: Merchant, changes: dict[str, Any], field: str) -> None:
    """A field that breaks the schema is refused with 400 and its path, and nothing is created."""
    got = await merchant.create(**changes)
    assert got.status == 400
    assert field in got.fields
    assert got.code is None
    assert got.headers["Content-Type"].startswith("application/problem+json")
    assert not merchant.sandbox.payments


@pytest.mark.strict
@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"amount": {"currency": "NOK", "value": -1}}, "4040", 400),
        ({"amount": {"currency": "NOK", "value": 10.5}}, "4040", 400),
        ({"amount": {"currency": "NOK", "value": "1000"}}, "4040", 400),
        ({"amount": {"currency": "NOK", "value": True}}, "4040", 400),
        ({"amount": {"currency": "NOK", "value": 65_000_001}}, "4040", 400),
        ({"amount": {"currency": "NOK", "value": 99}}, "6010", 400),
        ({"amount": {"currency": "EUR", "value": 0}}, "6010", 400),
        ({"customer": {"customerToken": ""}}, "4050", 400),
        ({"customer": {"personalQr": "qr"}}, "4060", 400),
        ({"customer": {"phoneNumber": "+4712345678"}}, "4070", 400),
        ({"customer": {"phoneNumber": 4712345678}}, "4070", 400),
        ({"profile": {"scope": "openid name"}}, "4080", 400),
        ({"profile": {"scope": "nin"}}, "5030", 403),
        ({"returnUrl": "http://example.com/"}, "4090", 400),
        ({"returnUrl": "javascript://alert(1)"}, "4090", 400),
        ({"returnUrl": "https://"}, "4090", 400),
        ({"returnUrl": "https://exa mple.com/"}, "4090", 400),
        ({"returnUrl": "https://user:pass@example.com/"}, "4090", 400),
        ({"returnUrl": "https://example.com:99999/"}, "4090", 400),
        ({"returnUrl": "https://[::1"}, "4090", 400),
        ({"returnUrl": "http://2130706433.example/"}, "4090", 400),
        ({"returnUrl": "/relative"}, "4090", 400),
        ({"returnUrl": "myapp:return"}, "4090", 400),
        ({"returnUrl": "https://example.com/\r\nSet-Cookie: a=b"}, "4090", 400),
        ({"metadata": {str(number): "" for number in range(6)}}, "4100", 400),
        ({"metadata": {"k" * 101: ""}}, "4120", 400),
        ({"metadata": {"k": "v" * 501}}, "4130", 400),
        ({"returnUrl": None}, "4140", 400),
        ({"userFlow": "PUSH_MESSAGE"}, "4140", 400),
        ({"paymentMethod": {"type": "CARD_PASSTHROUGH"}}, "4160", 400),
        ({"paymentMethod": {"type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"]}}, "5010", 400),
        (
            {**EXPRESS, "amount": {"currency": "EUR", "value": 100}},
            "4040",
            400,
        ),
    ],
)
async def test_business_rules_answer_with_their_code(
    merchant: Merchant, changes: dict[str, Any], code: str, status: int
) -> None:
    """A rule that has an error code is told by it."""
    got = await merchant.create(**changes)
    assert (got.status, got.code) == (status, code)
    assert not merchant.sandbox.payments


@pytest.mark.parametrize(
    ("ahead", "receipt", "code"),
    [
        (timedelta(days=60, minutes=1), RECEIPT, "6110"),
        (timedelta(minutes=9), RECEIPT, "6120"),
        (timedelta(days=-1), RECEIPT, "6120"),
        (timedelta(days=1), None, "6130"),
    ],
)
async def test_expires_at_has_a_window(merchant: Merchant, ahead: timedelta, receipt: Any, code: str) -> None:
    """Outside 10 minutes to 60 days, or without a receipt, a long-living payment is refused."""
    expires_at = (merchant.sandbox.clock.now() + ahead).isoformat()
    assert (await merchant.create(expiresAt=expires_at, receipt=receipt)).code == code


async def test_malformed_fields_are_told_before_business_rules(merchant: Merchant) -> None:
    """All malformed fields at once, and no code while there are any."""
    got = await merchant.create(reference="short", userFlow="PIGEON", amount={"currency": "NOK", "value": -1})
    assert set(got.fields) == {"reference", "userFlow"}
    reason = "The field Reference must match the regular expression '^[a-zA-Z0-9-]{8,64}$'."
    assert got.fields["reference"] == reason


async def test_a_problem_has_the_documented_shape(merchant: Merchant) -> None:
    """Every member of the documented problem, and no other."""
    await merchant.create()
    got = await merchant.create()
    body = got.json
    trace_id = body.pop("traceId")
    assert body == {
        "type": "https://httpstatuses.io/409",
        "title": "Reference exists",
        "detail": "A payment with this reference already exists.",
        "instance": "/v1/payments",
        "status": 409,
        "extraDetails": [{"name": "ErrorCode", "reason": "4150"}],
    }
    assert [len(part) for part in trace_id.split("-")] == [2, 32, 16, 2]


@pytest.mark.parametrize(
    ("flow", "start"),
    [
        ("WEB_REDIRECT", "{base_url}/landing?token="),
        ("QR", "{base_url}/qr?token="),
        ("NATIVE_REDIRECT", "vippsMT://sandbox?token="),
        ("PUSH_MESSAGE", None),
    ],
)
async def test_the_flow_decides_on_the_redirect_url(merchant: Merchant, flow: str, start: str | None) -> None:
    """A landing page, a QR image, an app link, or nothing for a push message."""
    got = await merchant.create(userFlow=flow, customer={"phoneNumber": "4712345678"})
    token = merchant.sandbox.payments[REFERENCE].token
    redirect = {} if start is None else {"redirectUrl": start.format(base_url=merchant.sandbox.base_url) + token}
    assert got.json == {**redirect, "reference": REFERENCE}


async def test_the_sales_unit_has_a_currency() -> None:
    """A sandbox of one market refuses the currencies of the others with 5040."""
    async with Sandbox(currency="DKK") as sandbox, at(sandbox) as merchant:
        assert (await merchant.create()).code == "5040"
        assert (await merchant.create(amount={"currency": "DKK", "value": 1})).status == 201


@pytest.mark.strict
@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[]", {}, 400),
        (b'{"amount": NaN}', {}, 400),
        (b"null", {}, 400),
        (b"[" * 40 + b"]" * 40, {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"reference": "\\ud800aaaaaaaa"}', {}, 400),
        (b"1" * 5000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (b"x" * (1024 * 1024 + 1), {}, 413),
    ],
)
async def test_unreadable_bodies_are_problems(
    merchant: Merchant, data: bytes, headers: dict[str, str], status: int
) -> None:
    """Whatever the body holds, the answer is a problem and the server lives on."""
    sent = {**merchant.headers, "Idempotency-Key": "key", "Content-Type": "application/json", **headers}
    got = await merchant.send("POST", PAYMENTS, data=io.BytesIO(data) if data else b"", headers=sent)
    assert got.status == status
    assert got.json["status"] == status
    assert merchant.sandbox.requests[-1].status == status
    assert (await merchant.create()).status == 201


@pytest.mark.parametrize("body", [b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", b"Content-Length: 100\r\n\r\n{}"])
async def test_a_body_that_does_not_end_is_answered(
    merchant: Merchant, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not finish the body, or breaks its framing half-way, is told so after a while."""
    monkeypatch.setattr("vipps_async.sandbox._web.http._ARRIVES_WITHIN", 0.1)
    host, port = merchant.sandbox.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PAYMENTS} HTTP/1.1\r\nHost: {host}\r\n".encode() + body)
    await asyncio.sleep(0.02)
    writer.write(b"nonsense\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read(1000)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert not merchant.sandbox.payments


async def test_half_a_character_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's decoder, used without orjson, lets half a surrogate pair through; the sandbox does not."""
    monkeypatch.setattr("vipps_async.sandbox._platform.bodies.decode", json.loads)
    for body in (rb'{"a": ["\ud800"]}', rb'{"\ud800": 1}'):
        with pytest.raises(ProblemError):
            parse(body, {"Content-Type": "application/json"}, required=True)


async def test_a_body_may_say_how_it_is_encoded_if_it_is_not(merchant: Merchant) -> None:
    """`Content-Encoding: identity` and a charset are no reason to refuse."""
    headers = {
        **merchant.headers,
        "Idempotency-Key": "key",
        "Content-Type": "Application/JSON; charset=utf-8",
        "Content-Encoding": "identity",
    }
    got = await merchant.session.post(PAYMENTS, json=create_body(), headers=headers)
    assert got.status == 201


@pytest.mark.parametrize("currency", ["SEK", "USD", "GBP"])
async def test_currencies_of_payment_service_providers(merchant: Merchant, currency: str) -> None:
    """They are for cards that are passed through, which only a provider's keys may ask for."""
    amount = {"currency": currency, "value": 49900}
    got = await merchant.create(amount=amount)
    assert (got.status, list(got.fields)) == (400, ["amount.currency"])
    assert (await merchant.create(amount=amount, paymentMethod={"type": "CARD_PASSTHROUGH"})).code == "4160"
    assert not merchant.sandbox.payments
