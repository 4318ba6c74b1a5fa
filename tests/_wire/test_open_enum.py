"""A text that no member has becomes a member of its own, and behaves as that text everywhere."""

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import PaymentEventName, PaymentMethodType, PaymentState, QrImageFormat, UserFlow
from vipps_async._wire.open_enum import OpenEnum
from vipps_async.errors import InvalidRequest

ENUMS = [PaymentState, PaymentEventName, PaymentMethodType, UserFlow, QrImageFormat]


@pytest.mark.parametrize("kind", ENUMS)
@given(text=st.text(max_size=40))
def test_any_text_survives(kind: type[OpenEnum], text: str) -> None:
    """Any text makes a member whose text, hash, JSON and formatting are those of its value."""
    member = kind(text)
    if member.is_known:
        return
    assert member == text
    assert member.value == str(member) == f"{member}" == member.name == text
    assert hash(member) == hash(text)
    assert {member: 1}[kind(text)] == 1
    assert json.loads(json.dumps(member)) == text


@pytest.mark.parametrize("kind", ENUMS)
def test_a_known_member_is_found_by_its_text(kind: type[OpenEnum]) -> None:
    """Each member is one object, is known, and is equal to its text."""
    for member in kind:
        assert kind(member.value) is member
        assert kind(member) is member
        assert member.is_known
        assert member == member.value
        assert hash(member) == hash(member.value)


@pytest.mark.parametrize("member", [PaymentState("REVERSED"), PaymentState.AUTHORIZED, PaymentEventName("DISPUTED")])
def test_members_travel(member: OpenEnum) -> None:
    """Known and unknown members survive pickling and copying, type and knowledge included."""
    for again in (pickle.loads(pickle.dumps(member)), copy.copy(member), copy.deepcopy(member)):  # noqa: S301 - pickled here
        assert again == member
        assert type(again) is type(member)
        assert again.is_known is member.is_known
        assert hash(again) == hash(member)


def test_an_unknown_member_does_not_join_the_known_ones() -> None:
    """Meeting an unknown value changes neither the list of members nor whether the next one is known."""
    before = list(PaymentState)
    unknown = PaymentState("REVERSED")
    assert not unknown.is_known
    assert list(PaymentState) == before
    assert not PaymentState("REVERSED").is_known
    assert unknown not in before
    assert repr(unknown) == "<PaymentState.REVERSED: 'REVERSED'>"


def test_another_enum_s_member_is_its_text() -> None:
    """A member made from one of another enum has plain text as its name and value."""
    member = PaymentState(PaymentEventName.CAPTURED)
    assert (type(member.name), type(member.value), type(member)) == (str, str, PaymentState)
    assert member == "CAPTURED"
    assert PaymentState(PaymentEventName.CREATED) is PaymentState.CREATED


@pytest.mark.parametrize("value", [None, 5, 1.5, True, b"CREATED", ["CREATED"]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    """A value that is no text is refused with the list of members."""
    with pytest.raises(
        InvalidRequest, match="must be one of CREATED, AUTHORIZED, ABORTED, EXPIRED, TERMINATED"
    ) as refusal:
        PaymentState(value)
    assert refusal.value.value == value


@pytest.mark.parametrize(
    ("draft", "current"),
    [
        ("CREATION", PaymentEventName.CREATED),
        ("AUTHORISATION", PaymentEventName.AUTHORIZED),
        ("CAPTURE", PaymentEventName.CAPTURED),
        ("REFUND", PaymentEventName.REFUNDED),
        ("CANCELLATION", PaymentEventName.CANCELLED),
        ("TERMINATION", PaymentEventName.TERMINATED),
        ("TERMINATED", PaymentEventName.TERMINATED),
    ],
)
def test_the_draft_s_event_names_are_aliases(draft: str, current: PaymentEventName) -> None:
    """A draft name, as attribute and as text, is the current member itself."""
    assert PaymentEventName(draft) is current
    assert PaymentEventName[draft] is current
    assert getattr(PaymentEventName, draft) is current


def test_the_draft_s_state_is_an_alias() -> None:
    """AUTHORISED is AUTHORIZED, by attribute and by text."""
    assert PaymentState["AUTHORISED"] is PaymentState.AUTHORIZED
    assert getattr(PaymentState, "AUTHORISED") is PaymentState.AUTHORIZED  # noqa: B009 - mypy takes an alias for another member
    assert PaymentState("AUTHORISED") is PaymentState.AUTHORIZED


def test_only_the_end_without_money_is_dead() -> None:
    """ABORTED, EXPIRED and TERMINATED are dead; CREATED, AUTHORIZED and what is unknown are not."""
    dead = {state for state in PaymentState if state.ended_unpaid}
    assert dead == {"ABORTED", "EXPIRED", "TERMINATED"}
    assert not PaymentState("REVERSED").ended_unpaid


def test_event_names_give_the_types_to_register() -> None:
    """Each current name gives its documented webhook type, a draft name that of its current one."""
    assert {name.event_type for name in PaymentEventName if name != "AUTHORISATION_ADJUSTMENT"} == {
        f"epayments.payment.{word}.v1"
        for word in ("created", "authorized", "aborted", "expired", "terminated", "cancelled", "captured", "refunded")
    }
    assert PaymentEventName("CAPTURE").event_type == "epayments.payment.captured.v1"
