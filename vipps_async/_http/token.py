"""The access token's life: one fetch for all callers, renewed before it expires, replaced when it is refused."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from vipps_async.config import Secret
from vipps_async.errors import ClientClosed, InvalidReply, VippsError

_logger = logging.getLogger("vipps_async")

_RENEW_AHEAD = 300.0  # seconds; the token lives 3600 in test and 86400 in production
_MOST_DIGITS = 9  # of a lifetime in seconds: 31 years
_PAUSE_AFTER_FAILED_RENEWAL = 10.0
_CANCEL_AGAIN_AFTER = 1.0  # seconds


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


# Fetches a token in place of the one that it is passed, if there was one.
Fetch = Callable[[AccessToken | None], Awaitable[AccessToken]]


class TokenProvider:
    """Authorizes with the current token; the fetch is injected.

    Args:
        fetch: fetches a new token; retries and deadline are its own.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._renewal: asyncio.Task[AccessToken] | None = None
        self._no_renewal_before = 0.0

    async def authorize(self, deadline: float) -> Mapping[str, str]:
        """Return a token's header, waiting only while there is no token that the server takes.

        Raises:
            VippsError: whatever ended the fetch.
            TimeoutError: it goes on at *deadline*, on the monotonic clock.
        """
        now, token = self._clock(), self._token
        if token is None or not token.is_usable(now):
            token = await self._renewed(deadline - now)
        elif not token.is_fresh(now) and now >= self._no_renewal_before:
            self._renew()
        return token.headers

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Use the token of *headers* no more, unless it was replaced already."""
        if self._token is not None and self._token.headers is headers:
            self._token = self._token.refused()
        return True

    async def close(self) -> None:
        """End a renewal that is under way."""
        while self._renewal is not None:
            self._renewal.cancel()
            # Again: what waits inside can lose a cancellation, as asyncio.wait_for of Python 3.11 does.
            await asyncio.wait([self._renewal], timeout=_CANCEL_AGAIN_AFTER)

    async def _renewed(self, within: float) -> AccessToken:
        renewal = self._renew()
        # Waited for, not awaited: a caller that gives up does not take the fetch from the others.
        await asyncio.wait([renewal], timeout=within)
        if not renewal.done():
            raise TimeoutError
        if renewal.cancelled():
            raise ClientClosed
        return renewal.result()

    def _renew(self) -> "asyncio.Task[AccessToken]":
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._fetch_one(), name="vipps_async token renewal")
            self._renewal.add_done_callback(self._finish)
        return self._renewal

    async def _fetch_one(self) -> AccessToken:
        return await self._fetch(self._token)

    def _finish(self, renewal: "asyncio.Task[AccessToken]") -> None:
        self._renewal = None
        if renewal.cancelled():
            return
        error = renewal.exception()
        if error is None:
            self._token = renewal.result()
            return
        self._no_renewal_before = self._clock() + _PAUSE_AFTER_FAILED_RENEWAL
        if isinstance(error, VippsError):
            _logger.warning("no new access token: %s", error)
