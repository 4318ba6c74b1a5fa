"""The ePayment operations over real HTTP, in both dialects."""

import asyncio
import inspect
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from tests.conftest import QUICK
from tests.support.payments import PRICE, REFERENCE, authorize, create, requests_of
from tests.support.raw_server import answering
from vipps_async import (
    Amount,
    BottomLine,
    Customer,
    OrderLine,
    PaymentEventName,
    PaymentState,
    Receipt,
    RetryPolicy,
    UserFlow,
    VippsClient,
)
from vipps_async.errors import (
    BadRequest,
    Conflict,
    InvalidReply,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
)
from vipps_async.sandbox import Fault, Sandbox

PART = Amount(400, "NOK")


async def test_one_payment_lives_its_whole_life_in_either_dialect(both: tuple[Sandbox, VippsClient]) -> None:
    """A payment's whole life, from creation to cancelling the rest, leaves the same payment in both dialects."""
    sandbox, vipps = both
    created = await vipps.epayment.create(
        amount=PRICE, reference=REFERENCE, return_url="https://shop.example/return", payment_description="Socks"
    )
    assert created.reference == REFERENCE
    assert created.redirect_url.startswith(sandbox.base_url)
    await sandbox.approve(REFERENCE)
    await vipps.epayment.capture(REFERENCE, PART)
    await vipps.epayment.refund(REFERENCE, Amount(100, "NOK"))
    await vipps.epayment.cancel(REFERENCE)
    payment = await vipps.epayment.get(REFERENCE)
    assert payment.state is PaymentState.AUTHORIZED
    assert payment.amount == PRICE
    assert payment.aggregate.authorized_amount == PRICE
    assert payment.aggregate.captured_amount == PART
    assert payment.aggregate.refunded_amount == Amount(100, "NOK")
    assert payment.aggregate.cancelled_amount == Amount(600, "NOK")
    assert payment.aggregate.left_to_capture == Amount(0, "NOK")
    assert payment.aggregate.left_to_refund == Amount(300, "NOK")
    events = await vipps.epayment.events(REFERENCE)
    assert [(event.name, event.amount.value) for event in events] == [
        (PaymentEventName.CREATED, 1000),
        (PaymentEventName.AUTHORIZED, 1000),
        (PaymentEventName.CAPTURED, 400),
        (PaymentEventName.REFUNDED, 100),
        (PaymentEventName.CANCELLED, 600),
    ]
    assert len({event.psp_reference for event in events}) == len(events)
    assert events[0].psp_reference == payment.psp_reference
    assert events[0].idempotency_key == created.idempotency_key


async def test_draft_creation_returns_the_whole_payment() -> None:
    """The draft's reply to a creation is the payment itself, and its adjustments are accepted only."""
    async with (
        Sandbox(dialect="draft") as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        created = await vipps.epayment.create(
            amount=PRICE,
            reference=REFERENCE,
            return_url="https://shop.example/return",
            user_flow=UserFlow.NATIVE_REDIRECT,
            authorisation_type="FINAL_AUTH",
            direct_capture=False,
        )
        assert created.payment is not None
        assert created.payment.state is PaymentState.CREATED
        assert created.payment.direct_capture is False
        await sandbox.approve(REFERENCE)
        accepted = await vipps.epayment.capture(
            REFERENCE, Amount(1000, "NOK", type="PURCHASE"), modification_reference="capture-0001"
        )
        assert accepted.is_accepted_only
        body = json.loads(requests_of(sandbox, "capture")[0].body)
        assert body == {
            "modificationAmount": {"value": 1000, "currency": "NOK", "type": "PURCHASE"},
            "modificationReference": "capture-0001",
        }


async def test_current_adjustment_carries_the_totals_and_its_key(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A current adjustment has the totals after it, and the key that it was sent with."""
    await authorize(sandbox, vipps)
    adjustment = await vipps.epayment.capture(REFERENCE, PART, idempotency_key="capture-1")
    assert adjustment.aggregate.captured_amount == PART
    assert adjustment.state is PaymentState.AUTHORIZED
    assert adjustment.idempotency_key == "capture-1"
    assert not adjustment.is_accepted_only
    assert "idempotencyKey" not in adjustment.raw


async def test_repeated_creation_returns_the_same_payment(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A process that died and creates again with the same arguments gets the same payment, by the derived key."""
    first = await vipps.epayment.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as reborn:
        second = await reborn.epayment.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
    assert second == first
    assert len(sandbox.payments) == 1


async def test_reference_taken_by_another_payment_is_a_conflict(vipps: VippsClient) -> None:
    """Other contents under a used reference are refused with code 4150, and told how to go on."""
    await create(vipps)
    with pytest.raises(Conflict, match=r"read the payment with get\(reference\)") as caught:
        await create(vipps, amount=Amount(2000, "NOK"))
    assert caught.value.code == "4150"
    assert caught.value.trace_id


async def test_creation_that_is_spelled_otherwise_returns_the_same_payment(
    sandbox: Sandbox, vipps: VippsClient
) -> None:
    """What means the same is the same creation: the order of metadata and of scopes, and an instant's zone."""
    instant = sandbox.clock.now() + timedelta(days=3)
    pairs = [("order", "17"), ("location", "Oslo"), ("till", "4")]
    receipt = Receipt(
        order_lines=[
            OrderLine(
                name="Socks",
                id="1",
                total_amount=1000,
                total_amount_excluding_tax=800,
                total_tax_amount=200,
                tax_rate=2500,
            )
        ],
        bottom_line=BottomLine(currency="NOK"),
    )
    for zone, scope, metadata in (
        (UTC, "name email", dict(pairs)),
        (timezone(timedelta(hours=2)), {"email", "name"}, dict(reversed(pairs))),
    ):
        created = await vipps.epayment.create(
            amount=PRICE,
            reference=REFERENCE,
            return_url="https://shop.example/",
            expires_at=instant.astimezone(zone),
            profile_scope=scope,
            metadata=metadata,
            receipt=receipt,
        )
    first, second = requests_of(sandbox, "create")
    assert (first.idempotency_key, first.body) == (second.idempotency_key, second.body)
    assert created.idempotency_key == first.idempotency_key
    assert len(sandbox.payments) == 1


async def test_two_equal_captures_are_two_captures(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Without a key of the caller's, each capture is one of its own."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    second = await vipps.epayment.capture(REFERENCE, PART)
    assert second.aggregate.captured_amount == Amount(800, "NOK")


async def test_cancel_transaction_only_spares_a_reservation(sandbox: Sandbox, vipps: VippsClient) -> None:
    """With cancel_transaction_only an authorized payment is refused (6060), and one that is not is ended."""
    await authorize(sandbox, vipps)
    with pytest.raises(BadRequest) as caught:
        await vipps.epayment.cancel(REFERENCE, cancel_transaction_only=True)
    assert caught.value.code == "6060"
    await create(vipps, "order-0002")
    ended = await vipps.epayment.cancel("order-0002", cancel_transaction_only=True)
    assert ended.state is PaymentState.TERMINATED


@pytest.mark.parametrize(
    "odd", [{"customer": "4712345678"}, {"customer": {}}, {"token": 5}, {"token": ""}, {"token": "\ud800"}], ids=repr
)
async def test_force_approve_of_an_odd_user_is_refused(sandbox: Sandbox, vipps: VippsClient, odd: Any) -> None:
    """A customer that is none, and a token that is no text, are refused before sending; no token is shown."""
    with pytest.raises(InvalidRequest, match=next(iter(odd))):
        await vipps.epayment.force_approve(REFERENCE, **odd)
    assert not sandbox.requests


async def test_two_merchants_derive_two_keys() -> None:
    """Creations with the same arguments by two merchants are two payments, and carry two keys."""
    async with answering(b"") as (server, vipps):
        once = vipps.with_options(retry=RetryPolicy(attempts=1))
        for merchant in ("123456", "654321", "123456"):
            with pytest.raises(OutcomeUnknown):
                await create(once.with_options(merchant_serial_number=merchant))
    first, other, again = (re.findall(rb"Idempotency-Key: (\w+)", head) for head in server.heads)
    assert first == again
    assert first != other


async def test_capture_that_is_cut_off_from_outside_tells_its_key(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A capture that a caller's own timeout cancels names the key to repeat it with."""
    await authorize(sandbox, vipps)
    sandbox.fail("capture", Fault.STALLED, times=None)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.3):
            await vipps.epayment.capture(REFERENCE, PART)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    (note,) = caught.value.__cause__.__notes__
    key = requests_of(sandbox, "capture")[0].idempotency_key
    assert note == f"capture was cut off; repeat it with idempotency key {key}"


async def test_force_approve_takes_a_customer_or_a_token(vipps: VippsClient) -> None:
    """Force approve takes a customer or the token out of the redirect URL, and one of them only."""
    await create(vipps)
    await vipps.epayment.force_approve(REFERENCE, customer=Customer(phone_number="4712345678"))
    assert (await vipps.epayment.get(REFERENCE)).state is PaymentState.AUTHORIZED
    created = await vipps.epayment.create(amount=PRICE, reference="order-0002", return_url="https://shop.example/")
    token = created.redirect_url.partition("token=")[2]
    await vipps.epayment.force_approve("order-0002", token=token)
    assert (await vipps.epayment.get("order-0002")).state is PaymentState.AUTHORIZED
    with pytest.raises(InvalidRequest, match="either a customer or the token"):
        await vipps.epayment.force_approve("order-0002")


async def test_unknown_reference_is_not_found(vipps: VippsClient) -> None:
    """Reading an unknown payment ends in NotFound with code 5090."""
    with pytest.raises(NotFound) as caught:
        await vipps.epayment.get("order-9999")
    assert caught.value.code == "5090"


@pytest.mark.parametrize("reference", ["short", "with space", "../../accesstoken", "a" * 65, "order/0001", "", None, 5])
async def test_malformed_reference_is_refused_before_sending(
    sandbox: Sandbox, vipps: VippsClient, reference: str
) -> None:
    """A reference that could not be one never reaches a URL, in any operation."""
    calls = [
        vipps.epayment.get(reference),
        vipps.epayment.events(reference),
        vipps.epayment.capture(reference, PART),
        vipps.epayment.capture(reference),
        vipps.epayment.refund(reference, PART),
        vipps.epayment.cancel(reference),
        vipps.epayment.force_approve(reference, token="abc"),
        vipps.epayment.wait(reference, timeout=1),
        vipps.epayment.create(amount=PRICE, reference=reference, return_url="https://shop.example/"),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest, match="8 to 64 characters"):
            await call
    assert not sandbox.requests


@pytest.mark.parametrize("key", ["", "a" * 51, "with space", "line\nend", "æ", 5])
async def test_malformed_key_is_refused_before_sending(sandbox: Sandbox, vipps: VippsClient, key: str) -> None:
    """An idempotency key that the API would refuse is refused here."""
    with pytest.raises(InvalidRequest, match="1 to 50 visible ASCII"):
        await vipps.epayment.capture(REFERENCE, PART, idempotency_key=key)
    assert not sandbox.requests


async def test_amount_from_a_forgotten_variable_never_leaves(sandbox: Sandbox, vipps: VippsClient) -> None:
    """None is no amount: to type checkers neither, and to capture no word for all that remains."""
    await authorize(sandbox, vipps)
    both_ways = r"must be an Amount, such as Amount\(1000, \"NOK\"\); to capture all that remains, leave it out"
    with pytest.raises(InvalidRequest, match=both_ways):
        await vipps.epayment.capture(REFERENCE, None)  # type: ignore[arg-type]  # it is the error
    with pytest.raises(InvalidRequest, match="must be an Amount"):
        await vipps.epayment.refund(REFERENCE, None)  # type: ignore[arg-type]  # it is the error
    assert not requests_of(sandbox, "events") + requests_of(sandbox, "get") + requests_of(sandbox, "capture")
    assert "all that remains" in str(inspect.signature(vipps.epayment.capture))


@pytest.mark.parametrize("value", [1.9, True, "12", None])
async def test_amount_that_is_no_int_never_leaves(sandbox: Sandbox, vipps: VippsClient, value: int) -> None:
    """A float, a bool or a numeric text is no amount."""
    with pytest.raises(InvalidRequest, match=r"amount\.value"):
        await vipps.epayment.capture(REFERENCE, Amount(value, "NOK"))
    assert not sandbox.requests


async def test_every_field_of_a_long_living_payment_is_taken(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Receipt, metadata, expiry, age, scope and customer reach the API as it documents them."""
    await vipps.epayment.create(
        amount=Amount(6000, "NOK"),
        reference=REFERENCE,
        return_url="https://shop.example/",
        payment_description="Invoice 424244",
        customer=Customer(phone_number="4791234567"),
        profile_scope=["name", "email"],
        metadata={"location": "Oslo"},
        expires_at=sandbox.clock.now() + timedelta(days=3),
        receipt=Receipt(
            order_lines=[
                OrderLine(
                    name="Socks",
                    id="1",
                    total_amount=6000,
                    total_amount_excluding_tax=4800,
                    total_tax_amount=1200,
                    tax_rate=2500,
                )
            ],
            bottom_line=BottomLine(currency="NOK"),
        ),
        receipt_url="https://shop.example/receipt",
        minimum_user_age=18,
    )
    payment = await vipps.epayment.get(REFERENCE)
    assert payment.metadata == {"location": "Oslo"}
    body = json.loads(requests_of(sandbox, "create")[0].body)
    assert body["profile"] == {"scope": "email name"}
    assert datetime.fromisoformat(body["expiresAt"]) > datetime.now(UTC)
    assert "customerInteraction" not in body


async def test_reply_with_wrong_types_is_an_unknown_outcome() -> None:
    """A reply whose amounts are no integers is refused: as InvalidReply for a read, as unknown outcome for a write."""
    server = await _answering(b'{"reference": "order-0001", "state": "CREATED", "amount": {"value": 1.9}}')
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with VippsClient.from_env(_environment(url)) as client:
            quick = client.with_options(retry=QUICK)
            with pytest.raises(InvalidReply, match=r"amount\.value"):
                await quick.epayment.get("order-0001")
            with pytest.raises(OutcomeUnknown):
                await quick.epayment.capture("order-0001", PART)


@pytest.mark.parametrize("document", [b"[]", b"null", b"5", b'"text"', b"{}"])
async def test_reply_of_another_shape_is_an_error_of_the_tree(document: bytes) -> None:
    """A reply that is JSON, but not the documented object or list, is an InvalidReply."""
    async with await _answering(document) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with VippsClient.from_env(_environment(url)) as client:
            quick = client.with_options(retry=QUICK)
            with pytest.raises(InvalidReply):
                await quick.epayment.get("order-0001")
            if document != b"[]":
                with pytest.raises(InvalidReply):
                    await quick.epayment.events("order-0001")
            with pytest.raises(OutcomeUnknown):
                await quick.epayment.create(amount=PRICE, reference="order-0001", return_url="https://shop.example/")


def _environment(url: str) -> dict[str, str]:
    return {
        "VIPPS_CLIENT_ID": "id",
        "VIPPS_CLIENT_SECRET": "secret",
        "VIPPS_SUBSCRIPTION_KEY": "key",
        "VIPPS_MERCHANT_SERIAL_NUMBER": "123456",
        "VIPPS_ENVIRONMENT": url,
    }


async def _answering(document: bytes) -> asyncio.Server:
    """A server that hands out a token, and answers everything else with *document*."""
    token = b'{"access_token": "abc", "expires_in": "3600"}'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = token if b"accessToken" in head else document
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_callers_session_is_used_and_left_open(sandbox: Sandbox) -> None:
    """A client that was given an aiohttp session uses it, and does not close it."""
    async with aiohttp.ClientSession() as session:
        async with VippsClient(sandbox.credentials, environment=sandbox.environment, session=session) as vipps:
            await create(vipps)
        assert not session.closed
