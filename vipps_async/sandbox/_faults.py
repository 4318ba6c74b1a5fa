"""Faults on order: which request suffers what. Decides only; the server acts it out.

A fault is spent on the next request of its operation, whatever else that request is.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs

from vipps_async.sandbox._auth import UNAUTHORIZED
from vipps_async.sandbox._replies import Reply, of_gateway, of_html

OPERATIONS = (
    "token",
    "create",
    "get",
    "events",
    "capture",
    "refund",
    "cancel",
    "adjust",
    "approve",
    "register",
    "list",
    "delete",
)


class Fault(StrEnum):
    """What can go wrong with a request.

    Attributes:
        RESET_BEFORE: the connection is reset, nothing took effect.
        RESET_AFTER: it took effect, the connection is reset before an answer.
        TRUNCATED: it took effect, the answer ends half-way.
        STALLED: it took effect, the answer stops half-way and the connection stays open.
        STATUS_408: an error status without effect, as the other ``STATUS_`` faults; a timeout at the gateway.
        STATUS_423: another operation is running on the payment, 6160.
        STATUS_429: too many requests.
        STATUS_500: an internal error, 3010.
        STATUS_502_HTML: a proxy's HTML page.
        STATUS_503: the service is not available.
        HTML_200: it took effect, but an HTML page comes back, with 200.
        EXPIRED_TOKEN: the gateway's 401, without effect; the token that was presented is revoked.
    """

    RESET_BEFORE = "RESET_BEFORE"
    RESET_AFTER = "RESET_AFTER"
    TRUNCATED = "TRUNCATED"
    STALLED = "STALLED"
    STATUS_408 = "STATUS_408"
    STATUS_423 = "STATUS_423"
    STATUS_429 = "STATUS_429"
    STATUS_500 = "STATUS_500"
    STATUS_502_HTML = "STATUS_502_HTML"
    STATUS_503 = "STATUS_503"
    HTML_200 = "HTML_200"
    EXPIRED_TOKEN = "EXPIRED_TOKEN"  # noqa: S105 - the name of a fault


class DeliveryFault(StrEnum):
    """What can go wrong with a delivery to a webhook.

    Attributes:
        DUPLICATE: it succeeds once more than it should.
    """

    DUPLICATE = "DUPLICATE"


class Transmission(StrEnum):
    """How much of an answer reaches the client."""

    WHOLE = "WHOLE"
    NONE = "NONE"
    HALF_THEN_CUT = "HALF_THEN_CUT"
    HALF_THEN_SILENCE = "HALF_THEN_SILENCE"


@attrs.frozen(kw_only=True)
class Course:
    """The course that a request takes.

    Attributes:
        takes_effect: whether the API sees the request.
        reply: what is answered instead of the API's own reply.
        error: the problem that is answered instead, by its code; the dialect words it.
        transmission: how much of the answer is sent.
        revokes_token: whether the token that was presented is worth nothing afterwards.
    """

    takes_effect: bool = False
    reply: Reply | None = None
    error: str | None = None
    transmission: Transmission = Transmission.WHOLE
    revokes_token: bool = False


_PAGE = (
    "<!doctype html><html lang=en><title>{0}</title><h1>{0}</h1><p>This is the sandbox playing a faulty proxy.</html>"
)

COURSES: Mapping[Fault, Course] = MappingProxyType(
    {
        Fault.RESET_BEFORE: Course(transmission=Transmission.NONE),
        Fault.RESET_AFTER: Course(takes_effect=True, transmission=Transmission.NONE),
        Fault.TRUNCATED: Course(takes_effect=True, transmission=Transmission.HALF_THEN_CUT),
        Fault.STALLED: Course(takes_effect=True, transmission=Transmission.HALF_THEN_SILENCE),
        Fault.STATUS_408: Course(reply=of_gateway(408, "The request timed out.")),
        Fault.STATUS_423: Course(error="6160"),
        Fault.STATUS_429: Course(reply=of_gateway(429, "Rate limit is exceeded. Try again later.")),
        Fault.STATUS_500: Course(error="3010"),
        Fault.STATUS_502_HTML: Course(reply=of_html(502, _PAGE.format("502 Bad Gateway"))),
        Fault.STATUS_503: Course(reply=of_gateway(503, "The service is unavailable.")),
        Fault.HTML_200: Course(takes_effect=True, reply=of_html(200, _PAGE.format("Welcome"))),
        Fault.EXPIRED_TOKEN: Course(reply=UNAUTHORIZED, revokes_token=True),
    }
)


@attrs.define(kw_only=True)
class Order:
    """A fault on order.

    Attributes:
        operation: the operation whose requests suffer it.
        fault: what they suffer.
        times: how many requests still do; ``None``: all, until faults are cleared.
        retry_after: seconds for a ``Retry-After`` header.
    """

    operation: str
    fault: Fault
    times: int | None = 1
    retry_after: float | None = None


class Faults:
    """The faults on order, first come first served."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    @property
    def orders(self) -> tuple[Order, ...]:
        """What is on order."""
        return tuple(self._orders)

    def order(self, operation: str, fault: Fault, *, times: int | None, retry_after: float | None) -> None:
        """Have the next *times* requests of *operation* suffer *fault*.

        Raises:
            ValueError: there is no such operation, or a number is negative.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"operation {operation!r} is none of {', '.join(OPERATIONS)}")
        if (times is not None and times < 1) or (retry_after is not None and retry_after < 0):
            raise ValueError(f"times={times} must be positive and retry_after={retry_after} not negative")
        self._orders.append(Order(operation=operation, fault=Fault(fault), times=times, retry_after=retry_after))

    def take(self, operation: str) -> Order | None:
        """Return what the next request of *operation* suffers, and count it."""
        order = next((order for order in self._orders if order.operation == operation), None)
        if order is not None and order.times is not None:
            order.times -= 1
            self._orders = [order for order in self._orders if order.times != 0]
        return order

    def clear(self) -> None:
        """Withdraw every order."""
        self._orders.clear()


def with_retry_after(reply: Reply, seconds: float | None) -> Reply:
    """Return *reply* with the header that tells when to try again, if *seconds* are given."""
    if seconds is None:
        return reply
    return attrs.evolve(reply, headers={**reply.headers, "Retry-After": f"{seconds:g}"})
