"""Changes a charge: one synchronous step from one value to the next. Performs no I/O.

Source: Recurring API, charge states, capture, cancel and refund.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.sandbox._platform.problems import ProblemError
from vipps_async.sandbox._recurring.errors import error
from vipps_async.sandbox._recurring.lifecycle import CHARGE_TRANSITIONS, ChargeAction, ChargeState, Transition
from vipps_async.sandbox._recurring.records import ChargeEntry, LedgerCharge

_SMALLEST_ID = 1_000_000_000  # of ten digits
_REFUND_PERIOD = timedelta(days=365)

_Changes = Mapping[str, Any]
_Booking = Callable[[LedgerCharge, int, datetime], _Changes]

_BOOKINGS: Mapping[str, _Booking] = MappingProxyType(
    {
        "CAPTURE": lambda charge, amount, _: {"captured": charge.captured + amount},
        "REFUND": lambda charge, amount, _: {"refunded": charge.refunded + amount},
        "CANCEL": lambda charge, amount, _: {"cancelled": charge.cancelled + amount},
        "RESERVE": lambda _, __, now: {"reserved_at": now},
    }
)
# Of a merchant's action that no table has, the problem.
_REFUSALS: Mapping[ChargeAction, str] = MappingProxyType(
    {
        ChargeAction.CAPTURE: "charge-capture-failed",
        ChargeAction.CAPTURE_PART: "charge-capture-failed",
        ChargeAction.CANCEL: "cancel-charge-failed",
        ChargeAction.REFUND: "operation-failed",
        ChargeAction.REFUND_PART: "operation-failed",
    }
)

# With these a charge gets its transaction: Recurring API, transactionId.
_BEGINNINGS = frozenset({ChargeAction.FALL_DUE, ChargeAction.PROCESS})


def new_transaction_id() -> str:
    """Return the id of a movement of money."""
    return str(_SMALLEST_ID + secrets.randbelow(9 * _SMALLEST_ID))


def capture_of(charge: LedgerCharge, amount: int) -> ChargeAction:
    """Return which capture this is; raises ProblemError if it is of more than remains."""
    _check_state(charge, ChargeAction.CAPTURE)
    if amount > charge.remaining:
        raise error("charge-capture-failed", f"The amount {amount} is above the {charge.remaining} that remain.")
    return ChargeAction.CAPTURE if amount == charge.remaining else ChargeAction.CAPTURE_PART


def refund_of(charge: LedgerCharge, amount: int, *, now: datetime) -> ChargeAction:
    """Return which refund this is; raises ProblemError if it is of more than was captured, or too late."""
    _check_state(charge, ChargeAction.REFUND)
    left = charge.captured - charge.refunded
    if amount > left:
        raise error("operation-failed", f"The amount {amount} is above the {left} that can be refunded.")
    captured_at = max(entry.occurred for entry in charge.history if entry.event == "CAPTURE")
    if now > captured_at + _REFUND_PERIOD:
        raise error("operation-failed", "The time within which the charge can be refunded is over.")
    return ChargeAction.REFUND if amount == left else ChargeAction.REFUND_PART


def perform(
    charge: LedgerCharge,
    action: ChargeAction,
    *,
    now: datetime,
    amount: int | None = None,
    key: str | None = None,
    reason: str | None = None,
) -> tuple[LedgerCharge, Transition[ChargeState]]:
    """Return what *action* makes of *charge*, and how it is told.

    Args:
        charge: as it is.
        action: what is done.
        now: when.
        amount: how much it is about; ``None``: all that remains, or the whole charge.
        key: of the request.
        reason: why it fails.

    Raises:
        ProblemError: the state table forbids it.
    """
    transition = _check_state(charge, action)
    changes: dict[str, Any] = {"state": transition.state}
    if action is ChargeAction.PROCESS:
        changes["attempts"] = charge.attempts + 1
    if reason is not None and transition.state is ChargeState.FAILED:
        changes["failure_reason"] = reason
    if action in _BEGINNINGS and charge.transaction_id is None:
        changes["transaction_id"] = new_transaction_id()
    if transition.history is not None:
        about = _amount_of(charge, transition.history) if amount is None else amount
        changes |= _BOOKINGS.get(transition.history, _nothing)(charge, about, now)
        own_key = f"{charge.id}-{charge.agreement_id}-ProcessPayment"
        entry = ChargeEntry(
            event=transition.history,
            occurred=now,
            amount=about,
            idempotency_key=key or own_key,
            transaction_id=_transaction_of(charge, transition.history),
        )
        changes["history"] = (*charge.history, entry)
    return attrs.evolve(charge, **changes), transition


def _nothing(_: LedgerCharge, __: int, ___: datetime) -> _Changes:
    return {}


def _amount_of(charge: LedgerCharge, history: str) -> int:
    return charge.remaining if history in {"CAPTURE", "CANCEL"} else charge.amount


def _transaction_of(charge: LedgerCharge, history: str) -> str | None:
    """Return the id of the movement of money: the first capture has the charge's, each later one its own."""
    is_first = history == "CAPTURE" and charge.captured == 0
    return new_transaction_id() if history in {"CAPTURE", "REFUND"} and not is_first else charge.transaction_id


def _check_state(charge: LedgerCharge, action: ChargeAction) -> Transition[ChargeState]:
    transition = CHARGE_TRANSITIONS.get((charge.state, action))
    if transition is None:
        raise _refusal(charge, action)
    return transition


def _refusal(charge: LedgerCharge, action: ChargeAction) -> ProblemError:
    return error(_REFUSALS.get(action, "operation-failed"), f"The charge is {charge.state}.")
