"""The body of an event that did not happen, for whoever wants to see what a receiver does with it. Performs no I/O."""

import uuid

from vipps_async._wire.json import encode
from vipps_async.sandbox._epayment.dialects import Dialect
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._platform.api import SampleFacts

_REFERENCE = "order-0001"


def sample_event(dialect: Dialect, name: str, facts: SampleFacts) -> bytes:
    """Return the body that the sandbox would deliver for an event.

    Args:
        dialect: which version of the API speaks.
        name: what happened.
        facts: what the event is to say.
    """
    event = LedgerEvent(
        name=EventName(name),
        reference=facts.reference or _REFERENCE,
        psp_reference=facts.event_id or dialect.psp_reference(),
        amount=facts.amount,
        currency=facts.currency,
        timestamp=facts.now,
        success=facts.success,
    )
    payment = LedgerPayment(
        reference=event.reference,
        currency=facts.currency,
        amount=facts.amount,
        psp_reference=event.psp_reference,
        token="",
        idempotency_key=str(uuid.uuid4()),
        created_at=facts.now,
        expires_at=facts.now,
    )
    return encode(dialect.notified(payment, event, facts.msn))
