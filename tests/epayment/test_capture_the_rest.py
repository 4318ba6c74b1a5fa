"""Capturing all that remains: the amount is read, and the capture can be repeated all the same."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from tests.support import PRICE, REFERENCE, authorize, requests_of
from vipps_async import Amount, PaymentEventName, RetryPolicy, VippsClient
from vipps_async.errors import InvalidRequest, OutcomeUnknown, VippsError
from vipps_async.sandbox import Fault, Sandbox

PART = Amount(400, "NOK")


async def test_capture_without_amount_takes_all_that_remains(sandbox: Sandbox, vipps: VippsClient) -> None:
    """After a partial capture, a capture without an amount takes the rest; a further one is refused before sending."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PART)
    rest = await vipps.epayment.capture(REFERENCE)
    assert rest.aggregate.captured_amount == PRICE
    with pytest.raises(InvalidRequest, match=r"nothing of the 10\.00 NOK authorized remains to capture"):
        await vipps.epayment.capture(REFERENCE)
    assert len(requests_of(sandbox, "capture")) == 2


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
