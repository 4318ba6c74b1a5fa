"""The fault matrix of agreements and charges: every fault, once and for ever; each has one effect at most."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import attrs
import pytest

from tests._http.test_faults import DEADLINE, PATIENCE, Trouble, every_trouble
from tests.support.agreements import PRICE, TERMS, activate, captured, reserved, tomorrow
from tests.support.payments import requests_of
from vipps_async import Amount, VippsClient
from vipps_async.errors import CallError, Forbidden
from vipps_async.recurring import NewCharge
from vipps_async.sandbox import Fault, RecordedRequest, Sandbox

PART = Amount(30000, "NOK")
Ids = tuple[str, str]


@attrs.frozen
class Operation:
    """An operation, the entry that it leaves in a history, and what it needs beforehand."""

    name: str
    called: str
    entry: str
    prepare: Callable[[Sandbox, VippsClient], Awaitable[Ids]]
    run: Callable[[VippsClient, Ids, str | None], Awaitable[object]]


async def signed_in(_: Sandbox, vipps: VippsClient) -> Ids:
    """A draft needs no more than an access token."""
    await vipps.recurring.agreements.create(**TERMS, external_id="another")
    return "", ""


async def accepted(sandbox: Sandbox, vipps: VippsClient) -> Ids:
    """An agreement of which there is no charge."""
    return await activate(sandbox, vipps, external_id="another"), "order-1"


async def draft(vipps: VippsClient, _: Ids, key: str | None) -> object:
    """Draft an agreement."""
    return await vipps.recurring.agreements.create(**TERMS, external_id="member-7", idempotency_key=key)


async def charge(vipps: VippsClient, ids: Ids, key: str | None) -> object:
    """Create a charge."""
    return await vipps.recurring.charges.create(
        ids[0],
        amount=PRICE,
        description="November",
        transaction_type="DIRECT_CAPTURE",
        due=DAY[0],
        retry_days=2,
        order_id=ids[1],
        idempotency_key=key,
    )


async def charge_many(vipps: VippsClient, ids: Ids, _: str | None) -> object:
    """Create charges in one call, whose key is derived."""
    new = NewCharge(
        agreement_id=ids[0],
        order_id=ids[1],
        amount=PRICE,
        description="November",
        due=DAY[0],
        retry_days=2,
        transaction_type="DIRECT_CAPTURE",
    )
    return [verdict async for verdict in vipps.recurring.charges.create_many([new])]


DAY = [tomorrow(Sandbox())]
OPERATIONS = [
    Operation("create-agreement", "create agreement", "CREATE", signed_in, draft),
    Operation(
        "update-agreement",
        "stop agreement",
        "STOP",
        accepted,
        lambda vipps, ids, key: vipps.recurring.agreements.stop(ids[0], idempotency_key=key),
    ),
    Operation("create-charge", "create charge", "CREATE", accepted, charge),
    Operation("create-charges", "create charges", "CREATE", accepted, charge_many),
    Operation(
        "capture-charge",
        "capture charge",
        "CAPTURE",
        reserved,
        lambda vipps, ids, key: vipps.recurring.charges.capture(*ids, PART, idempotency_key=key),
    ),
    Operation(
        "refund-charge",
        "refund charge",
        "REFUND",
        captured,
        lambda vipps, ids, key: vipps.recurring.charges.refund(*ids, PART, description="x", idempotency_key=key),
    ),
    Operation(
        "cancel-charge",
        "cancel charge",
        "CANCEL",
        reserved,
        lambda vipps, ids, key: vipps.recurring.charges.cancel(*ids, idempotency_key=key),
    ),
]
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


@pytest.fixture
async def patient(vipps: VippsClient) -> VippsClient:
    """A client with the deadline that the matrix checks."""
    return vipps.with_options(timeout=DEADLINE, retry=PATIENCE)


def effects(sandbox: Sandbox, operation: Operation) -> int:
    """How often the operation took effect, by the histories of the ledger."""
    recurring = sandbox.recurring
    if operation.name == "create-agreement":
        return sum(each.terms.get("externalId") == "member-7" for each in recurring.agreements.values())
    changed = recurring.agreements if operation.name == "update-agreement" else recurring.charges
    return sum(entry.event == operation.entry for each in changed.values() for entry in each.history)


def attempts_at(sandbox: Sandbox, operation: Operation, before: int) -> list[RecordedRequest]:
    """The requests that are attempts at the operation under test."""
    return requests_of(sandbox, operation.name)[before:]


@every_operation
@every_trouble
async def test_a_fault_that_passes_is_survived(
    sandbox: Sandbox, patient: VippsClient, operation: Operation, trouble: Trouble
) -> None:
    """A fault that strikes once leaves a result, and one effect."""
    ids = await operation.prepare(sandbox, patient)
    before = len(requests_of(sandbox, operation.name))
    sandbox.fail(operation.name, trouble.fault, times=1, retry_after=trouble.retry_after)
    await operation.run(patient, ids, None)
    attempts = attempts_at(sandbox, operation, before)
    assert len(attempts) == 2
    assert len({(attempt.idempotency_key, attempt.body) for attempt in attempts}) == 1
    assert effects(sandbox, operation) == 1


@every_operation
@every_trouble
async def test_a_fault_that_stays_ends_in_an_error_that_can_be_repeated(
    sandbox: Sandbox, patient: VippsClient, operation: Operation, trouble: Trouble
) -> None:
    """A fault that never stops ends in its error; repeating with the error's key has one effect in all."""
    ids = await operation.prepare(sandbox, patient)
    before = len(requests_of(sandbox, operation.name))
    sandbox.fail(operation.name, trouble.fault, times=None, retry_after=trouble.retry_after)
    started = time.monotonic()
    with pytest.raises(CallError) as caught:
        await operation.run(patient, ids, None)
    error = caught.value
    assert type(error) is trouble.write_ends_in
    assert time.monotonic() - started < DEADLINE + 1
    assert effects(sandbox, operation) <= 1
    attempts = attempts_at(sandbox, operation, before)
    assert (error.operation, error.attempts) == (operation.called, len(attempts))
    assert len(attempts) <= 5
    assert {attempt.idempotency_key for attempt in attempts} == {error.idempotency_key}
    sandbox.clear_faults()
    sandbox.clock.advance(timedelta(minutes=1))
    await operation.run(patient, ids, error.idempotency_key)
    assert effects(sandbox, operation) == 1


@every_operation
async def test_a_missing_permission_ends_a_call_at_once(
    sandbox: Sandbox, patient: VippsClient, operation: Operation
) -> None:
    """A 403 is Forbidden after one request, and nothing took effect."""
    ids = await operation.prepare(sandbox, patient)
    sandbox.fail(operation.name, Fault.STATUS_403)
    with pytest.raises(Forbidden) as caught:
        await operation.run(patient, ids, None)
    assert caught.value.attempts == 1
    assert effects(sandbox, operation) == 0
