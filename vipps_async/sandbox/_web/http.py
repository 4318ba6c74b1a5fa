"""Carry replies over HTTP: read requests within bounds, send replies whole, cut short, or not at all."""

import asyncio
import math
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from socket import SO_LINGER, SOL_SOCKET
from types import MappingProxyType

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from vipps_async.sandbox._faults.faults import Transmission
from vipps_async.sandbox._platform.problems import Problem, ProblemError, plain
from vipps_async.sandbox._platform.replies import HttpReply

BODY_LIMIT = 1024 * 1024  # bytes
_ARRIVES_WITHIN = 10.0  # seconds
_PACE = 0.02  # seconds between looks at whether a client has left: aiohttp has no event for it
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def read_body(request: web.Request) -> bytes:
    """Return the request's body.

    Raises:
        ProblemError: 415 for an encoded one, 413 for more than a mebibyte, 408 for one that does not arrive in time,
            400 for one that breaks off.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise plain(415, "Content-Encoding is not supported.")
    try:
        async with asyncio.timeout(_ARRIVES_WITHIN):
            return await request.read()
    except TimeoutError as error:
        raise plain(408, f"The body must arrive within {_ARRIVES_WITHIN:g} seconds.") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise plain(413, f"The body must have {BODY_LIMIT} bytes at most.") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise plain(400, "The body broke off.") from error


def problems_as_replies(problem_reply: Callable[[Problem, str], HttpReply]) -> Middleware:
    """Return a middleware by which *problem_reply* words every refusal, those of the routing included."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.rel_url.raw_path
        try:
            return await handler(request)
        except ProblemError as refused:
            return to_response(problem_reply(refused.problem, path))
        except web.HTTPException as error:
            allowed = {name: value for name, value in error.headers.items() if name == "Allow"}
            reply = problem_reply(plain(error.status, f"{request.method} {path} is not served here.").problem, path)
            return to_response(attrs.evolve(reply, headers=allowed))

    return answer


def refusing_other_sites(public_url: str | None) -> Middleware:
    """Return a middleware that refuses what a page of another site has a browser send.

    It would act for a developer who only looks at that page. A page of this server's own comes from the host that it is
    asked for, or, behind a proxy that asks for another, from *public_url*.

    Source: Fetch, which has browsers add ``Sec-Fetch-Site``, to https and loopback alone, and ``Origin``. Pages cannot
    set either, and programs need not.
    """
    own = URL(public_url).origin() if public_url else None

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "GET" and not _is_from_here(request, own):
            raise plain(403, "A page of another site may not do this.")
        return await handler(request)

    return refuse


def _is_from_here(request: web.Request, own: URL | None) -> bool:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == request.host or (own is not None and origin == str(own))


def to_response(reply: HttpReply) -> web.Response:
    """Return *reply* as the server sends it."""
    headers = dict(reply.headers)
    if reply.body:
        headers["Content-Type"] = _content_type(reply)
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)


async def hold_back(request: web.Request, seconds: float) -> None:
    """Return after *seconds*, or once the client has left."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not _has_left(request):  # noqa: ASYNC110 - see _PACE
        await asyncio.sleep(min(_PACE, left))


async def send(request: web.Request, reply: HttpReply, transmission: Transmission) -> web.StreamResponse:
    """Send as much of *reply* as *transmission* says, and return what the server needs to go on."""
    return await _SENDERS[transmission](request, reply)


async def _send_whole(_: web.Request, reply: HttpReply) -> web.StreamResponse:
    return to_response(reply)


async def _reset(request: web.Request, _: HttpReply) -> web.StreamResponse:
    if (transport := request.transport) is not None:
        # Lingering for no time makes closing send RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


async def _send_half(request: web.Request, reply: HttpReply) -> web.StreamResponse:
    body = reply.body or b"{}"
    headers = {**reply.headers, "Content-Type": _content_type(reply), "Content-Length": str(len(body))}
    # An answer that must not have a body could not be cut in half.
    response = web.StreamResponse(status=200 if reply.status == 204 else reply.status, headers=headers)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    return response


async def _send_half_then_cut(request: web.Request, reply: HttpReply) -> web.StreamResponse:
    response = await _send_half(request, reply)
    if request.transport is not None:
        request.transport.close()
    return response


async def _send_half_then_wait(request: web.Request, reply: HttpReply) -> web.StreamResponse:
    response = await _send_half(request, reply)
    await hold_back(request, math.inf)
    return response


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _content_type(reply: HttpReply) -> str:
    return reply.media_type if reply.media_type.startswith("image/") else f"{reply.media_type}; charset=utf-8"


_SENDERS: Mapping[Transmission, Callable[[web.Request, HttpReply], Awaitable[web.StreamResponse]]] = MappingProxyType(
    {
        Transmission.WHOLE: _send_whole,
        Transmission.NONE: _reset,
        Transmission.HALF_THEN_CUT: _send_half_then_cut,
        Transmission.HALF_THEN_SILENCE: _send_half_then_wait,
    }
)
