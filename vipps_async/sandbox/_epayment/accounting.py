"""Changes a payment's money: one synchronous step from one value to the next. Performs no I/O.

Sources: ePayment API, capture, refund, cancel and error codes.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.sandbox._epayment.errors import error
from vipps_async.sandbox._epayment.lifecycle import ADJUST_REFUSED, REFUSALS, TRANSITIONS, Action, EventName, State
from vipps_async.sandbox._epayment.payments import Command, LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.permissions import Permission

# minor units -> error code of the refund: the user is gone or has no account; the period is over: knowledge base, test
# environment.
_REFUND_TRIGGERS: Mapping[int, str] = MappingProxyType({123: "6210", 124: "6220"})

_Broken = Callable[[LedgerPayment, Command, datetime], bool]


def _lapsed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and now > deadline


def _asks_for(amount: int) -> _Broken:
    return lambda _, command, __: command.asked == amount


def _processing(payment: LedgerPayment, _: Command, now: datetime) -> bool:
    return payment.is_processing(now)


_FOREIGN: tuple[str, _Broken] = ("4040", lambda payment, command, _: command.currency not in {None, payment.currency})

# For payments that the state table lets through: (error code, whether the rule is broken), in the order of checking.
_MONEY_RULES: Mapping[Action, tuple[tuple[str, _Broken], ...]] = MappingProxyType(
    {
        Action.APPROVE: (("10020", _processing),),
        Action.REJECT: (("10060", _processing),),
        Action.GO_BACK: (("10060", _processing),),
        Action.EXPIRE: (("10060", _processing),),
        Action.CAPTURE: (
            _FOREIGN,
            ("6170", lambda payment, *_: payment.capturable == 0 and payment.cancelled_amount == 0),
            ("6100", lambda payment, _, now: _lapsed(payment.capture_until, now)),
            ("6070", lambda payment, *_: payment.capturable == 0),
            ("6090", lambda payment, command, _: command.asked > payment.capturable),
        ),
        Action.REFUND: (
            _FOREIGN,
            ("6180", lambda payment, *_: payment.captured_amount > 0 and payment.refundable == 0),
            ("6220", lambda payment, _, now: _lapsed(payment.refund_until, now)),
            ("6150", lambda payment, command, _: command.asked > payment.refundable),
            *((code, _asks_for(amount)) for amount, code in _REFUND_TRIGGERS.items()),
        ),
        Action.CANCEL: (
            _FOREIGN,
            ("6250", _processing),
            ("6060", lambda payment, command, _: command.unauthorized_only and payment.state is State.AUTHORIZED),
            ("6040", lambda payment, *_: payment.captured_amount == payment.authorized_amount > 0),
            ("6030", lambda payment, _, now: _lapsed(payment.capture_until, now)),
            ("6050", lambda payment, *_: payment.state is State.AUTHORIZED and payment.capturable == 0),
            ("6190", lambda payment, command, _: command.asked > (payment.capturable or payment.amount)),
        ),
        Action.ADJUST: (
            _FOREIGN,
            (ADJUST_REFUSED, lambda payment, command, _: command.asked < _spent(payment)),
        ),
    }
)


# What is refused without a permission though the money is there: (action, error code, whether it needs it).
_PERMISSION_RULES: Mapping[Permission, tuple[Action, str, _Broken]] = MappingProxyType(
    {
        Permission.PARTIAL_CAPTURE: (
            Action.CAPTURE,
            "6140",
            lambda payment, command, _: command.asked < payment.capturable,
        ),
        Permission.REFUND: (Action.REFUND, "5100", lambda *_: True),
    }
)


def _rules(action: Action, denied: frozenset[Permission]) -> Iterator[tuple[str, _Broken]]:
    yield from _MONEY_RULES.get(action, ())
    for permission, (needing, code, broken) in _PERMISSION_RULES.items():
        if permission in denied and needing is action:
            yield code, broken


def _spent(payment: LedgerPayment) -> int:
    return payment.captured_amount + payment.cancelled_amount


@attrs.frozen
class _Booking:
    """The amount that an event is about, and what it changes in the payment."""

    amount: int
    changes: Mapping[str, Any] = attrs.field(factory=dict)


def _authorized(payment: LedgerPayment, command: Command, now: datetime) -> _Booking:
    # The chosen shipping is added to the payment: ePayment API, Express.
    total = payment.amount + command.shipping_cost
    changes = {"amount": total, "authorized_amount": total, "authorized_at": now, "approval": command.approval}
    return _Booking(total, {**changes, "outcome": None})


def _captured(payment: LedgerPayment, command: Command, _: datetime) -> _Booking:
    return _Booking(command.asked, {"captured_amount": payment.captured_amount + command.asked})


def _refunded(payment: LedgerPayment, command: Command, _: datetime) -> _Booking:
    return _Booking(command.asked, {"refunded_amount": payment.refunded_amount + command.asked})


def _cancelled(payment: LedgerPayment, command: Command, _: datetime) -> _Booking:
    released = command.amount or payment.capturable
    return _Booking(released, {"cancelled_amount": payment.cancelled_amount + released})


def _terminated(payment: LedgerPayment, *_: object) -> _Booking:
    # Nothing was reserved, yet the documented answer shows the whole amount as cancelled: ePayment API, cancel.
    return _Booking(payment.amount, {"cancelled_amount": payment.amount})


def _adjusted(_: LedgerPayment, command: Command, __: datetime) -> _Booking:
    return _Booking(command.asked, {"authorized_amount": command.asked})


def _unpaid(payment: LedgerPayment, *_: object) -> _Booking:
    return _Booking(payment.amount)


_BOOKINGS: Mapping[EventName, Callable[[LedgerPayment, Command, datetime], _Booking]] = MappingProxyType(
    {
        EventName.AUTHORIZED: _authorized,
        EventName.ABORTED: _unpaid,
        EventName.EXPIRED: _unpaid,
        EventName.TERMINATED: _terminated,
        EventName.CANCELLED: _cancelled,
        EventName.CAPTURED: _captured,
        EventName.REFUNDED: _refunded,
        EventName.ADJUSTED: _adjusted,
    }
)

# Until money is reserved, every event carries the key that the payment was created with: ePayment API, event log.
_OWN_KEY = frozenset({EventName.CAPTURED, EventName.REFUNDED, EventName.CANCELLED, EventName.ADJUSTED})


def perform(
    payment: LedgerPayment, command: Command, *, psp_reference: str, now: datetime, denied: frozenset[Permission]
) -> LedgerPayment:
    """Return what *command* makes of *payment*, its new event last.

    Raises:
        ProblemError: the state table or a money rule forbids it, or it needs a permission that is *denied*.
    """
    transition = TRANSITIONS.get((payment.state, command.action))
    if transition is None:
        raise error(REFUSALS[payment.state, command.action])
    for code, broken in _rules(command.action, denied):
        if broken(payment, command, now):
            raise error(code)
    booking = _BOOKINGS[transition.event](payment, command, now)
    event = LedgerEvent(
        name=transition.event,
        reference=payment.reference,
        psp_reference=psp_reference,
        amount=booking.amount,
        currency=payment.currency,
        timestamp=now,
        idempotency_key=command.idempotency_key if transition.event in _OWN_KEY else payment.idempotency_key,
        success=not command.fails,
    )
    # A failed operation is no change of state: ePayment API, events.
    changes = {} if command.fails else {"state": transition.state, **booking.changes}
    return attrs.evolve(payment, events=(*payment.events, event), **changes)
