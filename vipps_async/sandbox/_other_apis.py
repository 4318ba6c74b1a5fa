"""The APIs that the sandbox does not serve: their events can be registered for, and samples of them be had.

Nothing in the sandbox sends them. Performs no I/O. Source: Webhooks API, event types; QR and Login APIs, events.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from vipps_async._wire.json import encode
from vipps_async.sandbox._platform.api import ApiDefinition, SampleFacts

Template = Callable[[str, SampleFacts], dict[str, Any]]

_QR, _LOGIN, _DONATION = "qr-0001", "login-0001", "don-0001"
_CUSTOMER_TOKEN = "c2FuZGJveC1jdXN0b21lci10b2tlbg=="  # noqa: S105 - of nobody


def _time(now: datetime) -> str:
    return f"{now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}0000Z"


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
