"""The lives of agreements and charges as tables: what each action makes of each state. Performs no I/O.

What no table has is refused. Sources: Recurring API, agreement and charge states; Webhooks API, Recurring events.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, TypeVar

import attrs


class AgreementState(StrEnum):
    """The state of an agreement."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    EXPIRED = "EXPIRED"


class AgreementAction(StrEnum):
    """An action of the user, the merchant or time on an agreement."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    UPDATE = "update"
    STOP = "stop"


class ChargeState(StrEnum):
    """The state of a charge."""

    PENDING = "PENDING"
    DUE = "DUE"
    PROCESSING = "PROCESSING"
    RESERVED = "RESERVED"
    CHARGED = "CHARGED"
    PARTIALLY_CAPTURED = "PARTIALLY_CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class ChargeAction(StrEnum):
    """An action of the merchant or time on a charge."""

    FALL_DUE = "fall due"
    PROCESS = "process"
    PAY = "pay"
    RESERVE = "reserve"
    POSTPONE = "postpone"
    FAIL = "fail"
    CANCEL = "cancel"
    CAPTURE = "capture"
    CAPTURE_PART = "capture a part"
    REFUND = "refund"
    REFUND_PART = "refund a part"


S = TypeVar("S")


@attrs.frozen
class Transition(Generic[S]):
    """The result of an action.

    Attributes:
        state: the state afterwards.
        history: what the history says; ``None``: nothing.
        event: the type of the event that is sent; ``None``: none is.
    """

    state: S
    history: str | None = None
    event: str | None = None


def _agreement_event(what: str) -> str:
    return f"recurring.agreement-{what}.v1"


def _charge_event(what: str) -> str:
    return f"recurring.charge-{what}.v1"


AGREEMENT_TRANSITIONS: Mapping[tuple[AgreementState, AgreementAction], Transition[AgreementState]] = MappingProxyType(
    {
        (AgreementState.PENDING, AgreementAction.ACCEPT): Transition(
            AgreementState.ACTIVE, "ACTIVATE", _agreement_event("activated")
        ),
        (AgreementState.PENDING, AgreementAction.DECLINE): Transition(
            AgreementState.STOPPED, "REJECT", _agreement_event("rejected")
        ),
        (AgreementState.PENDING, AgreementAction.EXPIRE): Transition(
            AgreementState.EXPIRED, "EXPIRE", _agreement_event("expired")
        ),
        (AgreementState.ACTIVE, AgreementAction.UPDATE): Transition(AgreementState.ACTIVE, "UPDATE"),
        (AgreementState.ACTIVE, AgreementAction.STOP): Transition(
            AgreementState.STOPPED, "STOP", _agreement_event("stopped")
        ),
        # Since September 2026; it changes nothing.
        (AgreementState.STOPPED, AgreementAction.STOP): Transition(AgreementState.STOPPED),
    }
)

_RESERVED, _PART = ChargeState.RESERVED, ChargeState.PARTIALLY_CAPTURED
_CANCELED = _charge_event("canceled")
_CAPTURED = _charge_event("captured")
_REFUNDED = _charge_event("refunded")

CHARGE_TRANSITIONS: Mapping[tuple[ChargeState, ChargeAction], Transition[ChargeState]] = MappingProxyType(
    {
        (ChargeState.PENDING, ChargeAction.FALL_DUE): Transition(ChargeState.DUE),
        # An initial charge is never due: it is taken when the user accepts.
        (ChargeState.PENDING, ChargeAction.PROCESS): Transition(ChargeState.PROCESSING),
        (ChargeState.DUE, ChargeAction.PROCESS): Transition(ChargeState.PROCESSING),
        (ChargeState.PROCESSING, ChargeAction.PAY): Transition(ChargeState.CHARGED, "CAPTURE", _CAPTURED),
        (ChargeState.PROCESSING, ChargeAction.RESERVE): Transition(_RESERVED, "RESERVE", _charge_event("reserved")),
        (ChargeState.PROCESSING, ChargeAction.POSTPONE): Transition(ChargeState.DUE),
        (ChargeState.PROCESSING, ChargeAction.FAIL): Transition(ChargeState.FAILED, "FAIL", _charge_event("failed")),
        (ChargeState.PENDING, ChargeAction.CANCEL): Transition(ChargeState.CANCELLED, "CANCEL", _CANCELED),
        (ChargeState.DUE, ChargeAction.CANCEL): Transition(ChargeState.CANCELLED, "CANCEL", _CANCELED),
        (_RESERVED, ChargeAction.CANCEL): Transition(ChargeState.CANCELLED, "CANCEL", _CANCELED),
        (_PART, ChargeAction.CANCEL): Transition(ChargeState.CHARGED, "CANCEL", _CANCELED),
        (_RESERVED, ChargeAction.CAPTURE): Transition(ChargeState.CHARGED, "CAPTURE", _CAPTURED),
        (_RESERVED, ChargeAction.CAPTURE_PART): Transition(_PART, "CAPTURE", _CAPTURED),
        (_PART, ChargeAction.CAPTURE): Transition(ChargeState.CHARGED, "CAPTURE", _CAPTURED),
        (_PART, ChargeAction.CAPTURE_PART): Transition(_PART, "CAPTURE", _CAPTURED),
        (ChargeState.CHARGED, ChargeAction.REFUND): Transition(ChargeState.REFUNDED, "REFUND", _REFUNDED),
        (ChargeState.CHARGED, ChargeAction.REFUND_PART): Transition(
            ChargeState.PARTIALLY_REFUNDED, "REFUND", _REFUNDED
        ),
        (ChargeState.PARTIALLY_REFUNDED, ChargeAction.REFUND): Transition(ChargeState.REFUNDED, "REFUND", _REFUNDED),
        (ChargeState.PARTIALLY_REFUNDED, ChargeAction.REFUND_PART): Transition(
            ChargeState.PARTIALLY_REFUNDED, "REFUND", _REFUNDED
        ),
    }
)

CREATION_FAILED = _charge_event("creation-failed")
EVENT_TYPES: tuple[str, ...] = (
    *(found.event for found in AGREEMENT_TRANSITIONS.values() if found.event),
    *dict.fromkeys(found.event for found in CHARGE_TRANSITIONS.values() if found.event),
    CREATION_FAILED,
)
