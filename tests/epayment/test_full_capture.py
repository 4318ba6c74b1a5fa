"""Capturing all that remains: the amount is read, and the capture can be repeated all the same."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import attrs
import pytest

from tests.support.hostile import Asked, hostile, payment, problem, reply
from tests.support.lagging import LaggingReads, lagging
from tests.support.payments import PRICE, REFERENCE, authorize, create, requests_of
from vipps_async import Amount, PaymentEventName, RetryPolicy, VippsClient
from vipps_async.errors import Conflict, InvalidRequest, OutcomeUnknown, ServerError, VippsError
from vipps_async.sandbox import Fault, Sandbox

PART = Amount(400, "NOK")


async def test_capture_without_amount_takes_all_that_remains(sandbox: Sandbox, vipps: VippsClient) -> None:
    """After a partial capture, a capture without an amount takes the rest; a further one is refused before sending."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    rest = await vipps.epayment.capture(REFERENCE)
    assert rest.aggregate is not None
    assert rest.aggregate.captured_amount == PRICE
    with pytest.raises(InvalidRequest, match=r"nothing of the 10\.00 NOK authorized remains to capture"):
        await vipps.epayment.capture(REFERENCE)
    assert len(requests_of(sandbox, "capture")) == 2
    assert requests_of(sandbox, "events") == []  # which tell nothing without a key


async def test_a_capture_of_the_rest_of_what_is_not_authorized_says_so(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Before the user has approved, nothing remains because nothing is reserved yet; nothing is sent."""
    await create(vipps)
    with pytest.raises(InvalidRequest, match="the payment is not authorized; wait for its AUTHORIZED event"):
        await vipps.epayment.capture(REFERENCE)
    assert not requests_of(sandbox, "capture")


async def test_capture_of_the_rest_can_be_repeated_with_its_key(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A capture of all that remains whose outcome was unknown is repeated with its first amount, and takes once."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    sandbox.fail("capture", Fault.RESET_AFTER, times=None)
    with pytest.raises(OutcomeUnknown) as caught:
        await vipps.epayment.capture(REFERENCE)
    sandbox.clear_faults()
    sandbox.clock.advance(timedelta(minutes=1))  # five captures a minute are allowed, and made by now
    repeated = await vipps.epayment.capture(REFERENCE, idempotency_key=caught.value.idempotency_key)
    assert repeated.aggregate is not None
    assert repeated.aggregate.captured_amount == PRICE
    captures = [event for event in await vipps.epayment.events(REFERENCE) if event.name is PaymentEventName.CAPTURED]
    assert [event.amount.value for event in captures] == [400, 600]


async def test_capture_of_the_rest_that_never_arrived_is_repeated_too(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A capture of all that remains that did not take effect takes it when it is repeated with its key."""
    await authorize(sandbox, vipps)
    sandbox.fail("capture", Fault.RESET_BEFORE, times=None)
    with pytest.raises(OutcomeUnknown) as caught:
        await vipps.epayment.capture(REFERENCE)
    sandbox.clear_faults()
    repeated = await vipps.epayment.capture(REFERENCE, idempotency_key=caught.value.idempotency_key)
    assert repeated.aggregate is not None
    assert repeated.aggregate.captured_amount == PRICE


async def test_concurrent_captures_of_the_rest_take_it_once(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Captures of all that remains that race each other take the money once; the losers are refused."""
    await authorize(sandbox, vipps)
    results = await asyncio.gather(*(vipps.epayment.capture(REFERENCE) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, VippsError) for result in results if isinstance(result, BaseException))
    payment = await vipps.epayment.get(REFERENCE)
    assert payment.aggregate.captured_amount == PRICE


async def test_capture_of_the_rest_is_repeated_in_either_dialect(both: tuple[Sandbox, VippsClient]) -> None:
    """A capture of all that remains with the same key succeeds again, and takes the money once."""
    sandbox, vipps = both
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    first = await vipps.epayment.capture(REFERENCE, idempotency_key="rest-1")
    again = await vipps.epayment.capture(REFERENCE, idempotency_key="rest-1")
    assert again.idempotency_key == first.idempotency_key == "rest-1"
    assert again == first
    captures = [event for event in await vipps.epayment.events(REFERENCE) if event.name is PaymentEventName.CAPTURED]
    assert [event.amount.value for event in captures] == [400, 600]
    assert (await vipps.epayment.get(REFERENCE)).aggregate.captured_amount == PRICE
    _, *rests = requests_of(sandbox, "capture")
    assert rests[0].body == rests[1].body


@pytest.fixture
async def proxy(sandbox: Sandbox) -> AsyncIterator[LaggingReads]:
    """Between client and sandbox, with reads that can lag."""
    async with lagging(sandbox) as server:
        yield server


@pytest.fixture
async def shop(sandbox: Sandbox, proxy: LaggingReads) -> AsyncIterator[VippsClient]:
    """A client behind the proxy, of which each call is attempted once, and takes 5 seconds at most."""
    environment = attrs.evolve(sandbox.environment, base_url=proxy.url)
    retry = RetryPolicy(attempts=1)
    async with VippsClient(sandbox.credentials, environment=environment, timeout=5, retry=retry) as client:
        yield client


async def read_both(shop: VippsClient, proxy: LaggingReads) -> None:
    """Have the proxy remember how the payment stands."""
    await shop.epayment.get(REFERENCE)
    await shop.epayment.events(REFERENCE)
    proxy.remember()


async def lose_the_reply(sandbox: Sandbox, shop: VippsClient) -> str:
    """Capture all that remains, lose the reply, and return the key."""
    sandbox.fail("capture", Fault.RESET_AFTER)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.epayment.capture(REFERENCE)
    assert caught.value.idempotency_key is not None
    return caught.value.idempotency_key


def effects(sandbox: Sandbox) -> list[int]:
    """The amounts that captures took."""
    bodies = [json.loads(request.body) for request in requests_of(sandbox, "capture") if request.took_effect]
    return [body["modificationAmount"]["value"] for body in bodies]


async def test_repeat_waits_for_a_log_that_lags(sandbox: Sandbox, shop: VippsClient, proxy: LaggingReads) -> None:
    """While nothing remains, and the log does not tell yet who took it, a repeat by key waits for the log."""
    await authorize(sandbox, shop)
    await shop.epayment.capture(REFERENCE, PART)
    await read_both(shop, proxy)
    key = await lose_the_reply(sandbox, shop)
    proxy.lag("events", 1)
    repeated = await shop.epayment.capture(REFERENCE, idempotency_key=key)
    assert repeated.aggregate is not None
    assert repeated.aggregate.captured_amount == PRICE
    assert effects(sandbox) == [400, 600]


async def test_repeat_is_the_first_again_while_all_reads_lag(
    sandbox: Sandbox, shop: VippsClient, proxy: LaggingReads
) -> None:
    """Reads that still show what remained before the first capture have the repeat send what that one sent."""
    await authorize(sandbox, shop)
    await read_both(shop, proxy)
    key = await lose_the_reply(sandbox, shop)
    proxy.lag("events", 9)
    proxy.lag("get", 9)
    repeated = await shop.epayment.capture(REFERENCE, idempotency_key=key)
    assert repeated.aggregate is not None
    assert repeated.aggregate.captured_amount == PRICE
    assert effects(sandbox) == [1000]


async def test_repeat_with_another_amount_finds_the_first_one(
    sandbox: Sandbox, shop: VippsClient, proxy: LaggingReads
) -> None:
    """Where reads lag so far that the API refuses the amount for this key, the log is asked for the first one."""
    await authorize(sandbox, shop)
    await read_both(shop, proxy)
    await shop.epayment.capture(REFERENCE, PART)
    key = await lose_the_reply(sandbox, shop)
    proxy.lag("events", 2)
    proxy.lag("get", 2)
    repeated = await shop.epayment.capture(REFERENCE, idempotency_key=key)
    assert repeated.aggregate is not None
    assert repeated.aggregate.captured_amount == PRICE
    assert [request.status for request in requests_of(sandbox, "capture")][2:] == [409, 200]
    assert effects(sandbox) == [400, 600]


@pytest.mark.parametrize("lagging_reads", [["events"], ["events", "get"]], ids=" and ".join)
async def test_repeat_whose_log_never_tells_is_an_unknown_outcome(
    sandbox: Sandbox, shop: VippsClient, proxy: LaggingReads, lagging_reads: list[str]
) -> None:
    """While the log does not tell, the outcome is unknown, and the error has the key: never that nothing remains."""
    await authorize(sandbox, shop)
    await read_both(shop, proxy)
    await shop.epayment.capture(REFERENCE, PART)
    key = await lose_the_reply(sandbox, shop)
    for operation in lagging_reads:
        proxy.lag(operation, 99)
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="repeat it with the same arguments and this key") as caught:
        await shop.epayment.capture(REFERENCE, idempotency_key=key)
    assert time.monotonic() - began < 6
    assert caught.value.idempotency_key == key
    assert caught.value.operation == "capture"
    assert effects(sandbox) == [400, 600]


async def test_repeat_that_can_read_no_log_is_an_unknown_outcome(
    sandbox: Sandbox, shop: VippsClient, proxy: LaggingReads
) -> None:
    """A read that fails while the log is waited for does not settle what the capture did."""
    await authorize(sandbox, shop)
    await read_both(shop, proxy)
    key = await lose_the_reply(sandbox, shop)
    proxy.lag("events", 1)
    sandbox.fail("events", Fault.STATUS_503, times=None)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.epayment.capture(REFERENCE, idempotency_key=key)
    assert caught.value.idempotency_key == key
    assert isinstance(caught.value.__cause__, ServerError)


def entry(**facts: Any) -> dict[str, Any]:
    """Return a log's entry of a capture of everything."""
    said = {"reference": REFERENCE, "pspReference": "psp-1", "name": "CAPTURED", "timestamp": "2026-11-02T09:15:30Z"}
    return {**said, "amount": {"currency": "NOK", "value": 1000}, **facts}


@pytest.mark.parametrize("facts", [{"success": True}, {"success": False, "idempotencyKey": "another"}])
async def test_entry_without_a_key_or_success_accounts_for_nothing(facts: dict[str, Any]) -> None:
    """What names no key may be this one's, and what failed took nothing: never is it told that nothing remains."""

    def answer(asked: Asked) -> bytes:
        return reply(200, [entry(**facts)]) if asked.path.endswith("/events") else payment(REFERENCE, captured=1000)

    async with hostile(answer, timeout=1) as (server, vipps):
        with pytest.raises(OutcomeUnknown) as caught:
            await vipps.epayment.capture(REFERENCE, idempotency_key="shipment-17")
    assert caught.value.idempotency_key == "shipment-17"
    assert all(request.method == "GET" for request in server.requests)


async def test_key_of_another_amount_is_in_doubt_while_nothing_can_be_read() -> None:
    """Once the API has told that the key belongs to a capture, a read that fails leaves its outcome unknown."""
    captures = []

    def answer(asked: Asked) -> bytes:
        if asked.path.endswith("/capture"):
            captures.append(asked.key)
            return problem(409, "4010")
        if captures:
            return reply(503)
        return reply(200, []) if asked.path.endswith("/events") else payment(REFERENCE)

    async with hostile(answer) as (_, vipps):
        with pytest.raises(OutcomeUnknown) as caught:
            await vipps.epayment.capture(REFERENCE, idempotency_key="shipment-17")
    assert [caught.value.idempotency_key] == captures


@pytest.mark.parametrize("ended_by", ["capture", "cancel"])
async def test_key_that_took_nothing_is_told_so_at_once(sandbox: Sandbox, vipps: VippsClient, ended_by: str) -> None:
    """Where the log accounts for all that was captured, and not by this key, nothing remains: no doubt is made up."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    await getattr(vipps.epayment, ended_by)(REFERENCE)
    with pytest.raises(InvalidRequest, match=r"nothing of the 10\.00 NOK authorized remains"):
        await vipps.epayment.capture(REFERENCE, idempotency_key="shipment-17")
    with pytest.raises(InvalidRequest, match=r"nothing of the 10\.00 NOK authorized remains"):
        await vipps.epayment.capture(REFERENCE)
    assert len(requests_of(sandbox, "capture")) == (2 if ended_by == "capture" else 1)


async def test_conflict_of_a_capture_with_an_amount_is_told(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Where the caller gave the amount, and another one before with this key, that is the caller's to know."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART, idempotency_key="shipment-17")
    with pytest.raises(Conflict) as caught:
        await vipps.epayment.capture(REFERENCE, Amount(500, "NOK"), idempotency_key="shipment-17")
    assert caught.value.code == "4010"


@pytest.mark.parametrize(("key", "code"), [("my-key", "4020"), (None, "4010"), (None, "4020")])
async def test_conflict_of_another_kind_is_told(
    sandbox: Sandbox, vipps: VippsClient, key: str | None, code: str
) -> None:
    """Only a key of one's own that belongs to another amount is looked for; nothing else is sent a second time."""
    await authorize(sandbox, vipps)
    sandbox.fail("capture", code)
    with pytest.raises(Conflict) as caught:
        await vipps.epayment.capture(REFERENCE, idempotency_key=key)
    assert caught.value.code == code
    assert len(requests_of(sandbox, "capture")) == 1


async def test_capture_of_the_rest_ends_within_one_timeout(sandbox: Sandbox, vipps: VippsClient) -> None:
    """The reads and the capture share one timeout, although each of them stalls."""
    await authorize(sandbox, vipps)
    sandbox.fail("events", Fault.STALLED)
    sandbox.fail("get", Fault.STALLED)
    sandbox.fail("capture", Fault.STALLED, times=None)
    slow = vipps.with_options(timeout=2, retry=RetryPolicy(initial_delay=0.01, attempt_timeout=0.8))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await slow.epayment.capture(REFERENCE, idempotency_key="rest-1")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("operation", ["events", "get", "capture"])
async def test_capture_of_the_rest_that_stalls_ends_in_time(
    sandbox: Sandbox, vipps: VippsClient, operation: str
) -> None:
    """Whichever request stalls for ever, the capture ends within its timeout."""
    await authorize(sandbox, vipps)
    sandbox.fail(operation, Fault.STALLED, times=None)
    slow = vipps.with_options(timeout=0.5, retry=RetryPolicy(attempt_timeout=30))
    began = time.monotonic()
    with pytest.raises(VippsError):
        await slow.epayment.capture(REFERENCE, idempotency_key="rest-1")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    "odd",
    [
        {"idempotency_key": "with space"},
        {"idempotency_key": ""},
        {"modification_reference": "short"},
        {"modification_reference": 5},
        {"reference": "short"},
        {"reference": None},
    ],
    ids=repr,
)
async def test_capture_of_the_rest_with_an_odd_argument_sends_nothing(
    sandbox: Sandbox, vipps: VippsClient, odd: dict[str, Any]
) -> None:
    """A bad reference, key or modification reference is refused before the reads."""
    with pytest.raises(InvalidRequest):
        await vipps.epayment.capture(**{"reference": REFERENCE, **odd})
    assert not sandbox.requests
