"""The access token's life: one fetch for all callers, renewed before it expires, replaced when it is refused."""

import asyncio
import copy
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

import attrs

from vipps_async._loops.per_loop import PerLoop
from vipps_async._wire.secret import Secret
from vipps_async.errors import ApiError, CallError, ClientClosed, InvalidReply

_logger = logging.getLogger("vipps_async")

_RENEW_AHEAD = 300.0  # seconds; the token lives 3600 in test and 86400 in production
_MOST_DIGITS = 9  # of a lifetime in seconds: 31 years
# How long a failed fetch is remembered: twice as long each time, and longer where the keys were refused.
_FIRST_PAUSE, _LONGEST_PAUSE, _PAUSE_AFTER_REFUSAL = 1.0, 60.0, 30.0
_REPLACED_AT_ONCE = 4  # refused tokens in a row
_CANCELLATIONS, _CANCEL_AGAIN_AFTER = 3, 1.0  # seconds between them


@attrs.frozen
class AccessToken:
    """A bearer token as the header that carries it and, on the monotonic clock, when to renew it and when it dies."""

    headers: Mapping[str, str]
    renew_at: float
    expires_at: float

    @classmethod
    def from_reply(cls, document: Any, *, asked_at: float) -> "AccessToken":
        """Read the token reply; its numbers are documented as text, and are taken as numbers too.

        Args:
            document: the decoded reply.
            asked_at: monotonic time of the request. Only ``expires_in`` counts from it; ``not_before`` may lie earlier.

        Raises:
            InvalidReply: there is no token or no lifetime in it. Source: Access Token API.
        """
        fields = document if isinstance(document, dict) else {}
        value, lifetime = fields.get("access_token"), _read_seconds(fields.get("expires_in"))
        if not (isinstance(value, str) and value and value.isascii() and value.isprintable()) or lifetime is None:
            raise InvalidReply("the token reply lacks a usable access_token or expires_in")
        ahead = min(_RENEW_AHEAD, lifetime / 4)
        bearer = {"Authorization": Secret(f"Bearer {value}")}
        return cls(bearer, renew_at=asked_at + lifetime - ahead, expires_at=asked_at + lifetime)

    def is_fresh(self, now: float) -> bool:
        """Whether there is no need to renew it yet."""
        return now < self.renew_at

    def is_usable(self, now: float) -> bool:
        """Whether the server still takes it."""
        return now < self.expires_at

    @property
    def is_refused(self) -> bool:
        """Whether the server refused it before its time was over."""
        return self.expires_at == -math.inf

    def refused(self) -> "AccessToken":
        """Return it as one that the server refused."""
        return attrs.evolve(self, renew_at=-math.inf, expires_at=-math.inf)


def _read_seconds(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**_MOST_DIGITS else None


class Authorizer(Protocol):
    """Authorizes requests."""

    async def authorize(self, deadline: float) -> Mapping[str, str]:
        """Return the headers that authorize a request; raise TimeoutError at *deadline*, on the monotonic clock."""
        ...

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Take note that the server refused *headers*; return whether others may be had."""
        ...

    def accepted(self, headers: Mapping[str, str]) -> None:
        """Take note that the server took *headers*."""
        ...


@attrs.frozen
class ApiKeys:
    """Authorizes the token request itself."""

    headers: Mapping[str, str]

    async def authorize(self, deadline: float) -> Mapping[str, str]:  # noqa: ARG002 - there is nothing to wait for
        """Return the API keys."""
        return self.headers

    def refused(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - there are no other keys, whichever these are
        """There are no others."""
        return False

    def accepted(self, headers: Mapping[str, str]) -> None:
        """There is nothing to learn from it."""


# Fetches a token in place of the one that it is passed, if there was one, within so many seconds.
Fetch = Callable[[AccessToken | None, float], Awaitable[AccessToken]]


@attrs.define
class _Failure:
    """A fetch that failed, as the calls that need its token are told until *ends_at*."""

    error: CallError
    began_at: float
    ends_at: float
    pause: float


class TokenProvider:
    """Authorizes with the current token; the fetch is injected.

    One fetch serves all callers: whoever needs a token waits for the same task, and a caller that gives up leaves it to
    the others. A token is renewed in the background before it dies. A fetch that failed is remembered: for as long as
    the endpoint asked for, or for a while, callers get its error instead of asking again.

    Args:
        fetch: fetches a new token; retries and deadline are its own.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._renewals: PerLoop[_Renewal] = PerLoop(_Renewal, owner="this VippsClient")
        self._failure: _Failure | None = None
        self._replaced_in_vain = 0  # tokens in a row, none of which was taken
        self._kept_until = -math.inf

    async def authorize(self, deadline: float) -> Mapping[str, str]:
        """Return a token's header, waiting only while there is no token that the server takes.

        Raises:
            VippsError: whatever ended the fetch, or the last one, a short while ago.
            TimeoutError: it goes on at *deadline*, on the monotonic clock.
        """
        now, token = self._clock(), self._token
        if token is None or not token.is_usable(now):
            token = await self._renewed(deadline - now)
        elif not token.is_fresh(now) and not self._has_just_failed(now):
            self._renew(deadline - now)
        return token.headers

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Use the token of *headers* no more, unless it was replaced already.

        Where one after the other is refused, and none was taken, the last is kept for a while: it is not the token.
        """
        if self._token is None or self._token.headers is not headers:
            return True
        if self._clock() < self._kept_until:
            return False
        self._token = self._token.refused()
        return True

    def accepted(self, headers: Mapping[str, str]) -> None:
        """Replace the token at once if it is refused later."""
        if self._replaced_in_vain and self._token is not None and self._token.headers is headers:
            self._replaced_in_vain, self._kept_until = 0, -math.inf

    async def close(self) -> None:
        """End a renewal that is under way in the event loop that runs."""
        renewal = self._renewals.peek()
        # Again: what waits inside can lose a cancellation, as asyncio.wait_for of Python 3.11 does; or each of them.
        for _ in range(_CANCELLATIONS):
            if renewal is None or renewal.task is None:
                return
            renewal.task.cancel()
            await asyncio.wait([renewal.task], timeout=_CANCEL_AGAIN_AFTER)

    async def _renewed(self, within: float) -> AccessToken:
        now = self._clock()
        if self._failure is not None and self._has_just_failed(now):
            raise self._remembered(self._failure, now)
        task = self._renew(within)
        # Waited for, not awaited: a caller that gives up does not take the fetch from the others.
        await asyncio.wait([task], timeout=within)
        if not task.done():
            raise TimeoutError
        if task.cancelled():
            raise ClientClosed
        return task.result()

    def _renew(self, within: float) -> "asyncio.Task[AccessToken]":
        renewal = self._renewals.get()
        if renewal.task is None:
            task = asyncio.create_task(self._fetch_one(within), name="vipps_async token renewal")
            task.add_done_callback(partial(self._finish, renewal))
            renewal.task = task
        return renewal.task

    async def _fetch_one(self, within: float) -> AccessToken:
        return await self._fetch(self._token, within)

    def _finish(self, renewal: "_Renewal", task: "asyncio.Task[AccessToken]") -> None:
        renewal.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._replaced_in_vain += self._token is not None and self._token.is_refused
            self._token, self._failure = task.result(), None
            self._kept_until = self._clock() + self._pause_after_vain()
        elif isinstance(error, CallError) and not isinstance(error, ClientClosed):
            self._failure = self._failed(error)
            _logger.warning("no new access token: %s", error)

    def _pause_after_vain(self) -> float:
        more = self._replaced_in_vain - _REPLACED_AT_ONCE
        return min(_FIRST_PAUSE * 2.0**more, _LONGEST_PAUSE) if more > 0 else 0.0

    def _failed(self, error: CallError) -> _Failure:
        now, last = self._clock(), self._failure
        pause = min(2 * last.pause, _LONGEST_PAUSE) if last else _FIRST_PAUSE
        is_refusal = isinstance(error, ApiError) and 400 <= error.status < 500
        least = _PAUSE_AFTER_REFUSAL if is_refusal else pause
        asked = error.retry_after.total_seconds() if isinstance(error, ApiError) and error.retry_after else None
        return _Failure(error, began_at=now, ends_at=now + (least if asked is None else max(asked, pause)), pause=pause)

    def _has_just_failed(self, now: float) -> bool:
        return self._failure is not None and now < self._failure.ends_at

    def _remembered(self, failure: _Failure, now: float) -> CallError:
        error = copy.copy(failure.error)
        error.__cause__ = failure.error
        error.message += f" (asked {now - failure.began_at:.0f} s ago; not again for {failure.ends_at - now:.0f} s)"
        return error


@attrs.define
class _Renewal:
    """The fetch that is under way in an event loop, if there is one."""

    task: "asyncio.Task[AccessToken] | None" = None
