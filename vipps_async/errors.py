"""Every exception that this package raises, in one tree.

::

    VippsError
    ├── ConfigurationError     a setting is missing, or cannot work (also a ValueError)
    ├── InvalidRequest         bad input, refused before anything was sent (also a ValueError)
    ├── WrongEventLoop         used in another event loop than it works in (also a RuntimeError)
    ├── CallError              a call ended without a result
    │   ├── ConnectionFailed   no reply, and nothing can have taken effect
    │   ├── DeadlineExceeded   the call's time ran out, and nothing can have taken effect
    │   ├── OutcomeUnknown     a write may have taken effect: repeat it with its key
    │   ├── ClientClosed       the client, or the aiohttp session it was given, is closed
    │   ├── InvalidReply       a reply that is not what the API promises: HTML, cut short, wrong types
    │   └── ApiError           the API, or the gateway in front of it, said no
    │       ├── BadRequest     400, 422: the request or a business rule
    │       ├── Unauthorized   401: the credentials or the token
    │       ├── Forbidden      403: valid credentials that lack the permission
    │       ├── NotFound       404, where the API itself says so
    │       ├── Conflict       409: the idempotency key or the reference was used for something else
    │       ├── Locked         423: another operation runs on the payment
    │       ├── RateLimited    429: too many calls for one reference
    │       └── ServerError    5xx, on a read
    ├── NotInReply             a result was asked for what its reply did not tell (also a LookupError)
    ├── WaitTimeout            a payment did not get there in time (also a TimeoutError)
    └── DeliveryError          a webhook delivery that is not handled
        ├── NotAuthentic       its signature, date or content hash does not hold
        ├── NotAnEvent         authentic, but not an event that can be read
        ├── ClaimHeld          the same event is being handled elsewhere
        └── HandlerTimeout     a handler took too long (and a TimeoutError)
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs

__all__ = [
    "ApiError",
    "BadRequest",
    "CallError",
    "ClaimHeld",
    "ClientClosed",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DeadlineExceeded",
    "DeliveryError",
    "Forbidden",
    "HandlerTimeout",
    "InvalidReply",
    "InvalidRequest",
    "Locked",
    "NotAnEvent",
    "NotAuthentic",
    "NotFound",
    "NotInReply",
    "OutcomeUnknown",
    "Problem",
    "RateLimited",
    "ServerError",
    "Unauthorized",
    "VippsError",
    "WaitTimeout",
    "WrongEventLoop",
]

_STATE_LIMIT, _KEY_LIMIT = 40, 200


@attrs.frozen(kw_only=True)
class Problem:
    """The body of a failed call, whichever of the documented shapes it had.

    Attributes:
        type: URI of the kind of problem, by which some APIs tell their errors apart.
        title: short summary, such as ``"Cannot capture before reservation"``.
        detail: explanation of this occurrence.
        code: error code as text: ``"6080"``, or what ends *type*: ``"charge-amount-too-high"``. Sources: ePayment API,
            error codes; Recurring API, problems.
        trace_id: what Vipps MobilePay's support asks for.
        instance: path of the request as the API saw it.
        fields: field name -> reason, for a validation error.
        source: ``"api"`` for the API's own problem document for this very call, ``"gateway"`` for a document of the
            gateway in front of it, ``"identity"`` for one in the form of an identity provider, and ``None`` for
            whatever else answered: a proxy's page, a firewall's, nothing.
        raw: the decoded body, or its first characters where it was not JSON.
    """

    type: str | None = None
    title: str | None = None
    detail: str | None = None
    code: str | None = None
    trace_id: str | None = None
    instance: str | None = None
    fields: Mapping[str, str] = attrs.field(factory=dict)
    source: str | None = None
    raw: Any = attrs.field(default=None, repr=False)


class VippsError(Exception):
    """The root: ``except VippsError`` catches whatever this package raises."""

    def __reduce__(self) -> tuple[Callable[..., "VippsError"], tuple[Any, ...]]:
        """Survive pickling and copying although constructors take keywords."""
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(cls: type[VippsError], args: tuple[Any, ...], state: dict[str, Any]) -> VippsError:
    error = cls.__new__(cls, *args)
    error.args = args  # OSError, and so TimeoutError, leaves this to its constructor
    error.__dict__.update(state)
    return error


class ConfigurationError(VippsError, ValueError):
    """A setting is missing, or cannot work; the message names it and what it takes."""


class InvalidRequest(VippsError, ValueError):
    """Bad input, refused before anything was sent.

    Attributes:
        field: the argument, in Python's spelling: ``"amount.value"``.
        value: what was given.
        rule: what the API, or this package, requires instead.
    """

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{field}={shorten(value)} was refused before sending: {rule}")


_ONE_FOR_EACH_LOOP = (
    "make one for each event loop or thread, or send the work to its loop with asyncio.run_coroutine_threadsafe"
)


class WrongEventLoop(VippsError, RuntimeError):
    """A client, a receiver or a store is used in another event loop than it works in; nothing was done.

    What this package makes is made anew once the first loop is closed; a session, a pool or a Redis client is its
    caller's to make anew.

    Args:
        owner: what is used, such as ``"this VippsClient"``.
        remedy: what to do instead.
    """

    def __init__(self, owner: str, remedy: str = _ONE_FOR_EACH_LOOP) -> None:
        super().__init__(f"{owner} belongs to another event loop, and does not work in this one; {remedy}")


def shorten(value: object, limit: int = 120) -> str:
    """Return the repr of *value*, cut to *limit* characters for a message."""
    try:
        text = repr(value)
    except RecursionError:
        return f"{type(value).__name__} nested too deeply to show"
    except Exception:  # noqa: BLE001 - whatever a caller's class raises, this is the message of another error
        return f"{type(value).__name__} that cannot be shown"
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def escaped(text: str) -> str:
    """Return *text* on one line, with what a terminal would obey written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable(text: str, limit: int = 200) -> str:
    """Return *text* from outside on one line, without what a terminal would obey, cut to *limit* characters."""
    shown = escaped(" ".join(text[: limit + 1].split()))
    return shown if len(shown) <= limit and len(text) <= limit else f"{shown[:limit]}…"


class CallError(VippsError):
    """A call ended without a result.

    Attributes:
        operation: the API operation, such as ``"capture"``.
        attempts: how often it was tried.
        idempotency_key: the key that all attempts carried, ``None`` for a read.
    """

    operation: str = "call"
    attempts: int = 0
    idempotency_key: str | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The failure, without the facts that `str` adds."""
        return str(self.args[0])

    @message.setter
    def message(self, text: str) -> None:
        self.args = (text,)

    @property
    def reason(self) -> str:
        """The failure, without what to do next."""
        return self.message

    def __str__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self._facts() if value)
        return f"{self.operation}: {self.message}" + (f" [{facts}]" if facts else "")

    def _facts(self) -> list[tuple[str, object]]:
        return [("attempts", self.attempts), ("idempotency key", self.idempotency_key)]


class ConnectionFailed(CallError):
    """No reply arrived, and nothing can have taken effect: a read, or a write that was never sent.

    Attributes:
        sent: whether the last attempt may have reached the server.
        is_transient: whether another attempt may fare better; not where a hook or a middleware of the session raised.
    """

    def __init__(self, message: str, *, sent: bool, is_transient: bool = True) -> None:
        self.sent = sent
        self.is_transient = is_transient
        super().__init__(message)

    def _facts(self) -> list[tuple[str, object]]:
        return [*super()._facts(), ("not", "" if self.sent else "sent")]


class DeadlineExceeded(CallError):
    """The call's time ran out, and nothing can have taken effect: a read, or a write that was never sent."""


class OutcomeUnknown(CallError):
    """A write was sent, and no reply settled whether it took effect.

    Call again with ``idempotency_key=error.idempotency_key`` and the same arguments: the API performs the
    operation once however often it is repeated. Assuming that it failed is what costs money.
    The last failure is ``__cause__``.
    """


class ClientClosed(CallError):
    """The client, or the aiohttp session that it was given, is closed; nothing was sent."""

    def __init__(self) -> None:
        super().__init__("the client is closed; make its calls inside `async with`, or create a new one")


class InvalidReply(CallError):
    """A reply that is not what the API promises: HTML, cut short, not JSON, or wrongly typed."""


class ApiError(CallError):
    """The API, or the gateway in front of it, said no.

    Attributes:
        status: the HTTP status.
        problem: what the body said.
        retry_after: how long to wait, as ``Retry-After`` asked for, if it did; an hour at most.
    """

    def __init__(
        self,
        status: int,
        problem: Problem,
        *,
        hint: str | None = None,
        retry_after: float | timedelta | None = None,
    ) -> None:
        self.status = status
        self.problem = problem
        self.retry_after = None if retry_after is None else _duration(retry_after)
        super().__init__(_describe(status, problem, hint, self.retry_after))

    @property
    def reason(self) -> str:
        """The failure, without what to do next."""
        return _describe(self.status, self.problem, None, self.retry_after)

    @property
    def code(self) -> str | None:
        """The numeric error code as text, ``"6080"``, where the API gave one."""
        return self.problem.code

    @property
    def trace_id(self) -> str | None:
        """The trace id that Vipps MobilePay's support asks for."""
        return self.problem.trace_id

    def _facts(self) -> list[tuple[str, object]]:
        return [*super()._facts(), ("trace", self.trace_id)]


def _duration(given: float | timedelta) -> timedelta:
    return given if isinstance(given, timedelta) else timedelta(seconds=given)


def _describe(status: int, problem: Problem, hint: str | None, retry_after: timedelta | None) -> str:
    code = f", error {problem.code}" if problem.code else ""
    parts = [f"HTTP {status}{code}", problem.title, problem.detail]
    parts += [f"{name}: {reason}" for name, reason in problem.fields.items()]
    if hint:
        parts.append(f"next: {hint}")
    if retry_after is not None:
        parts.append(f"the server asks to wait {retry_after.total_seconds():g} s")
    return "; ".join(part.strip().rstrip(".") for part in parts if part)


class BadRequest(ApiError):
    """400 or 422: the request was malformed, or a business rule forbids it."""


class Unauthorized(ApiError):
    """401: the API keys are wrong, or belong to another environment or sales unit."""


class Forbidden(ApiError):
    """403: the API keys are valid but lack the product or the permission."""


class NotFound(ApiError):
    """404, said by the API itself: no such resource for this merchant serial number."""


class Conflict(ApiError):
    """409: the idempotency key, or the reference, was used for something else."""


class Locked(ApiError):
    """423: another operation runs on the payment."""


class RateLimited(ApiError):
    """429: too many calls for one reference within a minute."""


class ServerError(ApiError):
    """5xx on a read; a write that ends so raises `OutcomeUnknown`."""


class NotInReply(VippsError, LookupError):
    """A result was asked for what its reply did not tell; the message says how to ask beforehand.

    Attributes:
        name: the attribute of the result, such as ``"redirect_url"``.
    """

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        super().__init__(f"the reply has no {name}: {remedy}")


class WaitTimeout(VippsError, TimeoutError):
    """What was waited for did not get there in time.

    Attributes:
        reference: of what was waited for: a payment's reference, or the id of an agreement or a charge.
        last: it, as it was read last, or ``None`` when no read succeeded.
    """

    def __init__(
        self, reference: str, timeout: timedelta, last: Any, *, kind: str, state: str | None, remedy: str
    ) -> None:
        self.reference = reference
        self.last = last
        seen = f"it was last seen {printable(state, _STATE_LIMIT)}" if state else "it could not be read"
        super().__init__(f"waited {timeout.total_seconds():g} s for {kind} {reference}: {seen}; {remedy}")


class DeliveryError(VippsError):
    """A webhook delivery that is not handled."""


class NotAuthentic(DeliveryError):
    """The delivery's signature, date or content hash does not hold; the message says which."""


class NotAnEvent(DeliveryError):
    """The delivery is authentic, but its body is not an event that can be read."""


class ClaimHeld(DeliveryError):
    """The same event is being handled elsewhere; it has to be delivered again later.

    Attributes:
        retry_after: after how long a redelivery makes sense.
    """

    def __init__(self, key: str, *, retry_after: float | timedelta = 2.0) -> None:
        self.key = key
        self.retry_after = _duration(retry_after)
        super().__init__(f"event {printable(key, _KEY_LIMIT)} is being handled elsewhere")


class HandlerTimeout(DeliveryError, TimeoutError):
    """A handler took longer than the receiver's ``handler_timeout``; the event has to come again."""
