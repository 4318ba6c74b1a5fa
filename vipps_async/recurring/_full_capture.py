"""How much a capture of all that remains is about, also when it is repeated by its key.

A capture that is repeated by its key must have its first amount, or the API takes it for another one. The charge's
history names that amount. If nothing remains, and the history does not account for all that was captured, the capture
with this key may be the one that took it.
"""

from vipps_async.errors import InvalidRequest, OutcomeUnknown
from vipps_async.money import Amount
from vipps_async.recurring._charge import Charge
from vipps_async.recurring._enums import ChargeAction


def amount_of_full_capture(charge: Charge, key: str | None) -> Amount:
    """Return what is left to capture of a charge, or what an earlier capture with *key* was about.

    Raises:
        InvalidRequest: nothing is left, and not because of a capture with *key*.
        OutcomeUnknown: a capture with *key* may have taken all, and the history does not tell.
    """
    captures = [entry for entry in charge.history if entry.event is ChargeAction.CAPTURE]
    for entry in captures:
        if key is not None and entry.idempotency_key == key:
            return Amount(entry.amount.value, entry.amount.currency)
    if charge.left_to_capture.value:
        return charge.left_to_capture
    # By other keys: an entry that does not tell its key may be this one's.
    accounted_for = sum(entry.amount.value for entry in captures if entry.success and entry.idempotency_key)
    if key is not None and accounted_for < charge.summary.captured.value:
        raise _outcome_unknown(key)
    rule = f"the charge is {charge.status}, and nothing of its {charge.amount} remains to capture"
    raise InvalidRequest("charge_id", charge.id, rule)


def _outcome_unknown(key: str) -> OutcomeUnknown:
    error = OutcomeUnknown(
        "a capture with this idempotency key may have taken effect, which the charge's history does not tell yet; "
        "next: repeat it with the same arguments and this key, which cannot do it twice"
    )
    error.operation = "capture charge"
    error.idempotency_key = key
    return error
