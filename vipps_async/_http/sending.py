"""Observes a request on its way through aiohttp: whether it can have left, and whether the connection is at rest.

What decides over money is whether a request can have left this process, and aiohttp's exceptions do not tell. So each
request passes a client middleware of its own, the innermost, which sees it as often as anything wants to send it, and
which takes hold of the step that writes it to a connection:

- Before that step nothing has left: the wait for a connection, DNS, TCP, TLS, a proxy's CONNECT. After it, it may have.
- At that step the connection is looked at: what it holds already is no reply to a request that is still to be written.
- The second time that a request gets to the middleware, somebody else repeats it, as aiohttp does with GET and DELETE
  on a broken connection, and is refused: what is repeated, how often and with which key is this package's to say.

That step, the state of a connection and a session's own middlewares and loop are not public in aiohttp; `Internals` is
the one place that names them.
"""

import asyncio
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

# What a session's own headers and cookies say to another service.
_CREDENTIALS = ("Authorization", "Proxy-Authorization", "Cookie")


class Internals:
    """The parts of aiohttp 3.12 to 3.14 that are not public, and needed all the same."""

    @staticmethod
    def loop_of(session: aiohttp.ClientSession) -> asyncio.AbstractEventLoop:
        """Return the event loop that *session* works in."""
        return session._loop  # noqa: SLF001 - see the module

    @staticmethod
    def middlewares_of(session: aiohttp.ClientSession) -> Sequence[Any]:
        """Return the client middlewares that *session* was made with."""
        return session._middlewares or ()  # noqa: SLF001 - see the module

    @staticmethod
    def wrap_writing(request: aiohttp.ClientRequest, look: Callable[[Any], Any]) -> None:
        """Have *look* awaited with the connection when *request* is about to be written to it."""
        write = request.send

        async def look_and_write(connection: Any) -> aiohttp.ClientResponse:
            await look(connection)
            return await write(connection)

        request.send = look_and_write  # type: ignore[assignment]  # see the module

    @staticmethod
    def is_at_rest(connection: Any) -> bool:
        """Whether it is open, and nothing came on it since the last reply was read."""
        protocol = connection.protocol
        return bool(protocol.is_connected() and not protocol.should_close)

    @staticmethod
    def has_unread(connection: Any) -> bool:
        """Whether there are bytes that the event loop has not read yet."""
        socket = connection.transport.get_extra_info("socket") if connection.transport else None
        return socket is not None and _is_readable(socket.fileno())


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class Attempt:
    """A client middleware for one request.

    Args:
        authorization: the headers that authorize it, in the place of any others.
        on_sent: called when the request is about to be written to a connection.

    Attributes:
        sent: whether the request may have left.
    """

    def __init__(self, authorization: Mapping[str, str], on_sent: Callable[[], None]) -> None:
        self._authorization = authorization
        self._on_sent = on_sent
        self._was_handled = False
        self._failure: Exception | None = None
        self.sent = False

    async def __call__(self, request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        if self._was_handled:
            raise self._failure or RuntimeError("a middleware of the aiohttp session repeats the request")
        self._was_handled = True
        # Here, and in the place of any other: aiohttp adds what it finds in a .netrc, or in the session's auth and jar.
        for name in _CREDENTIALS:
            request.headers.popall(name, None)
        request.headers.update(self._authorization)
        Internals.wrap_writing(request, self._before_writing)
        try:
            response: aiohttp.ClientResponse = await handler(request)
        except Exception as error:
            self._failure = error
            raise
        return response

    async def _before_writing(self, connection: Any) -> None:
        if Internals.has_unread(connection):
            # Let the loop read it: over TLS it may be nothing of the other side's application.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if not Internals.is_at_rest(connection):
            raise aiohttp.ClientConnectionError("it was closed, or held a reply, before the request was written")
        self.sent = True
        self._on_sent()
