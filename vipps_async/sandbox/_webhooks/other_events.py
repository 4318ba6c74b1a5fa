"""The event types of the other APIs, and the body of each for whoever wants to see what a receiver does with it.

Nothing in the sandbox sends them. Performs no I/O. Source: Webhooks API, event types; Recurring, QR and Login APIs,
events.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async._wire.json import encode

_AGREEMENT, _CHARGE, _QR, _LOGIN, _DONATION = "agr_0001", "chr-0001", "qr-0001", "login-0001", "don-0001"
_AGREEMENTS = uuid.UUID("0f3c7a52-8f0e-4a53-9a5c-7c1f6f1f2f0d")
_SMALLEST = 1_000_000_000  # of ten digits
_CUSTOMER_TOKEN = "c2FuZGJveC1jdXN0b21lci10b2tlbg=="  # noqa: S105 - of nobody


@attrs.frozen(kw_only=True)
class Particulars:
    """What an event is to say.

    Attributes:
        type: the event type.
        reference: the id of the agreement, charge, merchant QR or login; ``None``: one of the sandbox's own.
        amount: of a charge, in minor units.
        currency: of *amount*, ISO 4217.
        transaction: the ``transactionId`` of a charge; ``None``: a new one.
        msn: the sales unit's.
        now: when it happened.
    """

    type: str
    reference: str | None
    amount: int
    currency: str
    transaction: str | None
    msn: str
    now: datetime

    @property
    def occurred(self) -> str:
        """The time as these APIs write it."""
        return f"{self.now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _agreement(event: Particulars) -> dict[str, Any]:
    agreement = event.reference or _AGREEMENT
    return {
        "agreementId": agreement,
        "agreementUUID": str(uuid.uuid5(_AGREEMENTS, agreement)),
        "eventType": event.type,
        "occurred": event.occurred,
        "msn": event.msn,
    }


def _stopped_agreement(event: Particulars) -> dict[str, Any]:
    return {**_agreement(event), "actor": "USER"}


def _charge(
    *, captured: bool = False, canceled: bool = False, refunded: bool = False, failure: str | None = None
) -> Callable[[Particulars], dict[str, Any]]:
    """Return the template of a charge of which all is captured, canceled or refunded, or which failed."""

    def body(event: Particulars) -> dict[str, Any]:
        return {
            "agreementId": _AGREEMENT,
            "chargeId": event.reference or _CHARGE,
            "amount": event.amount,
            "currency": event.currency,
            "chargeType": "RECURRING",
            "eventType": event.type,
            "occurred": event.occurred,
            "amountCaptured": event.amount * captured,
            "amountCanceled": event.amount * canceled,
            "amountRefunded": event.amount * refunded,
            "failureCode": None,  # what it may be is not documented
            "failureReason": failure,
            "transactionId": event.transaction or str(_SMALLEST + secrets.randbelow(_SMALLEST)),
            "msn": event.msn,
        }

    return body


def _checked_in(event: Particulars) -> dict[str, Any]:
    return {
        "customerToken": _CUSTOMER_TOKEN,
        "merchantQrId": event.reference or _QR,
        "msn": event.msn,
        "initiatedAt": event.occurred,
    }


def _login(event: Particulars) -> dict[str, Any]:
    return {"auth_req_id": event.reference or _LOGIN}


def _donation(event: Particulars) -> dict[str, Any]:
    # A receiver is to follow it up by a read; what else it says is not documented.
    return {
        "agreementId": event.reference or _DONATION,
        "eventType": event.type,
        "occurred": event.occurred,
        "msn": event.msn,
    }


_DONATIONS = tuple(
    f"donations.agreement.{what}.v1" for what in ("started", "stopped", "withdrawal-day-changed", "amount-changed")
)

OTHER_EVENTS: Mapping[str, Callable[[Particulars], dict[str, Any]]] = MappingProxyType(
    {
        "recurring.agreement-activated.v1": _agreement,
        "recurring.agreement-rejected.v1": _agreement,
        "recurring.agreement-stopped.v1": _stopped_agreement,
        "recurring.agreement-expired.v1": _agreement,
        "recurring.charge-reserved.v1": _charge(),
        "recurring.charge-captured.v1": _charge(captured=True),
        "recurring.charge-canceled.v1": _charge(canceled=True),
        "recurring.charge-refunded.v1": _charge(captured=True, refunded=True),
        "recurring.charge-failed.v1": _charge(failure="user_action_required"),
        "recurring.charge-creation-failed.v1": _charge(failure="non_technical_error"),
        **dict.fromkeys(_DONATIONS, _donation),
        "login.merchant-initiated.ping.v1": _login,
        "user.checked-in.v1": _checked_in,
    }
)


def other_event(event: Particulars) -> bytes:
    """Return the body of an event of another API than ePayment; its type is one of `OTHER_EVENTS`."""
    return encode(OTHER_EVENTS[event.type](event))
