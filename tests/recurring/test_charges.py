"""Charges through the client: created once, taken when they are due, captured, refunded, cancelled and listed."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.agreements import PRICE, activate, captured, charge, draft, reserved, tomorrow
from tests.support.hostile import hostile, reply
from tests.support.payments import requests_of
from tests.support.vectors import document
from vipps_async import Amount, BadRequest, NotFound, VippsClient
from vipps_async._http.polling import Polls, PollSchedule
from vipps_async.errors import Conflict, InvalidReply, InvalidRequest, OutcomeUnknown
from vipps_async.recurring import Charge, ChargeAction, ChargeStatus, ChargeType, FailureReason, NewCharge, Recurring
from vipps_async.recurring._full_capture import amount_of_full_capture
from vipps_async.recurring._replies import read_charge, read_verdicts
from vipps_async.recurring._wait import CHARGE
from vipps_async.sandbox import Sandbox

PART = Amount(30000, "NOK")
DAY = date(2026, 10, 1)


async def test_a_charge_is_created_taken_and_read(vipps: VippsClient, sandbox: Sandbox) -> None:
    """On its due date, with nobody calling."""
    agreement_id = await activate(sandbox, vipps, external_id="member-7")
    created = await vipps.recurring.charges.create(
        agreement_id,
        amount=PRICE,
        description="November",
        transaction_type="DIRECT_CAPTURE",
        due=tomorrow(sandbox),
        retry_days=2,
        order_id="member-7-2026-11",
        external_id="INV-1",
    )
    assert (created.charge_id, created.agreement_id) == ("member-7-2026-11", agreement_id)
    due = await vipps.recurring.charges.get(agreement_id, created.charge_id)
    assert (due.status, due.due) == (ChargeStatus.DUE, tomorrow(sandbox))
    assert (due.external_id, due.external_agreement_id) == ("INV-1", "member-7")
    assert due.left_to_capture == Amount(0, "NOK")
    sandbox.clock.advance(timedelta(days=2))
    taken = await vipps.recurring.charges.get(agreement_id, created.charge_id)
    assert (taken.status, taken.type) == (ChargeStatus.CHARGED, ChargeType.RECURRING)
    assert (taken.summary.captured, taken.summary.left_to_refund) == (PRICE, PRICE)
    assert [(entry.event, entry.amount) for entry in taken.history] == [
        (ChargeAction.CREATE, PRICE),
        (ChargeAction.CAPTURE, PRICE),
    ]
    assert taken.history[0].idempotency_key == created.idempotency_key
    assert await vipps.recurring.charges.find(created.charge_id) == taken


async def test_the_same_charge_is_created_once(vipps: VippsClient, sandbox: Sandbox) -> None:
    """By its order id, whoever asks again; without one, two are two."""
    agreement_id = await activate(sandbox, vipps)
    terms: dict[str, Any] = {
        "amount": PRICE,
        "description": "November",
        "transaction_type": "DIRECT_CAPTURE",
        "due": tomorrow(sandbox),
        "retry_days": 2,
    }
    create = vipps.recurring.charges.create
    first, again = [await create(agreement_id, order_id="order-1", **terms) for _ in range(2)]
    assert (first.charge_id, first.idempotency_key) == (again.charge_id, again.idempotency_key)
    assert len({(await create(agreement_id, **terms)).charge_id for _ in range(2)}) == 2
    assert len(sandbox.recurring.charges) == 3
    with pytest.raises(Conflict) as changed:
        await create(agreement_id, order_id="order-1", **{**terms, "amount": Amount(100, "NOK")})
    assert changed.value.code == "idempotency-conflict"
    other = await activate(sandbox, vipps, external_id="2")
    with pytest.raises(Conflict, match="an order_id is used once") as taken:
        await create(other, order_id="order-1", **terms)
    assert taken.value.code == "conflict"


async def test_a_charge_of_what_is_not_active_is_refused(vipps: VippsClient, sandbox: Sandbox) -> None:
    """With the API's identifier."""
    with pytest.raises(BadRequest, match="once it is ACTIVE") as raised:
        await charge(sandbox, vipps, await draft(vipps), "order-1")
    assert raised.value.code == "charge-creation-failed"
    with pytest.raises(NotFound, match="Agreement not found"):
        await charge(sandbox, vipps, "agr_none", "order-1")


async def test_an_unscheduled_charge_is_waited_for(vipps: VippsClient, sandbox: Sandbox) -> None:
    """It is taken at once, and once."""
    agreement_id = await activate(sandbox, vipps)
    quick = Recurring(vipps, Polls(PollSchedule(first=0.01, interval=0.02)))
    await charge(sandbox, vipps, agreement_id, "order-1", type="UNSCHEDULED")
    assert (await quick.charges.wait(agreement_id, "order-1", timeout=5)).status is ChargeStatus.CHARGED
    await sandbox.recurring.decline_charges(agreement_id)
    await charge(sandbox, vipps, agreement_id, "order-2", type="UNSCHEDULED")
    failed = await quick.charges.wait(agreement_id, "order-2", timeout=5)
    assert (failed.status, failed.failure_reason) == (ChargeStatus.FAILED, FailureReason.USER_ACTION_REQUIRED)


def test_a_charge_is_read_ten_times_a_minute_at_most() -> None:
    """While it is waited for: 10 reads a minute are allowed for one charge."""
    assert (CHARGE.schedule.interval, CHARGE.schedule.first) == (10, 5)


async def test_a_reservation_is_captured_in_parts(vipps: VippsClient, sandbox: Sandbox) -> None:
    """A part, and then all that remains; then nothing."""
    charges, ids = vipps.recurring.charges, await reserved(sandbox, vipps)
    first = await charges.capture(*ids, PART)
    assert (first.amount, first.agreement_id, first.charge_id) == (PART, *ids)
    between = await charges.get(*ids)
    assert (between.status, between.left_to_capture) == (ChargeStatus.PARTIALLY_CAPTURED, PRICE - PART)
    assert (await charges.capture(*ids)).amount == PRICE - PART
    assert (await charges.get(*ids)).status is ChargeStatus.CHARGED
    with pytest.raises(InvalidRequest, match="the charge is CHARGED, and nothing"):
        await charges.capture(*ids)
    with pytest.raises(BadRequest, match="The charge is CHARGED") as raised:
        await charges.capture(*ids, PART)
    assert raised.value.code == "charge-capture-failed"


async def test_a_full_capture_is_repeated_by_its_key(vipps: VippsClient, sandbox: Sandbox) -> None:
    """With its first amount, which the history tells, whatever happened since."""
    charges, ids = vipps.recurring.charges, await reserved(sandbox, vipps)
    await charges.capture(*ids, PART, idempotency_key="part")
    await charges.capture(*ids, idempotency_key="all")
    again = await charges.capture(*ids, idempotency_key="all")
    assert again.amount == PRICE - PART
    assert sandbox.recurring.charges[ids[1]].captured == PRICE.value


async def test_captured_money_is_refunded_in_parts(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Up to what was captured."""
    charges, ids = vipps.recurring.charges, await captured(sandbox, vipps)
    await charges.refund(*ids, PART, description="Half a month")
    charge = await charges.get(*ids)
    assert (charge.status, charge.summary.left_to_refund) == (ChargeStatus.PARTIALLY_REFUNDED, PRICE - PART)
    with pytest.raises(BadRequest, match="refund at most what was captured"):
        await charges.refund(*ids, PRICE, description="All")
    await charges.refund(*ids, PRICE - PART, description="The rest")
    assert (await charges.get(*ids)).status is ChargeStatus.REFUNDED


async def test_charges_are_cancelled(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Before they are taken, and what is left of a reservation; not what was captured."""
    charges = vipps.recurring.charges
    agreement_id, order_id = await reserved(sandbox, vipps)
    await charge(sandbox, vipps, agreement_id, "order-2")
    assert (await charges.cancel(agreement_id, "order-2")).amount is None
    assert (await charges.get(agreement_id, "order-2")).status is ChargeStatus.CANCELLED
    await charges.capture(agreement_id, order_id, PART)
    await charges.cancel(agreement_id, order_id)
    rest = await charges.get(agreement_id, order_id)
    assert (rest.status, rest.summary.cancelled) == (ChargeStatus.CHARGED, PRICE - PART)
    with pytest.raises(BadRequest, match="what was captured is refunded") as raised:
        await charges.cancel(agreement_id, order_id)
    assert raised.value.code == "cancel-charge-failed"


async def test_charges_are_listed_page_by_page(vipps: VippsClient, sandbox: Sandbox) -> None:
    """By continuation tokens, and by status."""
    agreement_id = await activate(sandbox, vipps)
    made = [f"order-{number:03}" for number in range(130)]
    due = tomorrow(sandbox) + timedelta(days=60)
    new = [new_charge(agreement_id, order_id, due) for order_id in made]
    assert all([verdict.is_accepted async for verdict in vipps.recurring.charges.create_many(new)])
    assert [each.id async for each in vipps.recurring.charges.list(agreement_id)] == made
    assert len(requests_of(sandbox, "list-charges")) == 2
    assert [each.id async for each in vipps.recurring.charges.list(agreement_id, "CHARGED")] == []


def new_charge(agreement_id: str, order_id: str, due: Any, amount: Amount = Amount(100, "NOK")) -> NewCharge:  # noqa: B008 - frozen
    """Return one of many charges."""
    return NewCharge(
        agreement_id=agreement_id,
        order_id=order_id,
        amount=amount,
        description="Use",
        due=due,
        retry_days=2,
        transaction_type="DIRECT_CAPTURE",
    )


async def test_each_of_many_charges_has_its_verdict(vipps: VippsClient, sandbox: Sandbox) -> None:
    """In their order: created, refused at once, or failed later by its event."""
    active, stopped = await activate(sandbox, vipps), await activate(sandbox, vipps, external_id="2")
    await sandbox.recurring.stop(stopped)
    due = tomorrow(sandbox)
    await charge(sandbox, vipps, active, "taken")
    asked = [
        new_charge(active, "order-1", due),
        new_charge("agr_none", "order-2", due),
        new_charge(stopped, "order-3", due),
        new_charge(active, "taken", due),
        new_charge(active, "order-5", due, Amount(2_000_000, "NOK")),
    ]
    verdicts = [verdict async for verdict in vipps.recurring.charges.create_many(asked)]
    assert [(each.order_id, each.is_accepted) for each in verdicts] == [
        ("order-1", True),
        ("order-2", False),
        ("order-3", True),
        ("taken", True),
        ("order-5", True),
    ]
    assert verdicts[1].errors == ("Agreement not found.",)
    assert not verdicts[0].errors
    assert {*sandbox.recurring.charges} == {"order-1", "taken"}


async def test_a_run_that_died_is_run_again(vipps: VippsClient, sandbox: Sandbox) -> None:
    """What exists is answered as before, the rest is created; cut elsewhere, nothing is created twice either."""
    agreement_id, due = await activate(sandbox, vipps), tomorrow(sandbox) + timedelta(days=40)
    asked = [new_charge(agreement_id, f"order-{number}", due) for number in range(5)]
    create_many = vipps.recurring.charges.create_many
    await anext(create_many(asked, per_call=2))
    assert len(sandbox.recurring.charges) == 2
    verdicts = [verdict async for verdict in create_many(asked, per_call=2)]
    assert all(verdict.is_accepted for verdict in verdicts)
    assert len({verdict.idempotency_key for verdict in verdicts}) == 3
    otherwise = [verdict async for verdict in create_many(asked, per_call=5)]
    assert all(verdict.is_accepted and verdict.errors for verdict in otherwise)
    assert len(sandbox.recurring.charges) == 5


async def test_what_was_accepted_and_failed_is_tried_again_by_another_run(vipps: VippsClient, sandbox: Sandbox) -> None:
    """The same call is answered as before; under another name it is a new one."""
    agreement_id = await activate(sandbox, vipps)
    asked = [new_charge(agreement_id, "order-1", tomorrow(sandbox) + timedelta(days=3), Amount(300_000, "NOK"))]
    create_many = vipps.recurring.charges.create_many
    assert [verdict.is_accepted async for verdict in create_many(asked)] == [True]
    await vipps.recurring.agreements.update(agreement_id, amount=Amount(100_000, "NOK"))
    assert [verdict.is_accepted async for verdict in create_many(asked)] == [True]
    assert not sandbox.recurring.charges
    assert [verdict.is_accepted async for verdict in create_many(asked, run="second")] == [True]
    assert {*sandbox.recurring.charges} == {"order-1"}


async def test_a_refusal_does_not_tell_of_an_earlier_call(vipps: VippsClient, sandbox: Sandbox) -> None:
    """A key that is derived is there to be repeated: by then the API may know it no more."""
    agreement_id, due = await activate(sandbox, vipps), tomorrow(sandbox)
    await charge(sandbox, vipps, agreement_id, "order-1", idempotency_key="first")
    sandbox.clock.advance(timedelta(days=2))
    with pytest.raises(BadRequest, match="tells nothing of an earlier call") as raised:
        await charge(sandbox, vipps, agreement_id, "order-1", due=due)
    assert raised.value.code == "charge-due-too-soon"


async def test_many_charges_are_paced(vipps: VippsClient, sandbox: Sandbox) -> None:
    """No faster than 500 a minute, after the first call."""
    agreement_id, due = await activate(sandbox, vipps), tomorrow(sandbox) + timedelta(days=40)
    asked = [new_charge(agreement_id, f"order-{number}", due) for number in range(6)]
    run = vipps.recurring.charges.create_many(asked, per_call=3)
    for _ in range(4):
        await anext(run)
    first, second = (request.received_at for request in requests_of(sandbox, "create-charges"))
    assert timedelta(seconds=0.34) < second - first < timedelta(seconds=2)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"validCharges": ["order-1"], "invalidCharges": []},
        {"validCharges": ["order-1", "order-2"], "invalidCharges": [{"chargeBatchItemDto": {"orderId": "order-2"}}]},
        {"validCharges": ["order-1"], "invalidCharges": [{"chargeBatchItemDto": {}, "errors": []}]},
        {"validCharges": ["order-1"], "invalidCharges": ["order-2"]},
    ],
)
def test_verdicts_that_leave_one_open_are_no_reply(said: Any) -> None:
    """What became of every charge has to be told, in one way."""
    asked = tuple(new_charge("agr_1", f"order-{number}", DAY) for number in (1, 2))
    with pytest.raises(InvalidReply):
        read_verdicts(said, asked, "key-1")


def test_the_documented_verdicts_are_read() -> None:
    """One that is created, and one whose agreement is not known."""
    said = document("current-recurring-charge-batch-response")
    asked = tuple(
        new_charge(item["agreementId"], item["orderId"], DAY)
        for item in document("current-recurring-charge-batch-request")
    )
    verdicts = read_verdicts(said, asked, "key-1")
    assert [(each.is_accepted, each.errors) for each in verdicts] == [(True, ()), (False, ("Agreement not found.",))]


@pytest.mark.parametrize("name", ["due", "failed", "partially-captured", "refunded"])
def test_the_documented_charges_are_read(name: str) -> None:
    """With their totals as amounts."""
    said = document(f"current-recurring-charge-{name}")
    charge = read_charge(said, said["agreementId"], said["id"])
    assert (charge.status, charge.raw) == (said["status"], said)
    assert charge.summary.captured == Amount(said["summary"]["captured"], "NOK")
    assert [entry.amount.value for entry in charge.history] == [entry["amount"] for entry in said["history"]]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"agreementId": "agr_other"},
        {"amount": "49900"},
        {"currency": None},
        {"summary": None},
        {"summary": {"captured": 1, "refunded": 0}},
        {"summary": {"captured": 1.5, "refunded": 0, "cancelled": 0}},
        {"status": None},
    ],
)
def test_a_charge_that_cannot_be_read_is_no_reply(change: dict[str, Any]) -> None:
    """Nor one that is another's."""
    said = document("current-recurring-charge-due")
    with pytest.raises(InvalidReply):
        read_charge({**said, **change}, said["agreementId"], said["id"])


@pytest.mark.parametrize("status", [200, 202])
async def test_only_204_tells_that_money_moved(status: int) -> None:
    """A capture or refund counts only with it; another status leaves its outcome open."""
    async with hostile(lambda _: reply(status)) as (server, client):
        with pytest.raises(OutcomeUnknown, match=f"HTTP {status} instead of 204") as raised:
            await client.recurring.charges.capture("agr_1", "chr-1", PART)
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert (len(server.requests), keys) == (4, {raised.value.idempotency_key})


async def test_a_charge_of_another_name_is_no_reply() -> None:
    """A reply that was left over on a connection is another charge's."""
    async with hostile(lambda _: reply(201, {"chargeId": "other"})) as (_, client):
        with pytest.raises(OutcomeUnknown, match="about charge 'other' instead of order-1"):
            await client.recurring.charges.create(
                "agr_1",
                amount=PART,
                description="x",
                transaction_type="DIRECT_CAPTURE",
                due=DAY,
                retry_days=0,
                order_id="order-1",
            )


async def test_a_page_that_is_followed_by_itself_ends_the_list() -> None:
    """Or it would have no end."""
    async with hostile(lambda _: reply(200, [], Continuation_Token="again")) as (_, client):
        with pytest.raises(InvalidReply, match="followed by itself"):
            async for _ in client.recurring.charges.list("agr_1"):
                pass


def _charge_of(**changes: Any) -> Charge:
    said = document("current-recurring-charge-partially-captured")
    return read_charge({**said, **changes})


def test_a_full_capture_that_may_have_been_this_one_is_unknown() -> None:
    """Nothing remains, and the history does not say by which key it was taken."""
    summary = {"captured": 49900, "refunded": 0, "cancelled": 0}
    taken = _charge_of(status="CHARGED", summary=summary)
    with pytest.raises(OutcomeUnknown) as raised:
        amount_of_full_capture(taken, "key-1")
    assert (raised.value.idempotency_key, raised.value.operation) == ("key-1", "capture charge")
    with pytest.raises(InvalidRequest, match=r"nothing of its 499\.00 NOK remains"):
        amount_of_full_capture(taken, None)
    accounted = [*document("current-recurring-charge-partially-captured")["history"]]
    accounted.append({**accounted[-1], "amount": 19900, "idempotencyKey": "another"})
    with pytest.raises(InvalidRequest):
        amount_of_full_capture(_charge_of(status="CHARGED", summary=summary, history=accounted), "key-1")


async def test_waits_of_many_share_the_reads(vipps: VippsClient, sandbox: Sandbox) -> None:
    """However many wait for one charge, it is read once each time."""
    agreement_id = await activate(sandbox, vipps)
    await charge(sandbox, vipps, agreement_id, "order-1", type="UNSCHEDULED")
    await asyncio.gather(*(vipps.recurring.charges.wait(agreement_id, "order-1", timeout=5) for _ in range(20)))
    assert len(requests_of(sandbox, "get-charge")) == 1
