"""A server that answers each request as a test says, to the byte, and keeps what it was sent."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import attrs

from tests.support.raw_server import KEYS
from vipps_async import Environment, RetryPolicy, VippsClient
from vipps_async.errors import VippsError

TRACE = "00-58fbfecd36ce559f011ddac593d069ec-2772c171c280e23a-01"


class Boom(Exception):
    """Is raised by hooks and middlewares; nobody has thought of it."""


async def end_of(call: Awaitable[object]) -> Any:
    """Return what a call returns, or the error of the tree that it raises."""
    try:
        return await call
    except VippsError as error:
        return error


@attrs.frozen
class Asked:
    """A request as it came: the *number*-th, from 1, of those that are not for a token."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str | None:
        """Its idempotency key."""
        return self.headers.get("idempotency-key")


class _Breaks:
    """What a server does to a connection instead of answering."""


CLOSE, RESET, HANG = _Breaks(), _Breaks(), _Breaks()
Step = bytes | float | _Breaks
Answer = Step | Sequence[Step]
Answering = Callable[[Asked], Answer | Awaitable[Answer]]


async def passed_on(asked: Asked, url: str) -> bytes:
    """Send a request on to the server at *url*, and return its whole reply."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    fields = {**asked.headers, "host": to.netloc, "connection": "close"}
    head = "\r\n".join(
        [f"{asked.method} {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    )
    writer.write(f"{head}\r\n\r\n".encode("latin-1") + asked.body)
    said = await reader.read()
    writer.close()
    return said


def reply(status: int, document: Any = None, *, kind: str = "application/json", **headers: str) -> bytes:
    """Return a whole HTTP reply that keeps the connection; text is a page."""
    if isinstance(document, str):
        body, kind = document.encode(), "text/html"
    else:
        body = b"" if document is None else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def problem(status: int, code: str | None = None, **more: Any) -> bytes:
    """Return a refusal in the API's own form."""
    details = [{"name": "ErrorCode", "reason": code}] if code else []
    said = {"type": "about:blank", "title": "No", "status": status, "traceId": TRACE, "extraDetails": details, **more}
    return reply(status, said, kind="application/problem+json")


def token(lifetime: int = 3600) -> bytes:
    """Return the token endpoint's reply."""
    return reply(200, {"token_type": "Bearer", "access_token": "token-known", "expires_in": str(lifetime)})


def payment(reference: str, state: str = "AUTHORIZED", *, captured: int = 0, status: int = 200) -> bytes:
    """Return a payment of 10.00 NOK, as GET and the operations answer it."""
    totals = {"authorizedAmount": 1000, "capturedAmount": captured, "refundedAmount": 0, "cancelledAmount": 0}
    said = {
        "reference": reference,
        "pspReference": "psp-1",
        "state": state,
        "amount": {"currency": "NOK", "value": 1000},
        "aggregate": {name: {"currency": "NOK", "value": value} for name, value in totals.items()},
        "paymentMethod": {"type": "WALLET"},
        "profile": {},
        "redirectUrl": "https://pay.example/landing",
    }
    return reply(status, said)


class HostileServer:
    """Answers as *answer*, and *token* for the token endpoint, say.

    They are given the request, and return what to do: bytes are sent, seconds are waited for, and `CLOSE`, `RESET` and
    `HANG` end the connection, or leave it.
    """

    def __init__(self, answer: Answering, token_answer: Answering = lambda _: token()) -> None:
        self._answer, self._token_answer = answer, token_answer
        self.url = ""
        self.requests: list[Asked] = []
        self.token_requests: list[Asked] = []
        self.descriptors: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.descriptors.append(writer.get_extra_info("socket").fileno())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        is_for_token = path.lower().endswith("/accesstoken/get")
        seen = self.token_requests if is_for_token else self.requests
        seen.append(Asked(len(seen) + 1, method, path, headers, body))
        said = (self._token_answer if is_for_token else self._answer)(seen[-1])
        steps = await said if isinstance(said, Awaitable) else said
        for step in [steps] if isinstance(steps, bytes | float | int | _Breaks) else steps:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, _Breaks):
                return await self._broken(step, writer)
            else:
                await asyncio.sleep(step)
        return True

    async def _broken(self, step: _Breaks, writer: asyncio.StreamWriter) -> bool:
        if step is HANG:
            await asyncio.sleep(60)
        if step is RESET:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        return False


@asynccontextmanager
async def hostile(
    answer: Answering, token_answer: Answering = lambda _: token(), *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[HostileServer, VippsClient]]:
    """Run a `HostileServer`, and a client of it that attempts four times and is quick to do so."""
    server = HostileServer(answer, token_answer)
    retry = RetryPolicy(initial_delay=0.001, max_delay=0.002, attempt_timeout=5)
    connections: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((asyncio.ensure_future(server.serve(reader, writer)), writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024, ssl=tls) as listener:
        server.url = f"http{'s' if tls else ''}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with VippsClient(KEYS, **{"environment": Environment(server.url), "retry": retry, **options}) as vipps:
            yield server, vipps
        for task, writer in connections:
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*(task for task, _ in connections), return_exceptions=True)
