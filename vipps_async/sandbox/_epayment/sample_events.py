"""The body of an event that did not happen, for whoever wants to see what a receiver does with it. Performs no I/O."""

import uuid
from datetime import datetime

from vipps_async._wire.json import encode
from vipps_async.sandbox._epayment.dialects import DIALECTS
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment


def sample_event(
    name: EventName,
    *,
    dialect: str,
    reference: str,
    amount: int,
    currency: str,
    psp_reference: str | None,
    msn: str,
    now: datetime,
    success: bool,
) -> bytes:
    """Return the body that the sandbox would deliver for an event.

    Args:
        name: what happened.
        dialect: ``"current"`` or ``"draft"``.
        reference: to which payment.
        amount: the event's, in minor units.
        currency: ISO 4217.
        psp_reference: the event's; ``None``: a new one.
        msn: the sales unit's.
        now: when.
        success: whether the operation went well.
    """
    event = LedgerEvent(
        name=name,
        reference=reference,
        psp_reference=psp_reference or DIALECTS[dialect].psp_reference(),
        amount=amount,
        currency=currency,
        timestamp=now,
        success=success,
    )
    payment = LedgerPayment(
        reference=reference,
        currency=currency,
        amount=amount,
        psp_reference=event.psp_reference,
        token="",
        idempotency_key=str(uuid.uuid4()),
        created_at=now,
        expires_at=now,
    )
    return encode(DIALECTS[dialect].notified(payment, event, msn))
