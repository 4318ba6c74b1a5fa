"""The receiver in an ASGI server: FastAPI, Starlette, Django, or none of them. Needs no framework itself.

Source of the protocol: the ASGI specification, HTTP and lifespan.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import attrs

from vipps_async.webhooks._requests import (
    ANSWER_TIMEOUT,
    BEING_HANDLED,
    BROKEN,
    READ_TIMEOUT,
    REDIRECTED,
    TOO_LARGE,
    TOO_SLOW,
    DeliveryHandler,
    IncomingRequest,
    Reply,
)

_logger = logging.getLogger("vipps_async.webhooks")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


# An object, since Starlette's Route takes a function for an endpoint that is given a request.
@attrs.frozen
class AsgiApp:
    """An ASGI 3 application that routes every path to a receiver.

    As an application of its own it starts and closes the receiver with the server. Starlette and FastAPI keep the
    lifespan from what is mounted in them: there the lifespan of the application around it is ``async with receiver``.

    Args:
        receiver: what handles the deliveries.
    """

    receiver: DeliveryHandler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through the server's lifespan."""
        match scope["type"]:
            case "http":
                await _send(send, await self._reply(scope, receive), version=scope.get("http_version", "1.1"))
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})
            case other:
                raise NotImplementedError(f"deliveries come by http, not by {other}")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.receiver.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.receiver.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        headers = _headers(scope)
        refused = self.receiver.refusal(scope["method"], headers)
        if refused is not None:
            return refused
        if _is_mounted_at(self.receiver.path, scope):
            _logger.error(
                "the receiver is mounted at %s, the path of its URL, which the framework redirects, so that Vipps "
                "MobilePay's deliveries are lost: give it a route, app.routes.append(Route(%r, receiver.asgi_app()))",
                self.receiver.path,
                self.receiver.path,
            )
            return self.receiver.refuse(REDIRECTED)
        try:
            body = await _read(receive, self.receiver.max_body)
        except asyncio.CancelledError:
            self.receiver.refuse(BROKEN)  # the client hung up or the server ends, and nobody else counts it
            raise
        if isinstance(body, Reply):
            return self.receiver.refuse(body)
        return await self._answer(IncomingRequest(scope["method"], _target(scope), headers, body))

    async def _answer(self, request: IncomingRequest) -> Reply:
        # Servers end their requests before they tell of the shutdown, which is what ends a handler that hangs.
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self.receiver.handle(request)
        except TimeoutError:
            _logger.warning("a delivery takes longer than %g s to handle: it has to come again", ANSWER_TIMEOUT)
            return BEING_HANDLED


def _headers(scope: Scope) -> dict[str, str]:
    # Every byte is a character of latin-1, so that no header can fail here; what it says is for the receiver to judge.
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _is_mounted_at(path: str | None, scope: Scope) -> bool:
    # Starlette answers the path of a mount with a redirect to that path and a slash, which only a test client follows.
    root = scope.get("root_path", "")
    return bool(root) and root == path and scope["path"].removeprefix(root) == "/"


def _target(scope: Scope) -> str:
    # Quoted again, since the path arrives decoded and goes into a line of the log.
    query = quote(scope.get("query_string", b""), safe="%&=")
    return quote(scope["path"], errors="replace") + (f"?{query}" if query else "")


async def _read(receive: Receive, limit: int) -> bytes | Reply:
    body = bytearray()
    is_complete = False
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            while not is_complete:
                message = await receive()
                if message["type"] == "http.disconnect":
                    _logger.warning("a delivery broke off while its body was read")
                    return BROKEN
                body += message.get("body", b"")
                if len(body) > limit:
                    return TOO_LARGE
                is_complete = not message.get("more_body", False)
    except TimeoutError:
        _logger.warning(
            "a delivery took longer than %g s for its body, of which %d bytes came: the sender is slow, or a "
            "middleware that keeps nothing has read it",
            READ_TIMEOUT,
            len(body),
        )
        return TOO_SLOW
    except OSError as error:
        _logger.warning("a delivery broke off while its body was read: %r", error)
        return BROKEN
    return bytes(body)


async def _send(send: Send, reply: Reply, *, version: str) -> None:
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    if not version.startswith("1"):
        headers.pop("Connection", None)  # RFC 9113, 8.2.2: no field of a connection in HTTP/2 or later
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    with suppress(OSError):  # the client is gone; servers of ASGI 2.4 or later say so, and nobody is left to tell
        await send({"type": "http.response.start", "status": reply.status, "headers": lines})
        await send({"type": "http.response.body", "body": reply.body})
