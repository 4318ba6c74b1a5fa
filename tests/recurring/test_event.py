"""Events of agreements and charges: read as they are documented, told apart where they differ, and by nothing else."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.vectors import document, names
from tests.support.webhooks.deliveries import delivery, receiver_of
from vipps_async import Amount
from vipps_async.errors import NotAnEvent
from vipps_async.recurring import (
    Actor,
    AgreementEvent,
    AgreementEventType,
    ChargeEvent,
    ChargeEventType,
    ChargeType,
    FailureReason,
)
from vipps_async.webhooks._events import read_event

CAPTURED = document("current-webhook-recurring-charge-captured-partial")
STOPPED = document("current-webhook-recurring-agreement-stopped-merchant")


def charge_event(**changes: Any) -> ChargeEvent:
    """Return the event of a capture, changed so; a change to ``...`` leaves a member out."""
    members = {name: value for name, value in {**CAPTURED, **changes}.items() if value is not ...}
    found = read_event(json.dumps(members).encode())
    assert isinstance(found, ChargeEvent)
    return found


def agreement_event(**changes: Any) -> AgreementEvent:
    """Return the event of a stop, changed so."""
    found = read_event(json.dumps({**STOPPED, **changes}).encode())
    assert isinstance(found, AgreementEvent)
    return found


@pytest.mark.parametrize("name", names("current-webhook-recurring-*"))
def test_every_documented_event_is_read(name: str) -> None:
    """As an event of its class, with a type that is known, and the document kept."""
    said = document(name)
    found = read_event(json.dumps(said).encode())
    kind = AgreementEvent if "-agreement-" in name else ChargeEvent
    assert isinstance(found, kind)
    assert (found.type, found.raw, found.msn) == (said["eventType"], said, said["msn"])
    assert found.event_type.is_known
    assert found.subject == said["agreementId"]
    assert found.success
    assert found.occurred_at == datetime.fromisoformat(said["occurred"])


def test_what_a_charge_event_tells() -> None:
    """Amounts are amounts, though the wire has bare numbers."""
    event = charge_event()
    assert (event.amount, event.amount_captured) == (Amount(49900, "NOK"), Amount(30000, "NOK"))
    assert (event.amount_canceled, event.amount_refunded) == (Amount(0, "NOK"), Amount(0, "NOK"))
    assert (event.charge_type, event.transaction_id) == (ChargeType.RECURRING, "5001419121")
    assert event.charge_external_id == "INV-2026-10-4471"
    assert event.occurred == datetime(2026, 10, 2, 10, 20, 1, 7000, tzinfo=UTC)
    failed = read_event(json.dumps(document("current-webhook-recurring-charge-failed")).encode())
    assert isinstance(failed, ChargeEvent)
    assert failed.failure_reason is FailureReason.USER_ACTION_REQUIRED


def test_what_an_agreement_event_tells() -> None:
    """Also in the spellings that there are: the changelog writes ``Actor``, and an id has capital letters."""
    event = agreement_event()
    assert (event.agreement_uuid, event.agreement_external_id) == (
        STOPPED["agreementUUID"],
        STOPPED["agreementExternalId"],
    )
    assert event.actor is Actor.MERCHANT
    assert agreement_event(actor=None, Actor="ADMIN").actor is Actor.ADMIN
    assert agreement_event(actor=None).actor is None


@pytest.mark.parametrize("absent", [None, ...])
@pytest.mark.parametrize(
    ("member", "attribute", "value"),
    [
        ("amountCaptured", "amount_captured", Amount(0, "NOK")),
        ("amountCanceled", "amount_canceled", Amount(0, "NOK")),
        ("amountRefunded", "amount_refunded", Amount(0, "NOK")),
        ("chargeExternalId", "charge_external_id", None),
        ("chargeType", "charge_type", None),
        ("failureReason", "failure_reason", None),
        ("transactionId", "transaction_id", None),
        ("msn", "msn", None),
    ],
)
def test_absent_and_null_are_the_same(absent: Any, member: str, attribute: str, value: Any) -> None:
    """Some members are left out, some were null before."""
    assert getattr(charge_event(**{member: absent}), attribute) == value


def test_an_unknown_type_of_a_known_kind_is_kept() -> None:
    """A new one is an event of its kind, for whoever asks for the class or for everything."""
    event = charge_event(eventType="recurring.charge-doubted.v2")
    assert (event.type, event.event_type.is_known) == ("recurring.charge-doubted.v2", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"agreementId": None},
        {"chargeId": ...},
        {"amount": "49900"},
        {"amount": 499.0},
        {"amountCaptured": "0.5"},
        {"amountRefunded": -1},
        {"currency": ...},
        {"currency": 7},
        {"occurred": "yesterday"},
        {"transactionId": 7},
        {"msn": 7},
    ],
)
def test_a_malformed_charge_event_is_no_event(changes: dict[str, Any]) -> None:
    """Money, ids and times are strict: such a delivery is refused, and comes again."""
    with pytest.raises(NotAnEvent, match="not a ChargeEvent"):
        charge_event(**changes)


def test_a_malformed_agreement_event_is_no_event() -> None:
    """The same."""
    with pytest.raises(NotAnEvent, match="not a AgreementEvent"):
        agreement_event(agreementId=None)


def test_what_makes_two_events_the_same() -> None:
    """What can happen once is known by what it happened to; what happens in parts, by the part too."""
    others: list[dict[str, Any]] = [
        {"msn": "654321"},
        {"agreementId": "agr_2"},
        {"chargeId": "other"},
        {"eventType": "recurring.charge-reserved.v1"},
        {"eventType": "recurring.charge-refunded.v1"},
        {"transactionId": "5001419122"},
        {"amountCaptured": 49900},
    ]
    keys = {charge_event(**change).dedup_key for change in [{}, *others]}
    assert len(keys) == len(others) + 1
    same: list[dict[str, Any]] = [{"failureReason": "technical_error"}, {"chargeExternalId": None}]
    assert {charge_event(**change).dedup_key for change in same} == {charge_event().dedup_key}


def test_captures_without_a_transaction_are_told_apart_by_their_time() -> None:
    """However the time is spelt."""
    seven, three = "2026-10-02T10:20:01.0070000Z", "2026-10-02T10:20:01.007Z"
    first = charge_event(transactionId=None, occurred=seven)
    assert first.dedup_key == charge_event(transactionId=None, occurred=three).dedup_key
    assert first.dedup_key != charge_event(transactionId=None, occurred="2026-10-02T10:20:02Z").dedup_key


def test_refunds_are_told_apart_by_their_time_too() -> None:
    """Nobody says that each has a transaction of its own."""
    refund = {"eventType": "recurring.charge-refunded.v1", "amountRefunded": 100}
    later = {**refund, "occurred": "2026-10-02T10:20:02Z"}
    assert charge_event(**refund).dedup_key != charge_event(**later).dedup_key
    assert charge_event(**refund).dedup_key != charge_event(**{**refund, "amountRefunded": 200}).dedup_key


@pytest.mark.parametrize("kind", ["reserved", "canceled", "failed"])
def test_what_happens_once_is_the_same_whenever_it_is_told(kind: str) -> None:
    """Neither its time nor its transaction makes it another one."""
    event_type = f"recurring.charge-{kind}.v1"
    told = {"eventType": event_type, "occurred": "2026-10-02T10:20:02Z", "transactionId": None}
    assert charge_event(eventType=event_type).dedup_key == charge_event(**told).dedup_key
    assert agreement_event().dedup_key == agreement_event(occurred="2026-10-02T10:20:02Z").dedup_key


def test_what_was_never_created_may_fail_again() -> None:
    """There is no charge that it could happen to once."""
    failed = {"eventType": "recurring.charge-creation-failed.v1"}
    later = {**failed, "occurred": "2026-10-02T10:20:02Z"}
    assert charge_event(**failed).dedup_key == charge_event(**failed, amount=1).dedup_key
    assert charge_event(**failed).dedup_key != charge_event(**later).dedup_key


async def test_handlers_ask_for_a_type_or_a_class() -> None:
    """And are given events of the class."""
    receiver, seen = receiver_of(), list[str]()

    @receiver.on(ChargeEventType.CAPTURED)
    async def taken(event: ChargeEvent) -> None:
        seen.append(f"captured {event.amount_captured}")

    @receiver.on(AgreementEventType.STOPPED)
    async def stopped(event: AgreementEvent) -> None:
        seen.append(f"stopped by {event.actor}")

    @receiver.on(ChargeEvent)
    async def any_charge(event: ChargeEvent) -> None:
        seen.append(event.charge_id)

    for said in (CAPTURED, CAPTURED, STOPPED, STOPPED):
        with receiver.watch("agr_ADbq4JK", msn="123456") as happened:
            assert (await receiver.handle(delivery(json.dumps(said).encode()))).status == 200
        assert happened.is_set() or len(seen) in {2, 3}
    assert seen == ["captured 300.00 NOK", "acme-sub-1234-2026-10", "stopped by MERCHANT"]
