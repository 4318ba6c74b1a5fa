"""How payments and events look on the wire, in the current API and in its draft. Performs no I/O.

Sources: ePayment API 1.8.1, and its draft 0.9.0; Webhooks API, events.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._epayment.lifecycle import EventName, State
from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment

Document = dict[str, Any]

_CARD_BIN = "411111"  # of no bank's cards
_AGGREGATE = ("authorized", "cancelled", "captured", "refunded")


def _milliseconds(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _seconds(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _amount(payment: LedgerPayment | LedgerEvent, value: int) -> Document:
    return {"currency": payment.currency, "value": value}


def _aggregate(payment: LedgerPayment) -> Document:
    return {f"{name}Amount": _amount(payment, getattr(payment, f"{name}_amount")) for name in _AGGREGATE}


# The current API


def created(payment: LedgerPayment) -> Document:
    """Return the answer to a create request; ``PUSH_MESSAGE`` has no redirect URL."""
    redirect = {} if payment.redirect_url is None else {"redirectUrl": payment.redirect_url}
    return {**redirect, "reference": payment.reference}


def modified(payment: LedgerPayment) -> Document:
    """Return the answer to capture, refund and cancel: it carries the ``CREATED`` event's ``pspReference``."""
    return {
        "amount": _amount(payment, payment.amount),
        "state": payment.state,
        "aggregate": _aggregate(payment),
        "pspReference": payment.psp_reference,
        "reference": payment.reference,
    }


def fetched(payment: LedgerPayment) -> Document:
    """Return the answer to get payment."""
    return {
        "aggregate": _aggregate(payment),
        "amount": _amount(payment, payment.amount),
        "state": payment.state,
        "paymentMethod": _method(payment),
        "profile": {},
        "pspReference": payment.psp_reference,
        **_while_open(payment),
        "reference": payment.reference,
        **{name: payment.request[name] for name in ("metadata",) if payment.request.get(name)},
        **payment.approval,
        **_guarantee(payment),
    }


def _method(payment: LedgerPayment) -> Document:
    method = {"type": payment.request["paymentMethod"]["type"]}
    return {**method, "cardBin": _CARD_BIN} if payment.state is State.AUTHORIZED else method


def _while_open(payment: LedgerPayment) -> Document:
    is_open = payment.state is State.CREATED and payment.redirect_url is not None
    return {"redirectUrl": payment.redirect_url} if is_open else {}


def _guarantee(payment: LedgerPayment) -> Document:
    if payment.capture_until is None or not payment.capturable:
        return {}
    return {"captureGuaranteedUntil": _milliseconds(payment.capture_until).replace("Z", "+00:00")}


def logged(_: LedgerPayment, event: LedgerEvent) -> Document:
    """Return one entry of the event log."""
    key = {} if event.idempotency_key is None else {"idempotencyKey": event.idempotency_key}
    return {
        "reference": event.reference,
        "pspReference": event.psp_reference,
        "name": event.name,
        "amount": _amount(event, event.amount),
        "timestamp": _milliseconds(event.timestamp),
        **key,
        "success": event.success,
    }


def notified(payment: LedgerPayment, event: LedgerEvent, *, msn: str) -> Document:
    """Return the body of a webhook delivery: the log's entry and the MSN, and what comes with an approval."""
    return {"msn": msn, **logged(payment, event), **(_approved(payment) if event.name is EventName.AUTHORIZED else {})}


def _approved(payment: LedgerPayment) -> Document:
    # The user's identifier stands at the top here, where the payment has it in its profile.
    disclosed = {name: value for name, value in payment.approval.items() if name != "profile"}
    return {**payment.approval.get("profile", {}), **disclosed, **_guarantee(payment)}


# The draft

_DRAFT_STATES: Mapping[State, str] = MappingProxyType({State.AUTHORIZED: "AUTHORISED"})

# The draft's guide tells rejection and expiry as TERMINATION too; its specification spells it TERMINATED.
_DRAFT_ACTIONS: Mapping[EventName, str] = MappingProxyType(
    {
        EventName.CREATED: "CREATION",
        EventName.AUTHORIZED: "AUTHORISATION",
        EventName.ABORTED: "TERMINATION",
        EventName.EXPIRED: "TERMINATION",
        EventName.TERMINATED: "TERMINATION",
        EventName.CANCELLED: "CANCELLATION",
        EventName.CAPTURED: "CAPTURE",
        EventName.REFUNDED: "REFUND",
        EventName.ADJUSTED: "AUTHORISATION_ADJUSTMENT",
    }
)

_DRAFT_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "authorisationType": "FINAL_AUTH",
        "directCapture": False,
        "customerInteraction": "CUSTOMER_NOT_PRESENT",
    }
)


def _draft_amount(payment: LedgerPayment | LedgerEvent, value: int) -> Document:
    return {"currency": payment.currency, "type": "PURCHASE", "value": value}


def draft_payment(payment: LedgerPayment) -> Document:
    """Return the whole payment: the draft's answer to create and to get."""
    aggregate = {f"{name}Amount": _draft_amount(payment, getattr(payment, f"{name}_amount")) for name in _AGGREGATE}
    return {
        **_DRAFT_DEFAULTS,
        **payment.request,
        "aggregate": aggregate,
        "amount": _draft_amount(payment, payment.amount),
        "state": _DRAFT_STATES.get(payment.state, payment.state),
        "pspReference": payment.psp_reference,
        **({} if payment.redirect_url is None else {"redirectUrl": payment.redirect_url}),
        **_draft_profile(payment),
    }


def _draft_profile(payment: LedgerPayment) -> Document:
    asked = payment.request.get("profile")
    return {} if asked is None else {"profile": {**asked, **payment.approval.get("profile", {})}}


def draft_notified(payment: LedgerPayment, event: LedgerEvent) -> Document:
    """Return the draft's notification: no MSN, and a key even where the request had none."""
    return {
        "reference": event.reference,
        "pspReference": event.psp_reference,
        "paymentAction": _DRAFT_ACTIONS[event.name],
        "success": event.success,
        "amount": _draft_amount(event, event.amount),
        "processedAt": _seconds(event.timestamp),
        "idempotencyKey": event.idempotency_key or payment.idempotency_key,
    }


def draft_logged(payment: LedgerPayment, event: LedgerEvent) -> Document:
    """Return one entry of the draft's event log."""
    entry = draft_notified(payment, event)
    if event.name is EventName.AUTHORIZED:
        entry["authorisationType"] = payment.request.get("authorisationType", _DRAFT_DEFAULTS["authorisationType"])
    return entry
