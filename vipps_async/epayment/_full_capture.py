"""How much a capture of all that remains is about, also when it is repeated by its key while reads lag behind.

A capture that is repeated by its key must have its first amount, or the API takes it for another one. The event log
names that amount, but may show it late. If nothing remains, and the log does not account for all that was captured,
the capture with this key may be the one that took it: then the log is read again until it tells, or time is over.
"""

import asyncio
import time
from typing import Protocol

from vipps_async.epayment._errors import RULES
from vipps_async.epayment._event import PaymentEvent, PaymentEventName
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._rules import check_modification_amount, check_modification_reference, check_reference
from vipps_async.errors import CallError, InvalidRequest, OutcomeUnknown
from vipps_async.money import Amount

_LOG_INTERVAL = 2.0  # seconds; ePayment API, polling


class PaymentReader(Protocol):
    """The reads and writes that a full capture needs."""

    async def get(self, reference: str) -> Payment:
        """Return the payment."""
        ...

    async def events(self, reference: str) -> list[PaymentEvent]:
        """Return its event log."""
        ...


def check_modification(reference: str, key: str | None, modification_reference: str | None) -> None:
    """Return if a modification can be asked for so; nothing has been sent yet.

    Raises:
        InvalidRequest: one of the three is malformed.
    """
    check_reference(reference)
    if key is not None:
        RULES.checked_key(key)
    if modification_reference is not None:
        check_modification_reference(modification_reference)


async def amount_of_full_capture(
    api: PaymentReader, reference: str, key: str | None, *, deadline: float, refused: Amount | None = None
) -> Amount:
    """Return what is left to capture, or what an earlier capture with *key* was about.

    Args:
        api: reads the payment, until *deadline* at the latest.
        reference: the payment's.
        key: the idempotency key that the caller gave.
        deadline: on the monotonic clock.
        refused: an amount that the API refused, because *key* belongs to a capture of another one.

    Raises:
        InvalidRequest: nothing is left, and not because of a capture with *key*.
        OutcomeUnknown: a capture with *key* may have taken all, and the event log does not tell yet.
        CallError: the payment could not be read.
    """
    is_in_doubt = refused is not None
    while True:
        try:
            amount = await _amount(api, reference, key)
        except CallError as error:
            if is_in_doubt:
                raise _outcome_unknown(key) from error
            raise
        if amount is not None and amount != refused:
            return amount
        is_in_doubt = True
        if time.monotonic() + _LOG_INTERVAL >= deadline:
            raise _outcome_unknown(key)
        await asyncio.sleep(_LOG_INTERVAL)


async def _amount(api: PaymentReader, reference: str, key: str | None) -> Amount | None:
    """Return the amount as it can be told now; ``None`` if a capture with *key* may have taken all."""
    # The log first: a capture that takes effect between the two reads must not look as if the log accounted for it.
    log = [] if key is None else await api.events(reference)
    captures = [event for event in log if event.name is PaymentEventName.CAPTURED]
    for event in captures:
        if event.idempotency_key == key:
            return Amount(event.amount.value, event.amount.currency)
    aggregate = (await api.get(reference)).aggregate
    if aggregate.left_to_capture.value:
        return check_modification_amount(aggregate.left_to_capture)
    # By other keys: an entry that does not tell its key may be this one's.
    accounted_for = sum(event.amount.value for event in captures if event.success and event.idempotency_key)
    if key is not None and accounted_for < aggregate.captured_amount.value:
        return None
    if not aggregate.authorized_amount.value:
        raise InvalidRequest("reference", reference, "the payment is not authorized; wait for its AUTHORIZED event")
    rule = f"nothing of the {aggregate.authorized_amount} authorized remains to capture"
    raise InvalidRequest("reference", reference, rule)


def _outcome_unknown(key: str | None) -> OutcomeUnknown:
    error = OutcomeUnknown(
        "a capture with this idempotency key may have taken effect, which the event log does not tell yet; "
        "next: repeat it with the same arguments and this key, which cannot do it twice"
    )
    error.operation = "capture"
    error.idempotency_key = key
    return error
