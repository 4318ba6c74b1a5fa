"""Faults as tables: each one's name, its meaning, and its effect.

The names are the same in Python, in JSON, on the command line and in references. There, neither case matters nor
whether ``_`` or ``-`` joins the words.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NewType, Self

import attrs

from vipps_async.sandbox._platform.auth import UNAUTHORIZED
from vipps_async.sandbox._platform.markup import document, element
from vipps_async.sandbox._platform.replies import HttpReply, of_gateway, of_html


class _Named(StrEnum):
    """A text enum whose members say what they mean."""

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get(str(value).upper().replace("-", "_"))

    @property
    def spelling(self) -> str:
        """The name as it is written on a command line: ``reset-after``."""
        return self.lower().replace("_", "-")


class Fault(_Named):
    """A fault of a request; the ``meaning`` of a member says what it does."""

    LATENCY = "LATENCY", "it took effect, the answer comes late"
    REFUSED = "REFUSED", "the connection is reset without effect, and all connections are refused for a while"
    RESET_BEFORE = "RESET_BEFORE", "the connection is reset, nothing took effect"
    RESET_AFTER = "RESET_AFTER", "it took effect, the connection is reset before an answer"
    TRUNCATED = "TRUNCATED", "it took effect, the answer ends half-way"
    STALLED = "STALLED", "it took effect, the answer stops half-way and the connection stays open"
    STATUS_401 = "STATUS_401", "no effect: the gateway does not accept the token, which stays valid"
    STATUS_403 = "STATUS_403", "no effect: the keys lack the permission"
    STATUS_408 = "STATUS_408", "no effect: a timeout at the gateway"
    STATUS_423 = "STATUS_423", "no effect: another operation is running"
    STATUS_429 = "STATUS_429", "no effect: too many requests"
    STATUS_500 = "STATUS_500", "no effect: an internal error"
    STATUS_502_HTML = "STATUS_502_HTML", "no effect: a proxy's HTML page"
    STATUS_503 = "STATUS_503", "no effect: the service is not available"
    STATUS_504 = "STATUS_504", "it took effect, the gateway's 504 comes back"
    HTML_200 = "HTML_200", "it took effect, an HTML page comes back with 200"
    EXPIRED_TOKEN = "EXPIRED_TOKEN", "no effect: 401, and the token that was presented is revoked"
    FAILED = "FAILED", "what changes money fails: 500 (the draft: 202), and an event with success false"


class DeliveryFault(_Named):
    """A fault of the delivery of an event; the ``meaning`` of a member says what it does."""

    DUPLICATE = "DUPLICATE", "it is delivered more than once, one after the other"
    CONCURRENT = "CONCURRENT", "it is delivered more than once, all at the same time"
    DROP = "DROP", "it never arrives"
    DELAY = "DELAY", "it comes late, and later events of its reference wait for it"
    REORDER = "REORDER", "the next event of its reference overtakes it; if none does in time, it only comes late"
    MIS_SIGN = "MIS_SIGN", "the first attempt has the signature of another body"
    RE_SIGN = "RE_SIGN", "the first attempt is signed with another secret"


# The code of a documented error, which is answered without effect.
ErrorCode = NewType("ErrorCode", str)
AnyFault = Fault | ErrorCode | DeliveryFault


class Transmission(StrEnum):
    """The part of an answer that reaches the client."""

    WHOLE = "WHOLE"
    NONE = "NONE"
    HALF_THEN_CUT = "HALF_THEN_CUT"
    HALF_THEN_SILENCE = "HALF_THEN_SILENCE"


@attrs.frozen(kw_only=True)
class RequestFaultEffect:
    """The effect that a request takes.

    Attributes:
        takes_effect: whether the API sees the request.
        fails: whether what it asks for fails there.
        reply: what is answered instead of the API's own reply.
        code: the error code of the problem that is answered instead.
        status: the status of the problem that is answered instead, as the API words it.
        transmission: how much of the answer is sent.
        revokes_token: whether the token that was presented is worth nothing afterwards.
        is_late: whether the answer is held back for the rule's seconds.
        is_outage: whether connections are refused for the rule's seconds.
    """

    takes_effect: bool = False
    fails: bool = False
    reply: HttpReply | None = None
    code: str | None = None
    status: int | None = None
    transmission: Transmission = Transmission.WHOLE
    revokes_token: bool = False
    is_late: bool = False
    is_outage: bool = False


def _proxy_page(status: int, title: str) -> HttpReply:
    said = element("p", "This is the sandbox playing a faulty proxy.")
    return of_html(status, document(element("title", title), element("h1", title), said))


REQUEST_EFFECTS: Mapping[Fault, RequestFaultEffect] = MappingProxyType(
    {
        Fault.LATENCY: RequestFaultEffect(takes_effect=True, is_late=True),
        Fault.REFUSED: RequestFaultEffect(transmission=Transmission.NONE, is_outage=True),
        Fault.RESET_BEFORE: RequestFaultEffect(transmission=Transmission.NONE),
        Fault.RESET_AFTER: RequestFaultEffect(takes_effect=True, transmission=Transmission.NONE),
        Fault.TRUNCATED: RequestFaultEffect(takes_effect=True, transmission=Transmission.HALF_THEN_CUT),
        Fault.STALLED: RequestFaultEffect(takes_effect=True, transmission=Transmission.HALF_THEN_SILENCE),
        Fault.STATUS_401: RequestFaultEffect(reply=UNAUTHORIZED),
        Fault.STATUS_403: RequestFaultEffect(reply=of_gateway(403, "Forbidden.")),
        Fault.STATUS_408: RequestFaultEffect(reply=of_gateway(408, "The request timed out.")),
        Fault.STATUS_423: RequestFaultEffect(status=423),
        Fault.STATUS_429: RequestFaultEffect(reply=of_gateway(429, "Rate limit is exceeded. Try again later.")),
        Fault.STATUS_500: RequestFaultEffect(status=500),
        Fault.STATUS_502_HTML: RequestFaultEffect(reply=_proxy_page(502, "502 Bad Gateway")),
        Fault.STATUS_503: RequestFaultEffect(reply=of_gateway(503, "The service is unavailable.")),
        Fault.STATUS_504: RequestFaultEffect(
            takes_effect=True, reply=of_gateway(504, "The service did not answer in time.")
        ),
        Fault.HTML_200: RequestFaultEffect(takes_effect=True, reply=_proxy_page(200, "Welcome")),
        Fault.EXPIRED_TOKEN: RequestFaultEffect(reply=UNAUTHORIZED, revokes_token=True),
        Fault.FAILED: RequestFaultEffect(takes_effect=True, fails=True),
    }
)


def effect_of(fault: AnyFault) -> RequestFaultEffect:
    """Return the effect of *fault* on a request."""
    return REQUEST_EFFECTS[fault] if isinstance(fault, Fault) else RequestFaultEffect(code=fault)


@attrs.frozen(kw_only=True)
class DeliveryFaultEffect:
    """The effect that the delivery of an event takes, beside the seconds, copies and secret that its rule names.

    Attributes:
        is_lost: whether it never arrives.
        goes_alone: whether later events of its reference pass it by.
        at_once: whether its copies set out together.
        other_body: whether the first attempt has the signature of another body.
    """

    is_lost: bool = False
    goes_alone: bool = False
    at_once: bool = False
    other_body: bool = False


DELIVERY_EFFECTS: Mapping[DeliveryFault, DeliveryFaultEffect] = MappingProxyType(
    {
        DeliveryFault.DUPLICATE: DeliveryFaultEffect(),
        DeliveryFault.CONCURRENT: DeliveryFaultEffect(at_once=True),
        DeliveryFault.DROP: DeliveryFaultEffect(is_lost=True),
        DeliveryFault.DELAY: DeliveryFaultEffect(),
        DeliveryFault.REORDER: DeliveryFaultEffect(goes_alone=True),
        DeliveryFault.MIS_SIGN: DeliveryFaultEffect(other_body=True),
        DeliveryFault.RE_SIGN: DeliveryFaultEffect(),
    }
)


def with_retry_after(reply: HttpReply, seconds: float | None) -> HttpReply:
    """Return *reply* with the header that tells when to try again, if *seconds* are given."""
    if seconds is None:
        return reply
    return attrs.evolve(reply, headers={**reply.headers, "Retry-After": f"{seconds:g}"})
