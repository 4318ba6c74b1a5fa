"""How much an agreement allows to be charged, and why a charge is not taken. Performs no I/O.

Sources: Recurring API, pricing, intervals and failure reasons; knowledge base, test environment (the trigger amounts).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._platform.triggers import why_declined
from vipps_async.sandbox._recurring.calendar import interval_of
from vipps_async.sandbox._recurring.lifecycle import ChargeState
from vipps_async.sandbox._recurring.records import LedgerAgreement, LedgerCharge

# Minor units that a charge, or a suggested maximum, comes to at least and at most.
SMALLEST = 100
LARGEST: Mapping[str, int] = MappingProxyType({"NOK": 2_000_000, "DKK": 30_000_000, "EUR": 200_000})
_TIMES_THE_PRICE = 5
_UNTAKEN = frozenset({ChargeState.PENDING, ChargeState.DUE, ChargeState.PROCESSING, ChargeState.FAILED})


def exceeds_ceiling(agreement: LedgerAgreement, charge: LedgerCharge, others: Iterable[LedgerCharge]) -> bool:
    """Whether a new charge comes, with those of its interval, to more than the agreement allows."""
    ceiling = _ceiling(agreement)
    return ceiling is not None and _sum_of_interval(agreement, charge, others) > ceiling


def why_not_taken(agreement: LedgerAgreement, charge: LedgerCharge, all_charges: Iterable[LedgerCharge]) -> str | None:
    """Return the API's reason why the attempt to take a charge fails; ``None`` if it does not."""
    if agreement.declines is not None:
        return agreement.declines
    if why_declined(charge.amount, charge.currency) is not None:
        return "user_action_required"
    if charge.type == "INITIAL" or agreement.max_amount is None:
        return None
    others = (each for each in all_charges if each.id != charge.id and each.state not in _UNTAKEN)
    is_too_high = _sum_of_interval(agreement, charge, others) > agreement.max_amount
    return "charge_amount_too_high" if is_too_high else None


def _ceiling(agreement: LedgerAgreement) -> int | None:
    pricing = agreement.pricing
    if "amount" in pricing:
        return int(pricing["amount"]) * _TIMES_THE_PRICE
    if "suggestedMaxAmount" in pricing:
        return max(int(pricing["suggestedMaxAmount"]), agreement.max_amount or 0)
    return None


def _sum_of_interval(agreement: LedgerAgreement, charge: LedgerCharge, others: Iterable[LedgerCharge]) -> int:
    interval = agreement.terms.get("interval")
    if interval is None or agreement.started_at is None:
        return charge.amount
    start = MARKETS[agreement.currency].day_of(agreement.started_at)
    first, after = interval_of(charge.due, start=start, interval=interval)
    counted = (
        each.amount - each.cancelled
        for each in others
        if each.type != "INITIAL" and each.state is not ChargeState.FAILED and first <= each.due < after
    )
    return charge.amount + sum(counted)
