"""Whether a call is attempted again, after how long, and what its end means. The only module that knows backoff.

Each call has its `Attempts`, which is told when an attempt begins, when its request may have left, and what it ended
with. From that it keeps one fact: whether an attempt may have taken effect that no reply has settled. While that is so,
a write can end in two ways only: in a reply, or refusal, of the API itself for this very call, or in `OutcomeUnknown`
with the key to repeat it with. A refused token is replaced once, at no cost. Other trouble that may pass is waited out,
by chance between nothing and a bound that doubles, after what a ``Retry-After`` asks for, as long as the deadline and
the client's `RetryBudget` allow.

Of backoff are the waits and their jitter. Its decorators are not used: they call a function of asyncio that Python 3.14
deprecates and 3.16 removes.
"""

import copy
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import attrs
import backoff

from vipps_async._http.call import Call
from vipps_async._wire.durations import as_duration, within
from vipps_async._wire.secret import described, hides_init_arguments
from vipps_async.errors import (
    ApiError,
    CallError,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidReply,
    OutcomeUnknown,
    printable,
)

# With the repeat after a 401, the five requests a minute that one reference is allowed: ePayment API, rate limiting.
MOST_ATTEMPTS = 4

_TRANSIENT_STATUSES = frozenset({408, 423, 429})
_NEXT = {
    True: "repeat it with the same arguments and this idempotency key, which cannot do it twice",
    False: "read what it changes before repeating it: this operation has no idempotency key",
}
_OF_THIS_CALL_ALONE = (
    "; this tells nothing of an earlier call with this idempotency key: if there was one, repeat it until it is settled"
)
# What the gateway says no to with these is the sender, not the operation: it passed nothing on to the API.
_NOT_PASSED_ON = frozenset({401, 403, 429})
# Of the API's own refusals, those that an earlier attempt of the same call may have caused, or a lock.
_TELLS_NOTHING_OF_EARLIER = frozenset({401, 403, 404, 408, 409, 423, 429})
# Repeats that all calls of a client may be ahead of their successes: some seconds of trouble, and no storm.
_BUDGET = 100.0
_EARNED = 0.1  # of a repeat, by each call that succeeds at once


def _check_attempts(_: Any, __: Any, value: int) -> None:
    if type(value) is not int or not 1 <= value <= MOST_ATTEMPTS:
        raise ConfigurationError(
            f"attempts={described(value)} must be 1 to {MOST_ATTEMPTS}: Vipps MobilePay takes 5 writes a minute for "
            "one reference, and one is kept for the repeat after a renewed token"
        )


@hides_init_arguments
@attrs.frozen(kw_only=True)
class RetryPolicy:
    """Rules for repeating a call after a connection error, a timeout, 408, 423, 429 or 5xx.

    Args:
        attempts: how often a call is tried, 1 to 4.
        initial_delay: upper bound, in seconds or as a timedelta, of the random wait before the second attempt; it
            doubles each time.
        max_delay: upper bound, likewise, of any random wait. ``Retry-After`` is obeyed beyond it.
        attempt_timeout: after how long, likewise, one attempt is given up.

    Raises:
        ConfigurationError: a number out of its range.
    """

    attempts: int = attrs.field(default=MOST_ATTEMPTS, validator=_check_attempts)
    initial_delay: timedelta = attrs.field(default=timedelta(seconds=0.5), converter=as_duration, validator=within())
    max_delay: timedelta = attrs.field(default=timedelta(seconds=8), converter=as_duration, validator=within())
    attempt_timeout: timedelta = attrs.field(default=timedelta(seconds=10), converter=as_duration, validator=within())


class RetryBudget:
    """Bounds what repeats add to the load of a service that is in trouble; all calls of a client share one.

    It holds a number of repeats. Each repeat takes one out, a call that succeeds after repeats puts its own back, and
    one that succeeds at once earns a tenth. While most calls succeed it stays full; when none does, it is empty after a
    hundred repeats, and calls are attempted once until the service is well again.
    """

    def __init__(self) -> None:
        self._left = _BUDGET

    def take(self) -> bool:
        """Take a repeat out; ``False`` if none is left."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def earn(self, repeats: int) -> None:
        """Note that a call succeeded after so many *repeats*."""
        self._left = min(_BUDGET, self._left + (repeats or _EARNED))


class Attempts:
    """The state of one call: how often it was sent, and whether it may have taken effect."""

    def __init__(self, call: Call, policy: RetryPolicy, budget: RetryBudget) -> None:
        self._call = call
        self._policy = policy
        self._budget = budget
        self._renewals = 0
        self._in_flight = False
        self._may_have_applied = False
        self._delays: Generator[float, Any, None] | None = None
        self.made = 0

    def begin(self) -> None:
        """Note that another attempt begins."""
        self.made += 1

    def on_sent(self) -> None:
        """Note that the request is about to be written to a connection: from now on it may have taken effect."""
        self._in_flight = True

    @property
    def is_open(self) -> bool:
        """Whether an attempt may have taken effect that no reply has settled."""
        return self._call.writes and (self._in_flight or self._may_have_applied)

    def succeeded(self) -> None:
        """Note that the latest attempt was answered."""
        self._budget.earn(self.made - 1 - self._renewals)

    def wait_after(self, error: CallError, *, left: float, reauthorized: bool) -> float | None:
        """Return the seconds to wait before the next attempt, or ``None`` if *error* ends the call.

        Args:
            error: what the latest attempt ended with.
            left: seconds until the call's deadline.
            reauthorized: whether the token was refused and another can be had.
        """
        self._in_flight = False
        self._may_have_applied |= may_have_applied(error)
        if self._call.writes and self._call.idempotency_key is None and self._may_have_applied:
            return None  # nothing would tell the server that it is the same operation
        if reauthorized and not self._renewals:
            self._renewals = 1
            return 0.0
        if not is_transient(error) or self.made - self._renewals >= self._policy.attempts:
            return None
        wait = backoff.full_jitter(self._next_delay())
        if isinstance(error, ApiError) and error.retry_after is not None:
            wait += error.retry_after.total_seconds()
        return wait if wait < left and self._budget.take() else None

    def _next_delay(self) -> float:
        if self._delays is None:
            initial, longest = self._policy.initial_delay.total_seconds(), self._policy.max_delay.total_seconds()
            self._delays = backoff.expo(factor=initial, max_value=longest)
            self._delays.send(None)
        return next(self._delays)

    def final_error(self, error: CallError) -> CallError:
        """Return what the caller is told when *error* ended the call; its cause is set."""
        if self.is_open and not proves_no_effect(error, self._call):
            return self._named(self._unknown(error.reason), cause=error)
        return self._named(error, cause=error.__cause__)

    def without_token(self, error: CallError) -> CallError:
        """Return what the caller is told when there was no token for another attempt, which tells nothing of others."""
        own = copy.copy(error)  # callers that shared one token request each get their own call's facts on the error
        own.message = f"no access token: {error.message}"
        if self.is_open:
            return self._named(self._unknown(f"no access token: {error.reason}"), cause=error)
        if isinstance(own, ConnectionFailed):
            own.sent = False  # for the token, perhaps, but not this call
        return self._named(own, cause=error)

    def timed_out(self, after: timedelta) -> ConnectionFailed:
        """Return what an attempt ends with that took longer than it may."""
        return ConnectionFailed(f"no complete reply within {after.total_seconds():g} s", sent=self._in_flight)

    def out_of_time(self, timeout: float, cause: BaseException) -> CallError:
        """Return what the caller is told when the deadline cut the call."""
        reason = f"no reply within {timeout:g} s"
        return self._named(self._unknown(reason) if self.is_open else DeadlineExceeded(reason), cause=cause)

    def interrupted(self, cause: Exception) -> CallError:
        """Return what the caller is told when this package, or what it calls, failed in an unforeseen way."""
        reason = f"interrupted by {type(cause).__name__}: {printable(str(cause))}"
        error = self._unknown(reason) if self.is_open else ConnectionFailed(reason, sent=self._in_flight)
        return self._named(error, cause=cause)

    def _unknown(self, reason: str) -> OutcomeUnknown:
        has_key = self._call.idempotency_key is not None
        return OutcomeUnknown(f"it may or may not have taken effect ({reason}); next: {_NEXT[has_key]}")

    def _named(self, error: CallError, *, cause: BaseException | None) -> CallError:
        is_settled = isinstance(error, OutcomeUnknown) or proves_no_effect(error, self._call)
        if self._call.may_be_a_repeat and not is_settled:
            error.message += _OF_THIS_CALL_ALONE
        error.operation = self._call.operation
        error.attempts = self.made
        error.idempotency_key = self._call.idempotency_key
        error.__cause__ = cause
        return error


def is_transient(error: CallError) -> bool:
    """Whether another attempt may fare better."""
    if isinstance(error, ApiError):
        return error.status in _TRANSIENT_STATUSES or error.status >= 500
    if isinstance(error, ConnectionFailed):
        return error.is_transient
    return isinstance(error, InvalidReply)


def may_have_applied(error: CallError) -> bool:
    """Whether the attempt that ended so may have taken effect all the same.

    Only the API itself can say that it did not; or the gateway before it, of a sender that it does not let through.
    """
    if isinstance(error, ApiError):
        is_refusal = 400 <= error.status < 500 and error.status != 408
        is_not_passed_on = error.problem.source == "gateway" and error.status in _NOT_PASSED_ON
        return not ((is_refusal and error.problem.source == "api") or is_not_passed_on)
    return isinstance(error, InvalidReply) or (isinstance(error, ConnectionFailed) and error.sent)


def proves_no_effect(error: CallError, call: Call) -> bool:
    """Whether *error* proves that no attempt of *call* took effect.

    A repeated key is answered as the first request was, so a refusal by the API itself speaks for all attempts; but it
    need not honour the key for ever, what it says of the payment's state may be an earlier attempt's doing, and a time
    that it finds too soon was later before. The API's conclusive codes alone tell what was so each time: what is wrong
    with the request, or with what the merchant may do.
    """
    if not isinstance(error, ApiError) or error.problem.source != "api" or error.status in _TELLS_NOTHING_OF_EARLIER:
        return False
    if not 400 <= error.status < 500:
        return False
    return error.code in call.rules.conclusive_codes
