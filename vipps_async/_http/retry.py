"""Whether a call is attempted again, after how long, and what its end means. The only module that knows backoff."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

import attrs
import backoff

from vipps_async._http.call import Call
from vipps_async._redaction import described, hides_init_arguments
from vipps_async.errors import (
    ApiError,
    CallError,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidReply,
    OutcomeUnknown,
)

T = TypeVar("T")

# With the repeat after a 401, the five requests a minute that one reference is allowed: ePayment API, rate limiting.
MOST_ATTEMPTS = 4

_DAY = 86_400.0
_TRANSIENT_STATUSES = frozenset({408, 423, 429})
_REMEDIES = {
    True: "repeat it with the same arguments and this idempotency key, which cannot do it twice",
    False: "read what it changes before repeating it: this operation has no idempotency key",
}
# Given by a gateway or a lock, or because of an earlier attempt at the same call: they tell nothing of that attempt.
_TELLS_NOTHING_OF_EARLIER = frozenset({401, 403, 408, 409, 423, 429})
# Cancelled, captured or refunded already: what an earlier attempt of the same call would have done.
_MAY_BE_OWN_DOING = frozenset({"6050", "6170", "6180", "6190"})


def check_seconds(name: str, value: Any) -> float:
    """Return *value* if it is a number of seconds above 0 and below a day; raise ConfigurationError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _DAY:
        raise ConfigurationError(f"{name}={described(value)} must be a number of seconds above 0, and a day at most")
    return float(value)


def _check_positive(_: Any, field: "attrs.Attribute[Any]", value: float) -> None:
    check_seconds(field.name, value)


def _check_attempts(_: Any, __: Any, value: int) -> None:
    if type(value) is not int or not 1 <= value <= MOST_ATTEMPTS:
        raise ConfigurationError(
            f"attempts={described(value)} must be 1 to {MOST_ATTEMPTS}: Vipps MobilePay takes 5 writes a minute for "
            "one reference, and one is kept for the repeat after a renewed token"
        )


@hides_init_arguments
@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How a call is attempted again after a connection error, a timeout, 408, 423, 429 or 5xx.

    Args:
        attempts: how often a call is tried, 1 to 4.
        initial_delay: upper bound, in seconds, of the random wait before the second attempt; it doubles each time.
        longest_delay: upper bound, in seconds, of any random wait. ``Retry-After`` is obeyed beyond it.
        attempt_timeout: seconds after which one attempt is given up.

    Raises:
        ConfigurationError: a number out of its range.
    """

    attempts: int = attrs.field(default=MOST_ATTEMPTS, validator=_check_attempts)
    initial_delay: float = attrs.field(default=0.5, validator=_check_positive)
    longest_delay: float = attrs.field(default=8.0, validator=_check_positive)
    attempt_timeout: float = attrs.field(default=10.0, validator=_check_positive)


class Again(Exception):
    """Asks for another attempt after *wait* seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__(wait)


def _asked_waits() -> Generator[float, Any, None]:
    again: Again = yield 0.0
    while True:
        again = yield again.wait


async def repeat(attempt: Callable[[], Awaitable[T]]) -> T:
    """Await *attempt()* until it returns, or raises anything but `Again`."""
    # The first attempt, which most calls end with, does without backoff's accounts of attempts.
    try:
        return await attempt()
    except Again as again:
        asked = [again]
    return await _repeat_after(asked, attempt)


# jitter=None: backoff's own jitter would undercut Retry-After; the waits are jittered where they are decided.
@backoff.on_exception(_asked_waits, Again, jitter=None, logger=None)
async def _repeat_after(asked: list[Again], attempt: Callable[[], Awaitable[T]]) -> T:
    if asked:
        raise asked.pop()
    return await attempt()


class Attempts:
    """What is known of one call: how often it was sent, and whether it may have taken effect."""

    def __init__(self, call: Call, policy: RetryPolicy) -> None:
        self._call = call
        self._policy = policy
        self._renewals = 0
        self._in_flight = False
        self._may_have_applied = False
        self._delays: Generator[float, Any, None] | None = None
        self.sent = 0

    def begin(self) -> None:
        """Note that a request is about to be sent."""
        self.sent += 1
        self._in_flight = True

    def wait_after(self, error: CallError, *, left: float, reauthorized: bool) -> float | None:
        """Return the seconds to wait before the next attempt, or ``None`` if *error* ends the call.

        Args:
            error: what the latest attempt ended with.
            left: seconds until the call's deadline.
            reauthorized: whether the token was refused and another can be had.
        """
        self._in_flight = False
        self._may_have_applied |= may_have_applied(error)
        if reauthorized and not self._renewals:
            self._renewals = 1
            return 0.0
        if self._call.writes and self._call.idempotency_key is None and self._may_have_applied:
            return None  # nothing would tell the server that it is the same operation
        if not is_transient(error) or self.sent - self._renewals >= self._policy.attempts:
            return None
        wait = backoff.full_jitter(self._next_delay())
        if isinstance(error, ApiError) and error.retry_after is not None:
            wait += error.retry_after
        return wait if wait < left else None

    def _next_delay(self) -> float:
        if self._delays is None:
            self._delays = backoff.expo(factor=self._policy.initial_delay, max_value=self._policy.longest_delay)
            self._delays.send(None)
        return next(self._delays)

    def verdict(self, error: CallError) -> CallError:
        """Return what the caller is told when *error* ended the call; its cause is set."""
        unsettled = self._may_have_applied and not settles(error)
        if self._call.writes and unsettled:
            return self._named(self._unknown(error.message), cause=error)
        return self._named(error, cause=error.__cause__)

    def out_of_time(self, timeout: float, cause: BaseException) -> CallError:
        """Return what the caller is told when the deadline cut the call."""
        reason = f"no reply within {timeout:g} s"
        unsettled = self._in_flight or self._may_have_applied
        error = self._unknown(reason) if self._call.writes and unsettled else DeadlineExceeded(reason)
        return self._named(error, cause=cause)

    def _unknown(self, reason: str) -> OutcomeUnknown:
        has_key = self._call.idempotency_key is not None
        return OutcomeUnknown(f"it may or may not have taken effect ({reason}); next: {_REMEDIES[has_key]}")

    def _named(self, error: CallError, *, cause: BaseException | None) -> CallError:
        error.operation = self._call.operation
        error.attempts = self.sent
        error.idempotency_key = self._call.idempotency_key
        error.__cause__ = cause
        return error


def is_transient(error: CallError) -> bool:
    """Whether another attempt may fare better."""
    if isinstance(error, ApiError):
        return error.status in _TRANSIENT_STATUSES or error.status >= 500
    return isinstance(error, ConnectionFailed | InvalidReply)


def may_have_applied(error: CallError) -> bool:
    """Whether the attempt that ended so may have taken effect all the same."""
    if isinstance(error, ApiError):
        return error.status == 408 or error.status >= 500
    return isinstance(error, InvalidReply) or (isinstance(error, ConnectionFailed) and error.sent)


def settles(error: CallError) -> bool:
    """Whether *error* proves that no attempt of the call took effect.

    A repeated key is answered as the first request was, so a refusal speaks for all attempts, except for one that an
    earlier attempt itself may have caused: the key of a cancellation need not be honoured.
    """
    if not isinstance(error, ApiError) or error.code in _MAY_BE_OWN_DOING:
        return False
    return 400 <= error.status < 500 and error.status not in _TELLS_NOTHING_OF_EARLIER
