"""The fault matrix: every fault, once and for ever, under every operation, against a sandbox that keeps the ledger."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import attrs
import pytest

from tests.support.payments import PRICE, REFERENCE, authorize, create, requests_of
from vipps_async import Amount, RetryPolicy, VippsClient
from vipps_async.errors import (
    ApiError,
    CallError,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    InvalidReply,
    Locked,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    Unauthorized,
)
from vipps_async.sandbox import Fault, RecordedRequest, Sandbox

DEADLINE = 8.0
PATIENCE = RetryPolicy(initial_delay=0.01, max_delay=0.05, attempt_timeout=0.5)
PART = Amount(400, "NOK")

Operate = Callable[[VippsClient, str | None], Awaitable[object]]


@attrs.frozen
class Operation:
    """An operation, the event that it leaves in the ledger, and what it needs beforehand."""

    name: str
    event: str | None
    prepare: Callable[[Sandbox, VippsClient], Awaitable[object]]
    run: Operate


async def another(_: Sandbox, vipps: VippsClient) -> None:
    """A creation needs no more than an access token, which another payment fetches."""
    await create(vipps, "another-payment")


async def captured(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A refund needs a capture."""
    await authorize(sandbox, vipps)
    await vipps.epayment.capture(REFERENCE, PRICE)


OPERATIONS = [
    Operation(
        "create",
        "CREATED",
        another,
        lambda vipps, key: vipps.epayment.create(
            amount=PRICE, reference=REFERENCE, return_url="https://shop.example/return", idempotency_key=key
        ),
    ),
    Operation("get", None, lambda _, vipps: create(vipps), lambda vipps, _: vipps.epayment.get(REFERENCE)),
    Operation(
        "capture",
        "CAPTURED",
        authorize,
        lambda vipps, key: vipps.epayment.capture(REFERENCE, PART, idempotency_key=key),
    ),
    Operation(
        "refund",
        "REFUNDED",
        captured,
        lambda vipps, key: vipps.epayment.refund(REFERENCE, PART, idempotency_key=key),
    ),
    Operation(
        "cancel", "CANCELLED", authorize, lambda vipps, key: vipps.epayment.cancel(REFERENCE, idempotency_key=key)
    ),
]


@attrs.frozen
class Trouble:
    """A fault, and the errors that a read and a write end in when it does not go away."""

    fault: Fault
    read_ends_in: type[CallError]
    write_ends_in: type[CallError]
    retry_after: int | None = None


TROUBLES = [
    Trouble(Fault.LATENCY, ConnectionFailed, OutcomeUnknown),
    Trouble(Fault.RESET_BEFORE, ConnectionFailed, OutcomeUnknown),
    Trouble(Fault.RESET_AFTER, ConnectionFailed, OutcomeUnknown),
    Trouble(Fault.TRUNCATED, InvalidReply, OutcomeUnknown),
    Trouble(Fault.STALLED, ConnectionFailed, OutcomeUnknown),
    Trouble(Fault.STATUS_401, Unauthorized, Unauthorized),
    Trouble(Fault.STATUS_408, ApiError, OutcomeUnknown),
    Trouble(Fault.STATUS_423, Locked, Locked),
    Trouble(Fault.STATUS_429, RateLimited, RateLimited),
    Trouble(Fault.STATUS_429, RateLimited, RateLimited, retry_after=1),
    Trouble(Fault.STATUS_500, ServerError, OutcomeUnknown),
    Trouble(Fault.STATUS_502_HTML, ServerError, OutcomeUnknown),
    Trouble(Fault.STATUS_503, ServerError, OutcomeUnknown),
    Trouble(Fault.STATUS_504, ServerError, OutcomeUnknown),
    Trouble(Fault.HTML_200, InvalidReply, OutcomeUnknown),
    Trouble(Fault.EXPIRED_TOKEN, Unauthorized, Unauthorized),
]

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
every_trouble = pytest.mark.parametrize(
    "trouble", TROUBLES, ids=lambda trouble: f"{trouble.fault}{'-retry-after' if trouble.retry_after else ''}"
)


@pytest.fixture
async def patient(vipps: VippsClient) -> VippsClient:
    """A client with the deadline that the matrix checks."""
    return vipps.with_options(timeout=DEADLINE, retry=PATIENCE)


def effects(sandbox: Sandbox, operation: Operation) -> int:
    """How often the operation took effect, by the ledger's own event log."""
    if operation.event is None or REFERENCE not in sandbox.payments:
        return 0
    return sum(str(event.name) == operation.event for event in sandbox.payments[REFERENCE].events)


def attempts_at(sandbox: Sandbox, operation: Operation) -> list[RecordedRequest]:
    """The requests that are attempts at the operation on the payment under test."""
    requests = requests_of(sandbox, operation.name)
    return [request for request in requests if REFERENCE.encode() in request.body or REFERENCE in request.path]


def check_attempts(sandbox: Sandbox, operation: Operation, started: float) -> None:
    """Every attempt had one key and one body, five at most for a write, and the deadline held."""
    attempts = attempts_at(sandbox, operation)
    assert len({(attempt.idempotency_key, attempt.body) for attempt in attempts}) <= 1
    # aiohttp itself repeats a GET at once when the connection breaks, which its callers cannot see.
    assert len(attempts) <= (5 if operation.event else 10)
    # A margin for a busy machine; the deadline itself is cut by the event loop.
    assert time.monotonic() - started < DEADLINE + 1
    assert effects(sandbox, operation) <= 1


@every_operation
@every_trouble
async def test_fault_that_passes_is_survived(
    sandbox: Sandbox, patient: VippsClient, operation: Operation, trouble: Trouble
) -> None:
    """A fault that strikes once leaves a result, and one effect."""
    await operation.prepare(sandbox, patient)
    sandbox.fail(operation.name, trouble.fault, times=1, retry_after=trouble.retry_after)
    started = time.monotonic()
    await operation.run(patient, None)
    check_attempts(sandbox, operation, started)
    assert len(attempts_at(sandbox, operation)) == 2
    assert effects(sandbox, operation) == (operation.event is not None)
    if trouble.retry_after:
        assert time.monotonic() - started >= trouble.retry_after


@every_operation
@every_trouble
async def test_fault_that_stays_ends_in_one_error_that_can_be_repeated(
    sandbox: Sandbox, patient: VippsClient, operation: Operation, trouble: Trouble
) -> None:
    """A fault that never stops ends in its error; repeating the write with the error's key has one effect in all."""
    await operation.prepare(sandbox, patient)
    sandbox.fail(operation.name, trouble.fault, times=None, retry_after=trouble.retry_after)
    started = time.monotonic()
    with pytest.raises(CallError) as caught:
        await operation.run(patient, None)
    error = caught.value
    assert type(error) is (trouble.write_ends_in if operation.event else trouble.read_ends_in)
    check_attempts(sandbox, operation, started)
    attempts = attempts_at(sandbox, operation)
    assert error.operation == operation.name
    assert 1 <= error.attempts <= len(attempts)
    assert error.attempts == len(attempts) or operation.event is None
    assert {attempt.idempotency_key for attempt in attempts} == {error.idempotency_key}
    if isinstance(error, RateLimited):
        assert error.retry_after == (timedelta(seconds=trouble.retry_after) if trouble.retry_after else None)
    sandbox.clear_faults()
    sandbox.clock.advance(timedelta(minutes=1))  # for a machine so busy that this, too, takes attempts
    await operation.run(patient, error.idempotency_key)
    assert effects(sandbox, operation) == (operation.event is not None)


@every_operation
async def test_refused_connection_is_no_effect(sandbox: Sandbox, patient: VippsClient, operation: Operation) -> None:
    """A server that refuses connections ends a call in ConnectionFailed, writes too: nothing was sent."""
    await operation.prepare(sandbox, patient)
    before = effects(sandbox, operation)
    async with sandbox.offline():
        # The client hears that its open connections were cut: what it would send on them would not be known as unsent.
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionFailed) as caught:
            await operation.run(patient.with_options(retry=attrs.evolve(PATIENCE, attempts=3)), None)
    assert not caught.value.sent
    assert caught.value.attempts == 3
    assert effects(sandbox, operation) == before
    await operation.run(patient, caught.value.idempotency_key)
    assert effects(sandbox, operation) == (operation.event is not None)


@every_operation
async def test_missing_permission_ends_a_call_at_once(
    sandbox: Sandbox, patient: VippsClient, operation: Operation
) -> None:
    """A 403 is Forbidden after one request, and nothing took effect."""
    await operation.prepare(sandbox, patient)
    sandbox.fail(operation.name, Fault.STATUS_403)
    with pytest.raises(Forbidden) as caught:
        await operation.run(patient, None)
    assert caught.value.attempts == len(attempts_at(sandbox, operation)) == 1
    assert effects(sandbox, operation) == 0


@every_operation
async def test_outage_that_a_call_begins_is_survived(
    sandbox: Sandbox, patient: VippsClient, operation: Operation
) -> None:
    """A server that resets a call, and refuses connections for a while, leaves a result, and one effect."""
    await operation.prepare(sandbox, patient)
    sandbox.fail(operation.name, Fault.REFUSED, seconds=0.3)
    patience = RetryPolicy(initial_delay=2.0, max_delay=2.0, attempt_timeout=0.5)
    await operation.run(patient.with_options(retry=patience, timeout=10), None)
    assert effects(sandbox, operation) == (operation.event is not None)


async def test_outage_outlives_an_impatient_call(sandbox: Sandbox, patient: VippsClient) -> None:
    """Who is reset and then refused does not know the outcome; who is refused only knows that nothing was sent."""
    await authorize(sandbox, patient)
    sandbox.fail("capture", Fault.REFUSED, seconds=30)
    with pytest.raises(OutcomeUnknown) as caught:
        await patient.epayment.capture(REFERENCE, PART)
    with pytest.raises(ConnectionFailed) as refused:
        await patient.epayment.capture(REFERENCE, PART, idempotency_key=caught.value.idempotency_key)
    assert not refused.value.sent
    assert sandbox.payments[REFERENCE].captured_amount == 0


@every_operation
async def test_refused_connection_that_comes_back_is_survived(
    sandbox: Sandbox, patient: VippsClient, operation: Operation
) -> None:
    """A server that is back within the attempts of a call leaves a result, and one effect."""
    await operation.prepare(sandbox, patient)
    patience = RetryPolicy(initial_delay=1.0, max_delay=1.0, attempt_timeout=0.5)
    async with sandbox.offline():
        call = asyncio.ensure_future(operation.run(patient.with_options(retry=patience, timeout=5), None))
        await asyncio.sleep(0.05)
    await call
    assert effects(sandbox, operation) == (operation.event is not None)


async def test_deadline_cuts_an_attempt(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A call's deadline ends it in the middle of an attempt, as an unknown outcome with its key for a write."""
    await authorize(sandbox, vipps)
    sandbox.fail("capture", Fault.STALLED)
    hurried = vipps.with_options(timeout=0.3, retry=RetryPolicy(attempt_timeout=60))
    with pytest.raises(OutcomeUnknown, match=r"no reply within 0\.3 s") as caught:
        await hurried.epayment.capture(REFERENCE, PART)
    assert caught.value.attempts == 1
    adjustment = await vipps.epayment.capture(REFERENCE, PART, idempotency_key=caught.value.idempotency_key)
    assert adjustment.aggregate.captured_amount == PART


async def test_call_without_time_is_not_sent(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A call whose deadline has passed before its request is sent sends none, so that nothing can have taken effect."""
    await authorize(sandbox, vipps)
    sent = len(sandbox.requests)
    with pytest.raises(DeadlineExceeded) as caught:
        await vipps.with_options(timeout=timedelta(microseconds=1)).epayment.capture(REFERENCE, PART)
    assert (caught.value.attempts, len(sandbox.requests)) == (0, sent)


async def test_retry_after_beyond_the_deadline_is_surfaced(sandbox: Sandbox, patient: VippsClient) -> None:
    """A Retry-After that does not fit the deadline ends the call at once, and is on the error."""
    await create(patient)
    sandbox.fail("get", Fault.STATUS_429, retry_after=60)
    with pytest.raises(RateLimited, match="the server asks to wait 60 s") as caught:
        await patient.epayment.get(REFERENCE)
    assert caught.value.retry_after == timedelta(seconds=60)
    assert len(requests_of(sandbox, "get")) == 1


async def test_refusal_after_silence_does_not_settle_a_write(sandbox: Sandbox, patient: VippsClient) -> None:
    """A capture that took effect in silence and is then refused by the gateway is an unknown outcome, not a refusal."""
    await authorize(sandbox, patient)
    sandbox.fail("capture", Fault.RESET_AFTER, times=1)
    sandbox.fail("capture", Fault.STATUS_429, times=None)
    with pytest.raises(OutcomeUnknown) as caught:
        await patient.epayment.capture(REFERENCE, PART)
    assert isinstance(caught.value.__cause__, RateLimited)


async def test_refusal_by_a_rule_is_not_attempted_again(sandbox: Sandbox, patient: VippsClient) -> None:
    """A 4xx ends the call after one request, with the documented code and what to do next."""
    await create(patient)
    with pytest.raises(ApiError, match="wait for the AUTHORIZED event, then capture") as caught:
        await patient.epayment.capture(REFERENCE, PART)
    assert (caught.value.status, caught.value.code) == (400, "6080")
    assert len(requests_of(sandbox, "capture")) == 1


async def test_writes_without_a_key_are_not_repeated_blindly(sandbox: Sandbox, patient: VippsClient) -> None:
    """A registration that ended in silence is not sent again: the API has no key for it."""
    sandbox.fail("register", Fault.RESET_AFTER)
    with pytest.raises(OutcomeUnknown, match="no idempotency key"):
        await patient.webhooks.register("https://shop.example/events")
    assert len(requests_of(sandbox, "register")) == 1
    assert len(await patient.webhooks.list()) == 1
