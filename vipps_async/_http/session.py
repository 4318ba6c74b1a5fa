"""The session wrapper: aiohttp, the token, retry and reply decoding, put together."""

import asyncio
import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from vipps_async._http.call import Call
from vipps_async._http.reply import decode
from vipps_async._http.retry import Again, Attempts, RetryPolicy, repeat
from vipps_async._http.token import AccessToken, ApiKeys, Authorizer, Fetch, TokenProvider
from vipps_async.config import Credentials, Environment, Secret, SystemInfo
from vipps_async.errors import CallError, ClientClosed, ConfigurationError, ConnectionFailed, InvalidReply, Unauthorized

T = TypeVar("T")

_logger = logging.getLogger("vipps_async")

_TOKEN_CALL = Call(operation="access token", method="POST", path="/accessToken/get", is_sensitive=True)
_EXCERPT = 200  # characters of a foreign text in a message
_LARGEST_REPLY = 8 * 1024 * 1024  # bytes, after decompression


class Transport:
    """The aiohttp session: the caller's, which is left open, or one that is opened at the first call and closed.

    Args:
        session: the caller's, or a function that returns it, asked at every request; ``None``: there is none.
    """

    def __init__(self, session: aiohttp.ClientSession | Callable[[], aiohttp.ClientSession] | None) -> None:
        self._given = (lambda: session) if isinstance(session, aiohttp.ClientSession) else session
        self._own: aiohttp.ClientSession | None = None
        self._is_closed = False

    def get(self) -> aiohttp.ClientSession:
        """Return the open session.

        Raises:
            ClientClosed: it was closed.
        """
        if self._is_closed:
            raise ClientClosed
        session = self._given() if self._given else self._opened()
        if session.closed:
            raise ClientClosed
        return session

    async def close(self) -> None:
        """Close the session if it is this object's own."""
        self._is_closed = True
        if self._own is not None:
            await self._own.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._own is None:
            self._own = aiohttp.ClientSession()
        return self._own


def _multi_dict(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(headers)


@attrs.frozen(kw_only=True)
class Session:
    """Sends calls.

    Attributes:
        transport: the aiohttp session.
        authorizer: what authorizes requests; copies of this session share it.
        base_url: scheme and host, without a trailing slash.
        headers: what every request carries, in the type that aiohttp takes without converting it.
        timeout: seconds that a call may take, waits and all attempts included.
        retry: how it is attempted again.
        deadline: when its calls end at the latest, on the monotonic clock.
    """

    transport: Transport
    authorizer: Authorizer
    base_url: str
    headers: CIMultiDict[str] = attrs.field(converter=_multi_dict)
    timeout: float
    retry: RetryPolicy
    deadline: float = math.inf
    _root: URL = attrs.field(init=False, default=attrs.Factory(lambda self: URL(self.base_url), takes_self=True))
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
        now = time.monotonic()
        deadline = min(now + self.timeout, self.deadline)
        try:
            return await repeat(partial(self._attempt, call, read, attempts, deadline))
        except TimeoutError as error:
            allowed = max(0.0, deadline - now)
            raise attempts.out_of_time(allowed, cause=error) from error
        except asyncio.CancelledError as error:
            if call.idempotency_key is not None and attempts.sent:
                error.add_note(f"{call.operation} was cut off; repeat it with idempotency key {call.idempotency_key}")
            raise

    def ending_at(self, deadline: float) -> "Session":
        """Return a copy whose calls share one deadline, on the monotonic clock."""
        return attrs.evolve(self, deadline=deadline)

    def attempting_once(self) -> "Session":
        """Return a copy that leaves it to its caller to try again."""
        return attrs.evolve(self, retry=attrs.evolve(self.retry, attempts=1))

    async def _attempt(self, call: Call, read: Callable[[Any], T], attempts: Attempts, deadline: float) -> T:
        try:
            authorization = await self.authorizer.authorize(deadline)
        except CallError as error:
            raise attempts.verdict(_without_token(error)) from error
        timeout = self._timeout_until(deadline)
        attempts.begin()
        try:
            return read(await self._exchange(call, authorization, timeout))
        except CallError as error:
            if call.is_sensitive:
                _conceal(error)
            _logger.debug("%s, attempt %d: %s", call.operation, attempts.sent, error.message)
            reauthorized = isinstance(error, Unauthorized) and self.authorizer.refused(authorization)
            wait = attempts.wait_after(error, left=deadline - time.monotonic(), reauthorized=reauthorized)
            if wait is None:
                raise attempts.verdict(error)  # noqa: B904 - the verdict has its cause
            raise Again(wait) from error

    def _timeout_until(self, deadline: float) -> aiohttp.ClientTimeout:
        left = deadline - time.monotonic()
        if left > self.retry.attempt_timeout:
            return self._attempt_timeout
        if left <= 0:
            raise TimeoutError  # which aiohttp would take for no limit
        # On the dot: aiohttp rounds a long time up to whole seconds.
        return aiohttp.ClientTimeout(total=left, connect=self._attempt_timeout.connect, ceil_threshold=math.inf)

    async def _exchange(self, call: Call, authorization: Mapping[str, str], timeout: aiohttp.ClientTimeout) -> Any:
        headers = self._headers_of(call, authorization)
        response, body = await self._request(call, headers, timeout)
        _logger.debug("%s: %s %s answered %d", call.operation, call.method, call.path, response.status)
        if response.status >= 300 or body.lstrip()[:1] not in {b"{", b"["}:
            body = _redacted(body, headers)  # and in no frame of a traceback as it came
        return decode(response.status, response.headers, body, now=datetime.now(UTC), expects_body=call.expects_body)

    async def _request(
        self, call: Call, headers: CIMultiDict[str], timeout: aiohttp.ClientTimeout
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        http = self.transport.get()
        try:
            response = await http.request(
                call.method,
                self._root.with_path(self._root.raw_path.rstrip("/") + call.path, encoded=True),
                data=call.body,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=timeout,
            )
            return response, await _read_body(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ConnectionFailed(f"could not connect to {self.base_url}: {error}", sent=False) from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            # Without its cause, which quotes what cannot be read: a proxy's page may repeat the request.
            raise InvalidReply(f"the reply cannot be read: {_in_short(error, headers)}") from None
        except TimeoutError as error:
            if timeout is not self._attempt_timeout:
                raise  # the call's time is over, not this attempt's alone
            seconds = self.retry.attempt_timeout
            raise ConnectionFailed(f"no complete reply within {seconds:g} s", sent=True) from error
        except (aiohttp.ClientError, OSError) as error:
            text = _in_short(error, headers)
            raise ConnectionFailed(f"the connection broke before the reply: {text}", sent=True) from error

    def _headers_of(self, call: Call, authorization: Mapping[str, str]) -> CIMultiDict[str]:
        headers = self.headers.copy()
        headers.update(authorization)
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        return headers


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    content, size = response.content, 0
    chunks: list[bytes] = []
    # No `async with response`, since a response that is read to its end has released its connection by itself.
    try:
        while size <= _LARGEST_REPLY and not content.at_eof():
            chunks.append(await content.readany())
            size += len(chunks[-1])
    except BaseException:
        response.close()
        raise
    if size > _LARGEST_REPLY:
        response.close()
        raise InvalidReply(f"HTTP {response.status} with more than {_LARGEST_REPLY} bytes")
    return b"".join(chunks)


def _redacted(body: bytes, headers: Mapping[str, str]) -> bytes:
    # A proxy's or a gateway's page may repeat the request.
    for value in headers.values():
        if isinstance(value, Secret):
            body = body.replace(value.removeprefix("Bearer ").encode(), b"**********")
    return body


def _in_short(error: Exception, headers: Mapping[str, str]) -> str:
    # Not its repr, which can hold the whole request.
    said = f"{type(error).__name__}: {getattr(error, 'message', '') or error}"
    return _redacted(" ".join(said.split()).encode(), headers).decode()[:_EXCERPT]


def _without_token(error: CallError) -> CallError:
    # A copy: callers that shared one token request each get their own call's facts on the error.
    own = copy.copy(error)
    own.message = f"no access token: {error.message}"
    return own


def _conceal(error: CallError) -> None:
    # The frames below hold the reply, and a traceback can be asked for their variables.
    error.__cause__ = error.__context__ = error.__traceback__ = None
    if isinstance(error, InvalidReply):
        error.message = "the reply is not what the API documents; it is not shown, since it holds a secret"


def _split(seconds: float) -> aiohttp.ClientTimeout:
    # Half the time to get a connection: what fails then was certainly not sent, the wait for a free one included.
    return aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)


def open_session(
    credentials: Credentials,
    *,
    environment: Environment,
    system: SystemInfo,
    session: aiohttp.ClientSession | Callable[[], aiohttp.ClientSession] | None,
    timeout: float,
    retry: RetryPolicy,
    share: Callable[[Fetch], Fetch],
) -> tuple[Session, TokenProvider]:
    """Put a session and its token together; nothing is sent, and no event loop is needed, before the first call.

    *share* turns the fetch of a token of this session's own into the one to use.
    """
    if isinstance(session, aiohttp.ClientSession) and session.auth is not None:
        raise ConfigurationError("the aiohttp session has auth of its own, which takes the place of the access token")
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
    tokens = TokenProvider(share(partial(_fetch_token, token_session)))
    return attrs.evolve(token_session, authorizer=tokens), tokens


async def _fetch_token(session: Session, _: AccessToken | None) -> AccessToken:
    # The lifetime counts from before the first attempt: a token that is renewed too early costs one request.
    return await session.send(_TOKEN_CALL, partial(AccessToken.from_reply, asked_at=time.monotonic()))
