"""The session wrapper: aiohttp, the token, retry and reply decoding, put together."""

import asyncio
import copy
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import aiohttp
import attrs

from vipps_async._http.call import Call
from vipps_async._http.reply import decode
from vipps_async._http.retry import Again, Attempts, RetryPolicy, repeat
from vipps_async._http.token import AccessToken, ApiKeys, Authorizer, TokenProvider
from vipps_async.config import Credentials, Environment, SystemInfo
from vipps_async.errors import CallError, ClientClosed, ConnectionFailed, InvalidReply, Unauthorized

T = TypeVar("T")

_logger = logging.getLogger("vipps_async")

_TOKEN_CALL = Call(operation="access token", method="POST", path="/accessToken/get")


class Transport:
    """The aiohttp session: the caller's, which is left open, or one that is opened at the first call and closed."""

    def __init__(self, session: aiohttp.ClientSession | None) -> None:
        self._session = session
        self._is_own = session is None
        self._is_closed = False

    def get(self) -> aiohttp.ClientSession:
        """Return the open session.

        Raises:
            ClientClosed: it was closed.
        """
        if self._session is None and not self._is_closed:
            self._session = aiohttp.ClientSession()
        if self._session is None or self._session.closed:
            raise ClientClosed
        return self._session

    async def close(self) -> None:
        """Close the session if it is this object's own."""
        self._is_closed = True
        if self._is_own and self._session is not None:
            await self._session.close()


@attrs.frozen(kw_only=True)
class Session:
    """Sends calls.

    Attributes:
        transport: the aiohttp session.
        authorizer: what authorizes requests; copies of this session share it.
        base_url: scheme and host, without a trailing slash.
        headers: what every request carries.
        timeout: seconds that a call may take, waits and all attempts included.
        retry: how it is attempted again.
    """

    transport: Transport
    authorizer: Authorizer
    base_url: str
    headers: Mapping[str, str]
    timeout: float
    retry: RetryPolicy
    _attempt_timeout: aiohttp.ClientTimeout = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: _split(self.retry.attempt_timeout), takes_self=True),
    )

    async def send(self, call: Call, read: Callable[[Any], T]) -> T:
        """Return what *read* makes of the decoded reply to *call*.

        Args:
            call: what to send.
            read: takes the decoded JSON, ``None`` for an empty reply; raises `InvalidReply` for one that it cannot
                read, which is then attempted again as any other reply that does not tell the outcome.

        Raises:
            CallError: as one of its subclasses, with the call's attempts and idempotency key.
        """
        attempts = Attempts(call, self.retry)
        deadline = time.monotonic() + self.timeout
        try:
            async with asyncio.timeout(self.timeout):
                return await repeat(partial(self._attempt, call, read, attempts, deadline))
        except TimeoutError as error:
            raise attempts.out_of_time(self.timeout, cause=error) from error

    async def _attempt(self, call: Call, read: Callable[[Any], T], attempts: Attempts, deadline: float) -> T:
        authorization = await self._authorize(attempts)
        attempts.begin()
        try:
            return read(await self._exchange(call, authorization))
        except CallError as error:
            _logger.debug("%s, attempt %d: %s", call.operation, attempts.sent, error.message)
            reauthorized = isinstance(error, Unauthorized) and self.authorizer.refused(authorization)
            wait = attempts.wait_after(error, left=deadline - time.monotonic(), reauthorized=reauthorized)
            if wait is None:
                raise attempts.verdict(error)  # noqa: B904 - the verdict has its cause
            raise Again(wait) from error

    async def _authorize(self, attempts: Attempts) -> Mapping[str, str]:
        try:
            return await self.authorizer.authorize()
        except CallError as error:
            # A copy: callers that shared one token request each get their own call's facts on the error.
            own = copy.copy(error)
            own.message = f"no access token: {error.message}"
            raise attempts.verdict(own) from error

    async def _exchange(self, call: Call, authorization: Mapping[str, str]) -> Any:
        headers = {**self.headers, **authorization}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        status, reply_headers, body = await self._request(call, headers)
        _logger.debug("%s: %s %s answered %d", call.operation, call.method, call.path, status)
        return decode(status, reply_headers, body, now=datetime.now(UTC))

    async def _request(self, call: Call, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        http = self.transport.get()
        try:
            async with http.request(
                call.method,
                self.base_url + call.path,
                data=call.body,
                headers=headers,
                allow_redirects=False,
                timeout=self._attempt_timeout,
            ) as response:
                return response.status, response.headers, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ConnectionFailed(f"could not connect to {self.base_url}: {error}", sent=False) from error
        except aiohttp.ClientPayloadError as error:
            raise InvalidReply(f"the reply was cut short or cannot be decoded: {error}") from error
        except TimeoutError as error:
            seconds = self.retry.attempt_timeout
            raise ConnectionFailed(f"no complete reply within {seconds:g} s", sent=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed(f"the connection broke before the reply: {error!r}", sent=True) from error


def _split(seconds: float) -> aiohttp.ClientTimeout:
    # Half the time to get a connection: what fails then was certainly not sent, the wait for a free one included.
    return aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)


def open_session(
    credentials: Credentials,
    *,
    environment: Environment,
    system: SystemInfo,
    session: aiohttp.ClientSession | None,
    timeout: float,
    retry: RetryPolicy,
) -> tuple[Session, TokenProvider]:
    """Put a session and its token together; nothing is sent, and no event loop is needed, before the first call."""
    keys = ApiKeys({"client_id": credentials.client_id, "client_secret": credentials.client_secret})
    token_session = Session(
        transport=Transport(session),
        authorizer=keys,
        base_url=environment.base_url,
        headers={
            "Ocp-Apim-Subscription-Key": credentials.subscription_key,
            "Merchant-Serial-Number": credentials.merchant_serial_number,
            **system.headers,
        },
        timeout=timeout,
        retry=retry,
    )
    tokens = TokenProvider(partial(_fetch_token, token_session))
    return attrs.evolve(token_session, authorizer=tokens), tokens


async def _fetch_token(session: Session) -> AccessToken:
    # The lifetime counts from before the first attempt: a token that is renewed too early costs one request.
    return await session.send(_TOKEN_CALL, partial(AccessToken.from_reply, asked_at=time.monotonic()))
