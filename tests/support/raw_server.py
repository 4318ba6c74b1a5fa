"""Servers that answer with whatever they are given, whether it is HTTP or not."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from vipps_async import Credentials, Environment, RetryPolicy, VippsClient

KEYS = Credentials(
    client_id="id-5a3cbd07-known",
    client_secret="c2VjcmV0-known",
    subscription_key="subscription-known",
    merchant_serial_number="123456",
)
TOKEN = "eyJhbGciOiJub25lIn0-token-known"
_CHUNK = 64 * 1024


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole HTTP reply, JSON unless the headers say otherwise."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    if not any(line.startswith("Content-Type:") for line in lines):
        lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


TOKEN_REPLY = http(b'{"access_token": "%b", "expires_in": "3600"}' % TOKEN.encode())


class RawServer:
    """A server that answers with given bytes, whether they are HTTP or not.

    Attributes:
        url: where it listens.
        heads: the request heads that it received, without those for tokens.
        sent: how many bytes of answers the clients took.
    """

    def __init__(self, reply: bytes, token_reply: bytes) -> None:
        self.url = ""
        self.heads: list[bytes] = []
        self.sent = 0
        self._replies = {True: token_reply, False: reply}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            is_for_token = b"/accessToken/get" in head
            if not is_for_token:
                self.heads.append(head)
            reply = self._replies[is_for_token]
            for start in range(0, len(reply), _CHUNK):
                writer.write(reply[start : start + _CHUNK])
                await writer.drain()
                self.sent += len(reply[start : start + _CHUNK])
        writer.close()


@asynccontextmanager
async def answering(
    reply: bytes, *, token_reply: bytes = TOKEN_REPLY, **options: Any
) -> AsyncIterator[tuple[RawServer, VippsClient]]:
    """A server that answers every call with *reply*, and a client of it that attempts twice."""
    raw = RawServer(reply, token_reply)
    retry = RetryPolicy(attempts=2, initial_delay=0.01, attempt_timeout=5)
    async with await asyncio.start_server(raw.answer, "127.0.0.1", 0) as server:
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with VippsClient(KEYS, **{"environment": Environment(raw.url), "retry": retry, **options}) as vipps:
            yield raw, vipps


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve *app* on a free port; yield its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
