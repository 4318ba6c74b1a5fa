"""Decoded replies -> models, either dialect's, each about the payment that was asked for. Performs no I/O."""

from typing import Any, TypeVar

from vipps_async._http.reply import read_as
from vipps_async.epayment._event import PaymentEvent
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._results import Adjustment, CreatedPayment
from vipps_async.errors import InvalidReply, shorten

T = TypeVar("T", CreatedPayment, Payment, Adjustment, PaymentEvent)


def read_created(document: Any, reference: str, key: str) -> CreatedPayment:
    """Read the reply to a creation, which is a whole payment in the draft API."""
    is_whole_payment = "state" in _object(document)
    payment = document if is_whole_payment else None
    members = {**document, "idempotencyKey": key, "payment": payment}
    return _of(reference, read_as(members, CreatedPayment, raw=document))


def read_payment(document: Any, reference: str) -> Payment:
    """Read a payment."""
    return _of(reference, read_as(document, Payment))


def read_adjustment(document: Any, reference: str, key: str) -> Adjustment:
    """Read the reply to a capture, refund or cancellation, which is empty in the draft API."""
    if document is None:
        return Adjustment(reference=reference, idempotency_key=key)
    adjustment = read_as({**_object(document), "idempotencyKey": key}, Adjustment, raw=document)
    if adjustment.is_accepted_only:
        raise InvalidReply("the reply tells no totals")
    return _of(reference, adjustment)


def read_log(document: Any, reference: str, msn: str) -> list[PaymentEvent]:
    """Read the event log of a merchant's payment.

    An entry is the same event as its delivery. The current API's deliveries tell the merchant serial number, and its
    log does not; the draft's tell none in either place.
    """
    if not isinstance(document, list):
        raise InvalidReply("the event log is not a list")
    return [_of(reference, _entry(entry, msn)) for entry in document]


def _entry(entry: Any, msn: str) -> PaymentEvent:
    if not isinstance(entry, dict) or "name" not in entry:
        return read_as(entry, PaymentEvent)
    return read_as({"msn": msn, **entry}, PaymentEvent, raw=entry)


def _of(reference: str, model: T) -> T:
    # A reply that was left over on a connection, or crossed in a proxy, is another payment's.
    if model.reference != reference:
        raise InvalidReply(f"the reply is about payment {shorten(model.reference)} instead of {reference}")
    return model


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidReply("the reply is not an object")
    return document
