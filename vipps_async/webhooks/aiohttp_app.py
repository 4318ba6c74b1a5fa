"""The receiver in an aiohttp server."""

import asyncio
import logging

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from vipps_async.webhooks._requests import BROKEN, READ_TIMEOUT, TOO_SLOW, DeliveryHandler, IncomingRequest, Reply

_logger = logging.getLogger("vipps_async.webhooks")


def setup(receiver: DeliveryHandler, app: web.Application, path: str) -> None:
    """Route ``POST`` *path* of *app* to *receiver*, which starts and closes with *app*."""
    _route(app, path, receiver)
    _live_with(app, receiver)


def make_app(receiver: DeliveryHandler) -> web.Application:
    """Return an application that routes every path below its mount point to *receiver*."""
    app = web.Application()
    _route(app, "", receiver)
    _route(app, "/{rest:.*}", receiver)
    _live_with(app, receiver)
    return app


def _live_with(app: web.Application, receiver: DeliveryHandler) -> None:
    async def start(_: web.Application) -> None:
        receiver.start()

    async def close(_: web.Application) -> None:
        await receiver.close()

    app.on_startup.append(start)
    app.on_shutdown.append(close)


def _route(app: web.Application, path: str, receiver: DeliveryHandler) -> None:
    async def handler(request: web.Request) -> web.Response:
        reply = receiver.refusal(request.method, request.headers)
        return _response(reply or await _receive(receiver, request))

    async def expect(request: web.Request) -> web.Response | None:
        # aiohttp's own answer repeats the header, and fails with 500 where that is no text.
        if request.version < HttpVersion11:
            return None
        if request.headers["Expect"].lower() != "100-continue":
            return _response(receiver.refuse(Reply(417, body=b"nothing is expected but 100-continue")))
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp's own does: the reply has not begun
        return None

    app.router.add_route("*", path, handler, expect_handler=expect)


async def _receive(receiver: DeliveryHandler, request: web.Request) -> Reply:
    try:
        body = await _read(request, receiver.max_body)
    except asyncio.CancelledError:
        receiver.refuse(BROKEN)  # the client hung up or the server ends, and nobody else counts it
        raise
    if isinstance(body, Reply):
        return receiver.refuse(body)
    return await receiver.handle(IncomingRequest(request.method, request.raw_path, request.headers, body))


async def _read(request: web.Request, limit: int) -> bytes | Reply:
    content = request.content
    try:
        if not request.can_read_body:
            return await request.read()  # at once: what a middleware has read, which aiohttp keeps, or nothing
        # Read here, since aiohttp knows neither a limit for a sub-application nor one for time. Nearly every body is
        # here already, and needs neither.
        return content.read_nowait() if content.is_eof() else await _read_as_it_comes(content, limit)
    except TimeoutError:
        _logger.warning("a delivery took longer than %g s for its body", READ_TIMEOUT)
        return TOO_SLOW
    except (OSError, web.RequestPayloadError, HttpProcessingError) as error:
        _logger.warning("a delivery broke off while its body was read: %r", error)
        return BROKEN


async def _read_as_it_comes(content: StreamReader, limit: int) -> bytes:
    """Read to the end, or a little beyond *limit*, which the receiver refuses."""
    body = bytearray()
    async with asyncio.timeout(READ_TIMEOUT):
        while len(body) <= limit and not content.at_eof():
            body += await content.readany()
    return bytes(body)


def _response(reply: Reply) -> web.Response:
    response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    if reply.headers.get("Connection") == "close":
        response.force_close()
    return response
