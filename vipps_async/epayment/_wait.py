"""Waiting for a payment: what ends a wait. When the payment is read is its poll's to decide."""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

from vipps_async._events import EventWatcher
from vipps_async._loops.light_event import LightEvent
from vipps_async._wire.durations import as_duration
from vipps_async.epayment._enums import PaymentState
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._polling import PaymentKey, Polls, Read, Waiter
from vipps_async.errors import ClientClosed, InvalidRequest, WaitTimeout

_LONGEST = timedelta(days=60)  # a long-living payment's life


def is_decided(payment: Payment) -> bool:
    """Whether the user, the merchant or time has decided over the payment."""
    return payment.state is not PaymentState.CREATED


async def wait_for(
    polls: Polls,
    key: PaymentKey,
    read: Read,
    *,
    timeout: float | timedelta,
    until: Callable[[Payment], bool],
    signal: EventWatcher | None,
) -> Payment:
    """Return the payment once *until* holds for it; `EPayment.wait` describes the arguments."""
    limit = as_duration(timeout)
    _check(limit, until)
    msn, reference = key
    with signal.watch(reference, msn=msn) if signal is not None else nullcontext(LightEvent()) as happened:
        waiter = Waiter(happened, time.monotonic() + limit.total_seconds(), has_signal=signal is not None)
        poll = polls.join(key, read, waiter)
        # What was read a moment ago for another wait was true then: what is decided, or was captured, remains so.
        seen = None if poll.is_fresh else poll.last
        try:
            # Flat, without tasks and timeouts of its own: this is what each of thousands holds while it waits.
            while True:
                if waiter.failed is not None:
                    return waiter.failed.result()  # which raises the read's error, with its own traceback each time
                if poll.last is not None and poll.last is not seen:
                    seen = poll.last
                    if _holds(until, seen) or seen.state.ended_unpaid:
                        return seen
                if poll.is_closed:
                    raise ClientClosed
                if time.monotonic() >= waiter.ends_at:
                    raise WaitTimeout(reference, limit, seen) from poll.trouble
                await happened.wait()
                if happened.is_set():
                    happened.clear()
                    poll.hurry()
        finally:
            poll.leave(waiter)


def _check(timeout: timedelta, until: Callable[[Payment], bool]) -> None:
    if not isinstance(timeout, timedelta) or not timedelta(0) < timeout <= _LONGEST:
        raise InvalidRequest("timeout", timeout, "must be seconds, or a timedelta, above 0, and 60 days at most")
    if not callable(until) or _is_async(until) or not _takes_one(until):
        raise _no_plain_function(until)


def _is_async(function: Callable[..., object]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _takes_one(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # a built-in function that does not tell
    return True


def _holds(until: Callable[[Payment], bool], payment: Payment) -> bool:
    answer: object = until(payment)
    if not isinstance(answer, Awaitable | Generator | AsyncGenerator):
        return bool(answer)
    # Not an answer, though it counts as true: its code has not run. And it shall not, nor warn that it never did.
    if isinstance(answer, Coroutine | Generator):
        answer.close()
    elif isinstance(answer, asyncio.Future):
        answer.cancel()
    raise _no_plain_function(until)


def _no_plain_function(until: Any) -> InvalidRequest:
    return InvalidRequest(
        "until", until, "must be a plain function of the payment that returns a bool: the wait does not await it"
    )
