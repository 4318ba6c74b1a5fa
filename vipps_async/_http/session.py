"""The session wrapper: a call's attempts, the token and reply decoding, put together.

A call is attempted until a reply settles it, until another attempt would be of no use, or until its time is over. Each
attempt asks for the token, sends the same bytes, and reads the reply. From the moment when a request can have left, a
write ends in `OutcomeUnknown`, whatever raises, unless the API itself says otherwise.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from vipps_async._http.call import Call
from vipps_async._http.reply import decode
from vipps_async._http.retry import Attempts, RetryBudget, RetryPolicy
from vipps_async._http.token import AccessToken, ApiKeys, Authorizer, Fetch, TokenProvider
from vipps_async._http.transport import Answer, HttpSession, redacted
from vipps_async.config import Credentials, Environment, SystemInfo
from vipps_async.errors import CallError, InvalidReply, Unauthorized, VippsError

T = TypeVar("T")

_logger = logging.getLogger("vipps_async")

_TOKEN_CALL = Call(operation="access token", method="POST", path="/accessToken/get", is_sensitive=True)
_UNSHOWN = "the reply is not what the API documents; it is not shown, since it holds a secret"


def _multi_dict(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(headers)


class ApiClient(Protocol):
    """The client that a class of an API is made of: a `VippsClient`, or a `Session` itself."""

    @property
    def session(self) -> "Session":
        """The session that sends its calls."""
        ...


@attrs.frozen(kw_only=True)
class Session:
    """Sends calls.

    Attributes:
        http: the aiohttp session.
        authorizer: what authorizes requests; copies of this session share it.
        base_url: scheme and host, without a trailing slash.
        headers: what every request carries, in the type that aiohttp takes without converting it.
        timeout: seconds that a call may take, waits and all attempts included.
        retry: how it is attempted again.
        budget: bounds the repeats of all calls; copies of this session share it.
        deadline: when its calls end at the latest, on the monotonic clock.
    """

    http: HttpSession
    authorizer: Authorizer
    base_url: str
    headers: CIMultiDict[str] = attrs.field(converter=_multi_dict)
    timeout: float
    retry: RetryPolicy
    budget: RetryBudget = attrs.field(factory=RetryBudget)
    deadline: float = math.inf
    _root: URL = attrs.field(init=False, default=attrs.Factory(lambda self: URL(self.base_url), takes_self=True))
    _attempt_seconds: float = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.retry.attempt_timeout.total_seconds(), takes_self=True)
    )
    _attempt_timeout: aiohttp.ClientTimeout = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: _split(self.retry.attempt_timeout.total_seconds()), takes_self=True),
    )

    @property
    def session(self) -> "Session":
        """Itself, so that it can stand for a client."""
        return self

    async def send(self, call: Call, read: Callable[[Any], T]) -> T:
        """Return what *read* makes of the decoded reply to *call*; the rest is as `send_for_headers` describes."""
        return await self.send_for_headers(call, lambda document, _: read(document))

    async def send_for_headers(self, call: Call, read: Callable[[Any, Mapping[str, str]], T]) -> T:
        """Return what *read* makes of the decoded reply to *call* and its headers.

        Args:
            call: what to send.
            read: takes the decoded JSON, ``None`` for an empty reply, and the headers; raises `InvalidReply` for one
                that it cannot read, which is then attempted again as any other reply that does not tell the outcome.

        Raises:
            CallError: as one of its subclasses, with the call's attempts and idempotency key.
            ConfigurationError, WrongEventLoop: the aiohttp session cannot be used; nothing was sent.
        """
        attempts = Attempts(call, self.retry, self.budget)
        now = time.monotonic()
        deadline = min(now + self.timeout, self.deadline)
        try:
            return await self._repeated(call, read, attempts, deadline)
        except TimeoutError as error:
            raise attempts.out_of_time(max(0.0, deadline - now), cause=error) from error
        except CallError:
            raise
        except Exception as error:
            if isinstance(error, VippsError) and not attempts.is_open:
                raise
            raise attempts.interrupted(error) from error
        except BaseException as error:
            if call.idempotency_key is not None and attempts.is_open:
                error.add_note(f"{call.operation} was cut off; repeat it with idempotency key {call.idempotency_key}")
            raise

    def ending_at(self, deadline: float) -> "Session":
        """Return a copy whose calls share one deadline, on the monotonic clock."""
        return attrs.evolve(self, deadline=deadline)

    def attempting_once(self) -> "Session":
        """Return a copy that leaves it to its caller to try again."""
        return attrs.evolve(self, retry=attrs.evolve(self.retry, attempts=1))

    async def _repeated(
        self, call: Call, read: Callable[[Any, Mapping[str, str]], T], attempts: Attempts, deadline: float
    ) -> T:
        while True:
            try:
                authorization = await self.authorizer.authorize(deadline)
            except CallError as error:
                raise attempts.without_token(error) from error
            try:
                result = read(*await self._attempt(call, authorization, attempts, deadline))
            except CallError as error:
                _hide_secrets(error, call, self.headers, authorization)
                _logger.debug("%s, attempt %d: %s", call.operation, attempts.made, error.message)
                reauthorized = isinstance(error, Unauthorized) and self.authorizer.refused(authorization)
                wait = attempts.wait_after(error, left=deadline - time.monotonic(), reauthorized=reauthorized)
                if wait is None:
                    raise attempts.final_error(error)  # noqa: B904 - it has its cause
            else:
                attempts.succeeded()
                self.authorizer.accepted(authorization)
                return result
            await asyncio.sleep(wait)

    async def _attempt(
        self, call: Call, authorization: Mapping[str, str], attempts: Attempts, deadline: float
    ) -> tuple[Any, Mapping[str, str]]:
        timeout = self._timeout_until(deadline)
        attempts.begin()
        answer = await self._answer_to(call, authorization, timeout, attempts)
        _logger.debug("%s: %s %s answered %d", call.operation, call.method, call.path, answer.status)
        return decode(call, answer.status, answer.headers, answer.body, now=datetime.now(UTC)), answer.headers

    async def _answer_to(
        self,
        call: Call,
        authorization: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        attempts: Attempts,
    ) -> Answer:
        try:
            return await self.http.request(
                call.method,
                self._url_of(call),
                headers=self._headers_of(call),
                authorization=authorization,
                body=call.body,
                timeout=timeout,
                on_sent=attempts.on_sent,
            )
        except TimeoutError as error:
            if timeout is not self._attempt_timeout:
                raise  # the call's time is over, not this attempt's alone
            raise attempts.timed_out(self.retry.attempt_timeout) from error

    def _timeout_until(self, deadline: float) -> aiohttp.ClientTimeout:
        left = deadline - time.monotonic()
        if left > self._attempt_seconds:
            return self._attempt_timeout
        if left <= 0:
            raise TimeoutError  # which aiohttp would take for no limit
        # On the dot: aiohttp rounds a long time up to whole seconds.
        return aiohttp.ClientTimeout(total=left, connect=self._attempt_timeout.connect, ceil_threshold=math.inf)

    def _url_of(self, call: Call) -> URL:
        url = self._root.with_path(self._root.raw_path.rstrip("/") + call.path, encoded=True)
        return url.with_query(call.query) if call.query else url

    def _headers_of(self, call: Call) -> CIMultiDict[str]:
        headers = self.headers.copy()
        for name in call.left_out:
            headers.popall(name, None)
        headers.update(call.headers)
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        return headers


def _hide_secrets(error: CallError, call: Call, *headers: Mapping[str, str]) -> None:
    if call.is_sensitive or isinstance(error, InvalidReply):
        # The frames below hold the reply, which may repeat the request, and a traceback tells their variables.
        error.__cause__ = error.__context__ = error.__traceback__ = None
    if isinstance(error, InvalidReply):
        error.message = _UNSHOWN if call.is_sensitive else redacted(error.message, *headers)


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
    trust_env: bool,
    share: Callable[[Fetch], Fetch],
) -> tuple[Session, TokenProvider]:
    """Put a session and its token together; nothing is sent, and no event loop is needed, before the first call.

    *share* turns the fetch of a token of this session's own into the one to use.
    """
    keys = ApiKeys({"client_id": credentials.client_id, "client_secret": credentials.client_secret})
    token_session = Session(
        http=HttpSession(session, trust_env=trust_env),
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


async def _fetch_token(session: Session, _: AccessToken | None, within: float) -> AccessToken:
    # The lifetime counts from before the first attempt: a token that is renewed too early costs one request.
    patient = attrs.evolve(session, timeout=max(session.timeout, within))
    return await patient.send(_TOKEN_CALL, partial(AccessToken.from_reply, asked_at=time.monotonic()))
