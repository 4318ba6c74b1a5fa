"""Every documented error code that a call can provoke by itself, its status, and what the client makes of it."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.sandbox._epayment.test_rules import EXPRESS, RECEIPT
from tests.support.payments import requests_of
from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Got, Merchant, at, create_body, of
from vipps_async import Amount, Customer, VippsClient
from vipps_async._http import call
from vipps_async._http.reply import decode
from vipps_async.errors import ApiError, BadRequest, Conflict, Forbidden, Locked, NotFound, ServerError
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._epayment.definition import EPAYMENT
from vipps_async.sandbox._epayment.errors import ERRORS

FACTS = Path(__file__).parents[4] / "shared" / "vipps-facts.md"
APPROVE = f"/epayment/v1/test/payments/{REFERENCE}/approve"
UNKNOWN_PHONE_NUMBER = "4700000000"  # documented in the command line's help
CUSTOMER = {"customer": {"phoneNumber": "4712345678"}}

Provoke = Callable[[Merchant], Awaitable[Got]]


def create(**changes: Any) -> Provoke:
    """Create a payment that breaks a rule."""
    return lambda merchant: merchant.create(**changes)


def create_until(ahead: timedelta, **changes: Any) -> Provoke:
    """Create a long-living payment."""

    async def provoke(merchant: Merchant) -> Got:
        expires_at = (merchant.sandbox.clock.now() + ahead).isoformat()
        return await merchant.create(expiresAt=expires_at, **changes)

    return provoke


async def repeat_a_metadata_key(merchant: Merchant) -> Got:
    """Name a key of the metadata twice, which only raw JSON can."""
    body = json.dumps(create_body(metadata={"till": "7", "twin": "8"})).replace("twin", "till")
    headers = {**merchant.headers, "Idempotency-Key": "k", "Content-Type": "application/json"}
    return await merchant.send("POST", PAYMENTS, data=body, headers=headers)


async def create_twice(merchant: Merchant) -> Got:
    """Take a reference that is taken."""
    await merchant.create()
    return await merchant.create()


async def reuse_the_create_key(merchant: Merchant) -> Got:
    """Create another payment with a key that was used."""
    await merchant.create(key="k")
    return await merchant.create(key="k", reference="another-reference")


def read() -> Provoke:
    """Read a payment that is not there."""
    return lambda merchant: merchant.get()


def modify(operation: str, body: Any = None, *before: tuple[str, Any], act: str | None = None) -> Provoke:
    """Create a payment, let the user *act*, modify it as said *before*, and then so that a rule is broken."""

    async def provoke(merchant: Merchant) -> Got:
        await merchant.create()
        if act is not None:
            await getattr(merchant.sandbox, act)(REFERENCE)
        for earlier, sent in before:
            assert (await merchant.modify(earlier, sent)).status == 200
        return await merchant.modify(operation, body)

    return provoke


def modify_late(operation: str, body: Any, days: int) -> Provoke:
    """Modify a payment that was partly captured when it is too late."""

    async def provoke(merchant: Merchant) -> Got:
        await merchant.authorized()
        await merchant.modify("capture", of(100))
        merchant.sandbox.clock.advance(timedelta(days=days))
        await merchant.sign_in()
        return await merchant.modify(operation, body)

    return provoke


def reuse_the_key_of(operation: str) -> Provoke:
    """Repeat a modification with its key and another body."""

    async def provoke(merchant: Merchant) -> Got:
        await merchant.authorized()
        await merchant.modify("capture", of(100))
        await merchant.modify(operation, of(10), key="k")
        return await merchant.modify(operation, of(20), key="k")

    return provoke


async def cancel_while_it_is_approved(merchant: Merchant) -> Got:
    """Cancel a payment whose user's approval is under way."""
    await merchant.create(amount={"currency": "NOK", "value": 201})
    await merchant.sandbox.approve(REFERENCE)
    return await merchant.modify("cancel")


def force(body: Mapping[str, Any], act: str | None = None, **changes: Any) -> Provoke:
    """Approve by force what the user acted on before."""

    async def provoke(merchant: Merchant) -> Got:
        await merchant.create(**changes)
        if act is not None:
            await getattr(merchant.sandbox, act)(REFERENCE)
        return await merchant.call("POST", APPROVE, body)

    return provoke


class Case(NamedTuple):
    """A code, the documented or chosen status, the client's error, a way to provoke it, and what is denied."""

    code: str
    status: int
    error: type[ApiError]
    provoke: Provoke
    denied: tuple[str, ...] = ()


CASES = (
    Case("4010", 409, Conflict, reuse_the_key_of("capture")),
    Case("4020", 409, Conflict, reuse_the_create_key),
    Case("4040", 400, BadRequest, create(amount={"currency": "NOK", "value": 10.5})),
    Case("4050", 400, BadRequest, create(customer={"customerToken": ""})),
    Case("4060", 400, BadRequest, create(customer={"personalQr": "qr"})),
    Case("4070", 400, BadRequest, create(customer={"phoneNumber": "+4712345678"})),
    Case("4070", 400, BadRequest, create(customer={"phoneNumber": "004712345678"})),
    Case("4080", 400, BadRequest, create(profile={"scope": "openid"})),
    Case("4090", 400, BadRequest, create(returnUrl="http://example.com/")),
    Case("4100", 400, BadRequest, create(metadata={str(number): "" for number in range(6)})),
    Case("4110", 400, BadRequest, repeat_a_metadata_key),
    Case("4120", 400, BadRequest, create(metadata={"k" * 101: ""})),
    Case("4130", 400, BadRequest, create(metadata={"k": "v" * 501})),
    Case("4140", 400, BadRequest, create(returnUrl=None)),
    Case("4140", 400, BadRequest, create(userFlow="NATIVE_REDIRECT")),
    Case("4150", 409, Conflict, create_twice),
    Case("4150", 409, Conflict, reuse_the_key_of("refund")),
    Case("4160", 400, BadRequest, create(paymentMethod={"type": "CARD_PASSTHROUGH"})),
    Case("5010", 400, BadRequest, create(paymentMethod={"type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"]})),
    Case("5020", 403, Forbidden, create(**EXPRESS), ("express",)),
    Case("5030", 403, Forbidden, create(profile={"scope": "nin"})),
    Case("5030", 403, Forbidden, create(profile={"scope": "name"}), ("profile-sharing",)),
    Case("5040", 400, BadRequest, create(amount={"currency": "EUR", "value": 100})),
    Case("5050", 403, Forbidden, create_until(timedelta(days=1), receipt=RECEIPT), ("long-living",)),
    Case("5060", 403, Forbidden, create(), ("payments",)),
    Case("5080", 403, Forbidden, create(userFlow="PUSH_MESSAGE", **CUSTOMER), ("push-message",)),
    Case("5090", 404, NotFound, read()),
    Case("5100", 400, BadRequest, modify("refund", of(9), ("capture", of(9)), act="approve"), ("refund",)),
    Case("6010", 400, BadRequest, create(amount={"currency": "NOK", "value": 99})),
    Case("6020", 400, BadRequest, modify("refund", of(1))),
    Case("6030", 400, BadRequest, modify_late("cancel", None, 181)),
    Case("6040", 400, BadRequest, modify("cancel", None, ("capture", of(49900)), act="approve")),
    Case("6050", 400, BadRequest, modify("cancel", None, ("cancel", None), act="approve")),
    Case("6060", 400, BadRequest, modify("cancel", {"cancelTransactionOnly": True}, act="approve")),
    Case("6070", 400, BadRequest, modify("capture", of(1), ("cancel", None), act="approve")),
    Case("6080", 400, BadRequest, modify("capture", of(1))),
    Case("6090", 400, BadRequest, modify("capture", of(49901), act="approve")),
    Case("6100", 400, BadRequest, modify_late("capture", of(1), 181)),
    Case("6110", 400, BadRequest, create_until(timedelta(days=61), receipt=RECEIPT)),
    Case("6120", 400, BadRequest, create_until(timedelta(minutes=9), receipt=RECEIPT)),
    Case("6130", 400, BadRequest, create_until(timedelta(days=1))),
    Case("6140", 400, BadRequest, modify("capture", of(49899), act="approve"), ("partial-capture",)),
    Case("6150", 400, BadRequest, modify("refund", of(1), act="approve")),
    Case("6170", 400, BadRequest, modify("capture", of(1), ("capture", of(49900)), act="approve")),
    Case("6180", 400, BadRequest, modify("refund", of(1), ("capture", of(9)), ("refund", of(9)), act="approve")),
    Case("6190", 400, BadRequest, modify("cancel", None, act="reject")),
    Case("6200", 400, BadRequest, modify("capture", of(1), act="reject")),
    Case("6210", 400, BadRequest, modify("refund", of(1), act="expire")),
    Case("6220", 400, BadRequest, modify_late("refund", of(1), 366)),
    Case("6230", 400, BadRequest, force(CUSTOMER, act="approve")),
    Case("6250", 423, Locked, cancel_while_it_is_approved),
    Case("7010", 400, BadRequest, create(customer=CUSTOMER["customer"], minimumUserAge=100)),
    Case("7010", 400, BadRequest, create(customer={"phoneNumber": UNKNOWN_PHONE_NUMBER})),
    Case("7010", 400, BadRequest, force({"customer": {"phoneNumber": UNKNOWN_PHONE_NUMBER}})),
    Case("10010", 400, BadRequest, force({"token": "of-another-payment"})),
    Case("10020", 400, BadRequest, force(CUSTOMER, act="reject")),
    Case("10060", 400, BadRequest, force(CUSTOMER, **EXPRESS)),
)

# What no call provokes by itself, and why; each can be ordered as a fault.
BEYOND = {
    "3010": "an internal error",
    "5070": "how the sales unit is set up",
    "6160": "two operations at one moment",
    "6260": "the user's bank",
    "6280": "an internal error",
    "10030": "who the test user is",
    "10040": "which cards the test user has",
    "10050": "which cards the test user has",
    "10070": "how much the test user may spend",
}


STATUSES = {code: ERRORS[code][0] for code in EPAYMENT.codes}
FITTING: Mapping[int, type[ApiError]] = {403: Forbidden, 423: Locked, 500: ServerError}


ANY_CALL = call.read("any", "")


def error_of(got: Got) -> ApiError:
    """What the client makes of an answer."""
    with pytest.raises(ApiError) as caught:
        decode(ANY_CALL, got.status, got.headers, got.body, now=datetime.now(UTC))
    return caught.value


@pytest.mark.strict
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
async def test_the_code_is_provoked(case: Case) -> None:
    """Status and code are the documented ones, in a whole problem, and the client's error is the fitting one."""
    async with Sandbox(currency="NOK", denied=case.denied, strict=True) as sandbox, at(sandbox) as merchant:
        got = await case.provoke(merchant)
        assert (got.status, got.code) == (case.status, case.code)
        assert set(got.json) >= {"type", "title", "status", "detail", "instance", "traceId", "extraDetails"}
        assert got.json["status"] == got.status
        assert got.headers["Content-Type"].startswith("application/problem+json")
        assert (await merchant.get("unknown-reference")).status == 404
    raised = error_of(got)
    assert type(raised) is case.error
    assert (raised.code, raised.trace_id) == (case.code, got.json["traceId"])


@pytest.mark.parametrize("code", [*BEYOND, "6090"])
async def test_any_code_can_be_ordered(merchant: Merchant, code: str) -> None:
    """The API answers with it once, in its own words and without effect; the client's error is that of the status."""
    await merchant.authorized()
    merchant.sandbox.fail("capture", code)
    got = await merchant.modify("capture", of(100))
    assert (got.status, got.code) == (STATUSES[code], code)
    assert got.headers["Content-Type"].startswith("application/problem+json")
    assert type(error_of(got)) is FITTING.get(got.status, BadRequest)
    assert merchant.sandbox.payments[REFERENCE].captured_amount == 0
    assert (await merchant.modify("capture", of(100))).status == 200


async def test_a_code_that_allows_another_try(sandbox: Sandbox, vipps: VippsClient) -> None:
    """The client repeats 6280 with its key, as documented, and tells the merchant of 6260 at once."""
    price, calls = Amount(100, "NOK"), vipps.epayment
    await calls.create(amount=price, reference=REFERENCE, return_url="https://shop.example/")
    await sandbox.approve(REFERENCE)
    sandbox.add_faults("capture:6260:times=1,capture:6280:times=1")
    with pytest.raises(BadRequest, match=r"Funds unavailable.*again later with a new idempotency key, for 30"):
        await calls.capture(REFERENCE, price)
    await calls.capture(REFERENCE, price)
    assert sandbox.payments[REFERENCE].captured_amount == 100
    keys = [request.idempotency_key for request in requests_of(sandbox, "capture")]
    assert len(keys) == 3
    assert keys[1] == keys[2]


@pytest.mark.parametrize(("reference", "amount"), [("0001--fault-create-5020", 49900), ("order-0001", 7_775_020)])
async def test_a_payment_asks_for_a_code(merchant: Merchant, reference: str, amount: int) -> None:
    """By its reference, or by its amount, so that a client in any language can."""
    got = await merchant.create(reference=reference, amount={"currency": "NOK", "value": amount})
    assert (got.status, got.code) == (403, "5020")


@pytest.mark.skipif(not FACTS.exists(), reason="needs the collected documentation beside the repository")
def test_no_documented_code_is_forgotten() -> None:
    """Each row of the documented table is provoked above with its status, or cannot be."""
    rows = re.findall(r"^\| (\d{4,5}) \| ([^|]+) \| \**(\d{3})\b", FACTS.read_text(), re.MULTILINE)
    documented = {code: int(status) for code, _, status in rows}
    # What the table adds is when a code came, or what else one code says.
    titles = {code: re.split(r" \(| / ", title)[0] for code, title, _ in rows}
    assert len(documented) > 50
    assert {case.code for case in CASES} | BEYOND.keys() == documented.keys()
    assert not {case.code for case in CASES} & BEYOND.keys()
    assert documented == STATUSES
    assert titles == {code: ERRORS[code][1] for code in EPAYMENT.codes}


def test_no_code_of_the_sandbox_is_untested() -> None:
    """What the sandbox can say is provoked above, or can be ordered."""
    assert set(EPAYMENT.codes) == {case.code for case in CASES} | BEYOND.keys()


async def test_the_client_raises_what_the_sandbox_says(sandbox: Sandbox, vipps: VippsClient) -> None:
    """The same through the client's own methods, for rules that it leaves to the API."""
    nok = Amount(1, "NOK")
    calls = vipps.epayment
    with pytest.raises(NotFound) as unknown:
        await calls.get(REFERENCE)
    assert unknown.value.code == "5090"
    await calls.create(amount=Amount(1000, "NOK"), reference=REFERENCE, return_url="https://shop.example/")
    with pytest.raises(Conflict) as taken:
        await calls.create(amount=Amount(2000, "NOK"), reference=REFERENCE, return_url="https://shop.example/")
    assert taken.value.code == "4150"
    with pytest.raises(BadRequest) as early:
        await calls.capture(REFERENCE, nok)
    assert early.value.code == "6080"
    await sandbox.reject(REFERENCE)
    with pytest.raises(BadRequest) as late:
        await calls.refund(REFERENCE, nok)
    assert late.value.code == "6210"
    with pytest.raises(BadRequest) as over:
        await calls.cancel(REFERENCE)
    assert over.value.code == "6190"
    with pytest.raises(BadRequest) as forced:
        await calls.force_approve(REFERENCE, customer=Customer(phone_number="4712345678"))
    assert forced.value.code == "10020"
