"""Decoded replies -> models, either dialect's. Performs no I/O."""

from typing import Any

from vipps_async._converter import RAW
from vipps_async._http.reply import read_as
from vipps_async.epayment._event import PaymentEvent
from vipps_async.epayment._payment import Adjustment, CreatedPayment
from vipps_async.errors import InvalidReply


def read_created(document: Any, key: str) -> CreatedPayment:
    """Read the reply to a creation, which is a whole payment in the draft API."""
    is_whole_payment = "state" in _object(document)
    payment = document if is_whole_payment else None
    return read_as({**document, "idempotencyKey": key, "payment": payment, RAW: document}, CreatedPayment)


def read_adjustment(document: Any, reference: str, key: str) -> Adjustment:
    """Read the reply to a capture, refund or cancellation, which is empty in the draft API."""
    if document is None:
        return Adjustment(reference=reference, idempotency_key=key)
    return read_as({**_object(document), "idempotencyKey": key, RAW: document}, Adjustment)


def read_log(document: Any, msn: str) -> list[PaymentEvent]:
    """Read the event log of a merchant's payment.

    An entry is the same event as its delivery. The current API's deliveries tell the merchant serial number, and its
    log does not; the draft's tell none in either place.
    """
    if not isinstance(document, list):
        raise InvalidReply("the event log is not a list")
    return [_entry(entry, msn) for entry in document]


def _entry(entry: Any, msn: str) -> PaymentEvent:
    is_current = isinstance(entry, dict) and "name" in entry
    return read_as({"msn": msn, **entry, RAW: entry} if is_current else entry, PaymentEvent)


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidReply("the reply is not an object")
    return document
