"""Reads the bodies of events: by the families that this package knows, or as an event that none knows.

Performs no I/O. Source: Webhooks API, event types and payloads.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from vipps_async._events import Document, EventFamily, UnknownEvent, WebhookEvent, netstrings
from vipps_async._wire.converter import Malformed
from vipps_async._wire.json import NotJson, decode
from vipps_async._wire.times import as_utc
from vipps_async.epayment._event import PAYMENTS
from vipps_async.errors import NotAnEvent
from vipps_async.recurring._event import AGREEMENTS, CHARGES

FAMILIES: tuple[EventFamily[Any], ...] = (PAYMENTS, AGREEMENTS, CHARGES)

# Types that a webhook can be registered for, and that no family has a class for: they arrive as `UnknownEvent`.
OTHER_TYPES = (
    "login.merchant-initiated.ping.v1",
    "user.checked-in.v1",
    *(f"donations.agreement.{what}.v1" for what in ("started", "stopped", "withdrawal-day-changed", "amount-changed")),
)

# The member by which a document that does not tell its type is known, as these two do not.
_TYPES_BY_MEMBER: Mapping[str, str] = MappingProxyType(
    {"auth_req_id": "login.merchant-initiated.ping.v1", "customerToken": "user.checked-in.v1"}
)
_SUBJECTS = ("agreementId", "chargeId", "auth_req_id", "customerToken")
_MSNS = ("msn", "merchantSerialNumber")
_TIMES = ("occurred", "initiatedAt", "timestamp")
_LONGEST_SUBJECT = 64  # characters; what is longer is no id


def read_event(body: bytes, families: Sequence[EventFamily[Any]] = FAMILIES) -> WebhookEvent:
    """Read a delivery's body.

    Args:
        body: the bytes, verified.
        families: are asked in turn whether it is theirs.

    Raises:
        NotAnEvent: it is no JSON object, or a family's event in which something that decides is malformed.
    """
    try:
        document = decode(body)
    except NotJson as error:
        raise NotAnEvent(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict) or not document:
        raise NotAnEvent("the body is no JSON object, or one that tells nothing")
    for family in families:
        if family.recognise(document):
            return _read_as_of(family, document)
    return _unknown(document)


def _read_as_of(family: EventFamily[Any], document: Document) -> WebhookEvent:
    try:
        event: WebhookEvent = family.read(document)
    except Malformed as error:
        raise NotAnEvent(f"the body is not a {family.model.__name__}: {error}") from error
    return event


def known_types(families: Iterable[EventFamily[Any]]) -> tuple[str, ...]:
    """Return every event type that is known."""
    return (*(name for family in families for name in family.types), *OTHER_TYPES)


def _unknown(document: Document) -> UnknownEvent:
    event_type = _text(document, "eventType") or next(
        (name for member, name in _TYPES_BY_MEMBER.items() if member in document), ""
    )
    msn = _text(document, *_MSNS)
    key = netstrings(msn or "", event_type, _content_hash(document))
    subject = _text(document, *_SUBJECTS)
    return UnknownEvent(
        type=event_type,
        dedup_key=key,
        subject=subject if subject and len(subject) <= _LONGEST_SUBJECT else key,
        msn=msn,
        occurred_at=_moment(_text(document, *_TIMES)),
        raw=document,
    )


def _content_hash(document: Document) -> str:
    # Of the parsed document: a redelivery may be spelt differently.
    try:
        return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    except RecursionError as error:
        raise NotAnEvent("the body is nested too deeply") from error


def _text(document: Document, *members: str) -> str | None:
    return next((document[name] for name in members if isinstance(document.get(name), str) and document[name]), None)


def _moment(text: str | None) -> datetime | None:
    try:
        return (text and as_utc(datetime.fromisoformat(text))) or None
    except (ValueError, OverflowError):
        return None
