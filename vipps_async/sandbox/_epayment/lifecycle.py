"""The life of a payment as tables: what each action makes of each state, and why it may not. Performs no I/O.

Sources: ePayment API, payment states; ePayment API, events; ePayment API, error codes.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs


class State(StrEnum):
    """The state of a payment. Captures and refunds do not change it: the amounts show them."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"


class Action(StrEnum):
    """An action of the user, the merchant or time on a payment."""

    APPROVE = "approve"
    REJECT = "reject"
    GO_BACK = "go-back"
    EXPIRE = "expire"
    CANCEL = "cancel"
    CAPTURE = "capture"
    REFUND = "refund"
    ADJUST = "adjust"


class EventName(StrEnum):
    """The name of an entry of the event log; ``ADJUSTED`` exists in the draft only."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"
    CANCELLED = "CANCELLED"
    CAPTURED = "CAPTURED"
    REFUNDED = "REFUNDED"
    ADJUSTED = "ADJUSTED"


# The draft's adjustment has no event type: only who asked for everything is sent it.
EVENT_TYPES: Mapping[str, str | None] = MappingProxyType(
    {name: None if name is EventName.ADJUSTED else f"epayments.payment.{name.lower()}.v1" for name in EventName}
)


@attrs.frozen
class Transition:
    """The result of an action.

    Attributes:
        state: the state afterwards.
        event: what the event log says.
    """

    state: State
    event: EventName


TRANSITIONS: Mapping[tuple[State, Action], Transition] = MappingProxyType(
    {
        (State.CREATED, Action.APPROVE): Transition(State.AUTHORIZED, EventName.AUTHORIZED),
        (State.CREATED, Action.REJECT): Transition(State.ABORTED, EventName.ABORTED),
        # What state that ends in is not documented; it is the user who ends it: knowledge base, landing page.
        (State.CREATED, Action.GO_BACK): Transition(State.ABORTED, EventName.ABORTED),
        (State.CREATED, Action.EXPIRE): Transition(State.EXPIRED, EventName.EXPIRED),
        (State.CREATED, Action.CANCEL): Transition(State.TERMINATED, EventName.TERMINATED),
        (State.AUTHORIZED, Action.CAPTURE): Transition(State.AUTHORIZED, EventName.CAPTURED),
        (State.AUTHORIZED, Action.REFUND): Transition(State.AUTHORIZED, EventName.REFUNDED),
        (State.AUTHORIZED, Action.CANCEL): Transition(State.AUTHORIZED, EventName.CANCELLED),
        (State.AUTHORIZED, Action.ADJUST): Transition(State.AUTHORIZED, EventName.ADJUSTED),
    }
)

# The draft has no numeric codes, and only the draft adjusts, so this one never reaches the wire.
ADJUST_REFUSED = "adjust"

REFUSALS: Mapping[tuple[State, Action], str] = MappingProxyType(
    {
        (State.AUTHORIZED, Action.APPROVE): "6230",
        (State.ABORTED, Action.APPROVE): "10020",
        (State.EXPIRED, Action.APPROVE): "10020",
        (State.TERMINATED, Action.APPROVE): "10020",
        (State.AUTHORIZED, Action.REJECT): "10060",
        (State.ABORTED, Action.REJECT): "10060",
        (State.EXPIRED, Action.REJECT): "10060",
        (State.TERMINATED, Action.REJECT): "10060",
        (State.AUTHORIZED, Action.GO_BACK): "10060",
        (State.ABORTED, Action.GO_BACK): "10060",
        (State.EXPIRED, Action.GO_BACK): "10060",
        (State.TERMINATED, Action.GO_BACK): "10060",
        (State.AUTHORIZED, Action.EXPIRE): "10060",
        (State.ABORTED, Action.EXPIRE): "10060",
        (State.EXPIRED, Action.EXPIRE): "10060",
        (State.TERMINATED, Action.EXPIRE): "10060",
        (State.ABORTED, Action.CANCEL): "6190",
        (State.EXPIRED, Action.CANCEL): "6190",
        (State.TERMINATED, Action.CANCEL): "6190",
        (State.CREATED, Action.CAPTURE): "6080",
        (State.ABORTED, Action.CAPTURE): "6200",
        (State.EXPIRED, Action.CAPTURE): "6200",
        (State.TERMINATED, Action.CAPTURE): "6070",
        (State.CREATED, Action.REFUND): "6020",
        (State.ABORTED, Action.REFUND): "6210",
        (State.EXPIRED, Action.REFUND): "6210",
        (State.TERMINATED, Action.REFUND): "6210",
        (State.CREATED, Action.ADJUST): ADJUST_REFUSED,
        (State.ABORTED, Action.ADJUST): ADJUST_REFUSED,
        (State.EXPIRED, Action.ADJUST): ADJUST_REFUSED,
        (State.TERMINATED, Action.ADJUST): ADJUST_REFUSED,
    }
)
