"""Waiting for a thing to get somewhere: what ends a wait. When the thing is read is its poll's to decide."""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from vipps_async._events import EventWatcher
from vipps_async._http.polling import PollKey, Polls, Read, Waitable, Waiter
from vipps_async._loops.light_event import LightEvent
from vipps_async._wire.durations import as_duration
from vipps_async.errors import ClientClosed, InvalidRequest, WaitTimeout

T = TypeVar("T")

_LONGEST = timedelta(days=60)


async def wait_for(
    polls: Polls,
    kind: Waitable[T],
    key: PollKey,
    read: Read,
    *,
    timeout: float | timedelta,
    until: Callable[[T], bool],
    signal: EventWatcher | None,
) -> T:
    """Return the thing once *until* holds for it, or once it never changes again.

    Args:
        polls: reads things for all who wait.
        kind: of the thing.
        key: merchant serial number, the subject of the thing's events, and what else it takes to tell it.
        read: returns the thing as it stands.
        timeout: seconds, or a timedelta.
        until: what to wait for.
        signal: tells of events, if there is one.

    Raises:
        WaitTimeout: *until* does not hold yet.
        InvalidRequest: *timeout* or *until* cannot be meant so.
        ClientClosed: the client was closed.
        CallError: the thing could not be read.
    """
    limit = as_duration(timeout)
    _check(limit, until)
    msn, subject, *_ = key
    with signal.watch(subject, msn=msn) if signal is not None else nullcontext(LightEvent()) as happened:
        waiter = Waiter(happened, time.monotonic() + limit.total_seconds(), has_signal=signal is not None)
        poll = polls.join(kind, key, read, waiter)
        # What was read a moment ago for another wait was true then: what is decided, or was captured, remains so.
        seen: T | None = None if poll.is_fresh else poll.last
        try:
            # Flat, without tasks and timeouts of its own: this is what each of thousands holds while it waits.
            while True:
                if waiter.failed is not None:
                    waiter.failed.result()  # which raises the read's error, with its own traceback each time
                latest: T | None = poll.last
                if latest is not None and latest is not seen:
                    seen = latest
                    if _holds(until, latest) or kind.is_final(latest):
                        return latest
                if poll.is_closed:
                    raise ClientClosed
                if time.monotonic() >= waiter.ends_at:
                    raise _timed_out(kind, key, limit, seen) from poll.trouble
                await happened.wait()
                if happened.is_set():
                    happened.clear()
                    poll.hurry()
        finally:
            poll.leave(waiter)


def _timed_out(kind: Waitable[T], key: PollKey, limit: timedelta, seen: T | None) -> WaitTimeout:
    state = None if seen is None else kind.state_of(seen)
    return WaitTimeout(key[-1], limit, seen, kind=kind.name, state=state, remedy=kind.remedy)


def _check(timeout: timedelta, until: Callable[[Any], bool]) -> None:
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


def _holds(until: Callable[[T], bool], seen: T) -> bool:
    answer: object = until(seen)
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
        "until", until, "must be a plain function of what is waited for that returns a bool: the wait does not await it"
    )
