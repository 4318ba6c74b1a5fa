"""The APIs that the sandbox does not serve: their events can be registered for, and samples of them be had.

Nothing in the sandbox sends them. Performs no I/O. Source: Webhooks API, event types; Recurring, QR and Login APIs,
events.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from vipps_async._wire.json import encode
from vipps_async.sandbox._platform.api import ApiDefinition, SampleFacts

Template = Callable[[str, SampleFacts], dict[str, Any]]

_AGREEMENT, _CHARGE, _QR, _LOGIN, _DONATION = "agr_0001", "chr-0001", "qr-0001", "login-0001", "don-0001"
_AGREEMENTS = uuid.UUID("0f3c7a52-8f0e-4a53-9a5c-7c1f6f1f2f0d")
_SMALLEST = 1_000_000_000  # of ten digits
_CUSTOMER_TOKEN = "c2FuZGJveC1jdXN0b21lci10b2tlbg=="  # noqa: S105 - of nobody


def _time(now: datetime) -> str:
    return f"{now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}0000Z"


def _agreement(event_type: str, facts: SampleFacts) -> dict[str, Any]:
    agreement = facts.reference or _AGREEMENT
    return {
        "agreementId": agreement,
        "agreementUUID": str(uuid.uuid5(_AGREEMENTS, agreement)),
        "eventType": event_type,
        "occurred": _time(facts.now),
        "msn": facts.msn,
    }


def _stopped_agreement(event_type: str, facts: SampleFacts) -> dict[str, Any]:
    return {**_agreement(event_type, facts), "actor": "USER"}


def _charge(
    *, captured: bool = False, canceled: bool = False, refunded: bool = False, failure: str | None = None
) -> Template:
    """Return the template of a charge of which all is captured, canceled or refunded, or which failed."""

    def body(event_type: str, facts: SampleFacts) -> dict[str, Any]:
        return {
            "agreementId": _AGREEMENT,
            "chargeId": facts.reference or _CHARGE,
            "amount": facts.amount,
            "currency": facts.currency,
            "chargeType": "RECURRING",
            "eventType": event_type,
            "occurred": _time(facts.now),
            "amountCaptured": facts.amount * captured,
            "amountCanceled": facts.amount * canceled,
            "amountRefunded": facts.amount * refunded,
            **({"failureReason": failure} if failure else {}),
            "transactionId": facts.event_id or str(_SMALLEST + secrets.randbelow(_SMALLEST)),
            "msn": facts.msn,
        }

    return body


def _checked_in(_: str, facts: SampleFacts) -> dict[str, Any]:
    return {
        "customerToken": _CUSTOMER_TOKEN,
        "merchantQrId": facts.reference or _QR,
        "msn": facts.msn,
        "initiatedAt": _time(facts.now),
    }


def _login(_: str, facts: SampleFacts) -> dict[str, Any]:
    return {"auth_req_id": facts.reference or _LOGIN}


def _donation(event_type: str, facts: SampleFacts) -> dict[str, Any]:
    # A receiver is to follow it up by a read; what else it says is not documented.
    return {
        "agreementId": facts.reference or _DONATION,
        "eventType": event_type,
        "occurred": _time(facts.now),
        "msn": facts.msn,
    }


def _unserved(name: str, templates: dict[str, Template], **limits: int) -> ApiDefinition:
    return ApiDefinition(
        name=name,
        event_types=MappingProxyType({event_type: event_type for event_type in templates}),
        event_limits={event_type: limit for event_type in templates for limit in limits.values()},
        sample=lambda event_type, facts: encode(templates[event_type](event_type, facts)),
    )


OTHER_APIS = (
    _unserved(
        "recurring",
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
        },
    ),
    _unserved("login", {"login.merchant-initiated.ping.v1": _login}),
    _unserved("qr", {"user.checked-in.v1": _checked_in}, webhooks=1),
    _unserved(
        "donations",
        {
            f"donations.agreement.{what}.v1": _donation
            for what in ("started", "stopped", "withdrawal-day-changed", "amount-changed")
        },
    ),
)
