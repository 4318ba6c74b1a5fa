"""One attempt over aiohttp, in a session of the loop that runs, and what became of it, as an error of the tree."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from vipps_async._http.sending import Attempt, Internals
from vipps_async._loops.per_loop import PerLoop, cancellations
from vipps_async._wire.secret import Secret
from vipps_async.errors import (
    CallError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    InvalidReply,
    WrongEventLoop,
    printable,
)

_EXCERPT = 200  # characters of a foreign text in a message
_LARGEST_REPLY = 8 * 1024 * 1024  # bytes, after decompression
_UNREADABLE = aiohttp.ClientPayloadError | aiohttp.ClientResponseError
# What tells how a message is framed, or where it goes: each request has its own.
_FRAMING = ("Content-Encoding", "Content-Length", "Expect", "Host", "Transfer-Encoding", "Upgrade")
# As in an address of a proxy, user and password.
_USER = re.compile(r"[^\s/@:'\"]+:[^\s/@]*@")
_REMEDY_FOR_SESSION = "give session= a function that returns the session of the loop that runs"


@attrs.frozen
class Answer:
    """A reply as it came."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class HttpSession:
    """The aiohttp session: the caller's, which is left open, or one of its own for the event loop that runs.

    Args:
        session: the caller's, or a function that returns it, asked at every request; ``None``: there is none.
        trust_env: whether a session of its own uses the proxy that ``HTTPS_PROXY`` names.
    """

    def __init__(
        self, session: aiohttp.ClientSession | Callable[[], aiohttp.ClientSession] | None, *, trust_env: bool
    ) -> None:
        if trust_env and session is not None:
            raise ConfigurationError("trust_env=True is for a client's own session: make the one given with it")
        self._given = (lambda: session) if isinstance(session, aiohttp.ClientSession) else session
        self._trust_env = trust_env
        self._left: list[aiohttp.ClientSession] = []
        self._own = PerLoop(self._open, discard=self._left.append, owner="this VippsClient")
        self._is_closed = False
        self._in_flight = 0

    async def request(
        self,
        method: str,
        url: URL,
        *,
        headers: CIMultiDict[str],
        authorization: Mapping[str, str],
        body: bytes | None,
        timeout: aiohttp.ClientTimeout,
        on_sent: Callable[[], None],
    ) -> Answer:
        """Send a request once, and return the reply.

        Args:
            method: the HTTP method.
            url: where to.
            headers: what it carries.
            authorization: the headers that authorize it; nobody else's are sent.
            body: its bytes, or ``None``.
            timeout: how long it may take; ``connect`` bounds the wait for a connection.
            on_sent: called when the request is about to be written to a connection.

        Raises:
            ClientClosed: the session is closed, and nothing was sent.
            ConfigurationError, WrongEventLoop: the session cannot be used, and nothing was sent.
            ConnectionFailed, InvalidReply: there is no reply, or none that can be read.
            TimeoutError: the time is over.
        """
        session = await self._session()
        attempt = Attempt(authorization, on_sent)
        before = cancellations()
        self._in_flight += 1
        try:
            response = await session.request(
                method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=timeout,
                middlewares=(*Internals.middlewares_of(session), attempt),
            )
            content = await _read_body(response)
            if response.status >= 300 or content.lstrip()[:1] not in {b"{", b"["}:
                content = redacted(content.decode("latin-1"), headers, authorization).encode("latin-1")
            return Answer(response.status, response.headers, content)
        except asyncio.CancelledError:
            # Nobody has asked for it where a connector is closed under who waits for a connection, or where a hook has
            # awaited what was cancelled. But who was cancelled before may be told of it only now.
            if cancellations() != before or (before and not session.closed):
                raise
            raise _cancelled_by_nobody(session, sent=attempt.sent) from None
        except Exception as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise
            if session.closed and not attempt.sent:
                raise ClientClosed from None
            text = _in_a_line(error, headers, authorization)
            told = self._as_call_error(
                error, text, sent=attempt.sent, url=url, session=session, seconds=timeout.connect
            )
            raise told from _cause_of(error)
        finally:
            self._in_flight -= 1

    async def close(self) -> None:
        """Close the session if it is this object's own; any number of times, in any event loop or none."""
        self._is_closed = True
        own = self._own.pop()
        if own is not None:
            await own.close()
        await self._close_left()

    async def _session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise ClientClosed
        session = self._own.get() if self._given is None else _checked(self._given)
        if self._left:
            await self._close_left()
        if session.closed:
            raise ClientClosed
        return session

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(trust_env=self._trust_env, cookie_jar=aiohttp.DummyCookieJar())

    async def _close_left(self) -> None:
        while self._left:
            await self._left.pop().close()

    def _as_call_error(
        self,
        error: Exception,
        text: str,
        *,
        sent: bool,
        url: URL,
        session: aiohttp.ClientSession,
        seconds: float | None,
    ) -> CallError:
        # Sent or not comes first: of whatever class it is, only that decides.
        if not isinstance(error, aiohttp.ClientError | OSError):
            return ConnectionFailed(f"interrupted by {text}", sent=sent, is_transient=False)
        if sent and isinstance(error, _UNREADABLE):
            return InvalidReply(f"the reply cannot be read: {text}")
        if sent:
            return ConnectionFailed(f"the connection broke before the reply: {text}", sent=True)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            refusal = f"the proxy refused to connect to {url.origin()}: HTTP {error.status}; {text}"
            return ConnectionFailed(refusal, sent=False, is_transient=error.status >= 500)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            text = self._no_connection(url, session, seconds)
        else:
            text = f"no connection to {url.origin()}: {text}"
        return ConnectionFailed(text + _proxy_hint(url, session, is_given=self._given is not None), sent=False)

    def _no_connection(self, url: URL, session: aiohttp.ClientSession, seconds: float | None) -> str:
        connector = session.connector
        limits = [limit for limit in (connector.limit, connector.limit_per_host) if limit] if connector else []
        if limits and self._in_flight > min(limits):
            return (
                f"no connection became free within {seconds:g} s: {self._in_flight:,} calls in flight "
                f"on {min(limits)} connections; make fewer at once, or give session= one with a larger TCPConnector"
            )
        return f"no connection to {url.origin()} within {seconds:g} s"


def _proxy_hint(url: URL, session: aiohttp.ClientSession, *, is_given: bool) -> str:
    proxy = getproxies().get(url.scheme)
    if proxy is None or proxy_bypass(url.host or ""):
        return ""
    name = f"{url.scheme}_proxy".upper()
    if not session.trust_env:
        option = "a session made with trust_env=True" if is_given else "trust_env=True"
        return f"; {name} names a proxy, which is not used without {option}"
    if not proxy.lower().startswith("http://"):
        return f"; {name} must be the http:// address of a proxy: aiohttp speaks to no other"
    return ""


def _checked(give: Callable[[], Any]) -> aiohttp.ClientSession:
    try:
        session = give()
    except Exception as error:
        raise ConfigurationError(f"the function given as session= raised {type(error).__name__}: {error}") from error
    if not isinstance(session, aiohttp.ClientSession):
        raise ConfigurationError(
            f"the function given as session= must return an aiohttp.ClientSession, not {type(session).__name__}"
        )
    if not session.closed and Internals.loop_of(session) is not asyncio.get_running_loop():
        raise WrongEventLoop("the aiohttp session given as session=", _REMEDY_FOR_SESSION)
    if not session.auto_decompress:
        raise ConfigurationError("the aiohttp session has auto_decompress=False: compressed replies cannot be read")
    for name in _FRAMING:
        if name in session.headers:
            raise ConfigurationError(f"the aiohttp session has {name} among its headers, which is each request's own")
    return session


def _cancelled_by_nobody(session: aiohttp.ClientSession, *, sent: bool) -> CallError:
    if not session.closed:
        return ConnectionFailed("interrupted by a CancelledError that nobody asked for", sent=sent, is_transient=False)
    return ConnectionFailed("the client was closed before the reply", sent=True) if sent else ClientClosed()


def _cause_of(error: Exception) -> Exception | None:
    # Not one that quotes what cannot be read: a proxy's page may repeat the request, and its address has a password.
    return None if isinstance(error, _UNREADABLE | aiohttp.InvalidURL) else error


def _in_a_line(error: Exception, *secrets: Mapping[str, str]) -> str:
    # Not its repr, which can hold the whole request.
    said = f"{type(error).__name__}: {getattr(error, 'message', '') or error}"
    return printable(_USER.sub("**********@", redacted(said, *secrets)), _EXCERPT)


def redacted(text: str, *headers: Mapping[str, str]) -> str:
    """Return *text*, which may repeat a request, without the secrets among the request's *headers*."""
    for value in (value for each in headers for value in each.values()):
        if isinstance(value, Secret):
            text = text.replace(value.removeprefix("Bearer "), "**********")
    return text


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
        raise aiohttp.ClientPayloadError(f"HTTP {response.status} with more than {_LARGEST_REPLY} bytes")
    return b"".join(chunks)
