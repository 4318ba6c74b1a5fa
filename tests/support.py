"""What many tests need: a payment to work on, what the sandbox saw of it, and a server that answers anything."""

import asyncio
import re
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import attrs
from aiohttp import web

from vipps_async import Amount, Credentials, Environment, RetryPolicy, VippsClient
from vipps_async.epayment import EPayment
from vipps_async.epayment._polling import Polls, PollSchedule
from vipps_async.sandbox import RecordedRequest, Sandbox

REFERENCE = "acme-shop-123-order123abc"
PRICE = Amount(1000, "NOK")


async def create(vipps: VippsClient, reference: str = REFERENCE, amount: Amount = PRICE) -> str:
    """Create a payment, and return its reference."""
    await vipps.epayment.create(amount=amount, reference=reference, return_url="https://shop.example/return")
    return reference


async def authorize(sandbox: Sandbox, vipps: VippsClient, reference: str = REFERENCE, amount: Amount = PRICE) -> str:
    """Create a payment that its user approves, and return its reference."""
    await create(vipps, reference, amount)
    await sandbox.approve(reference)
    return reference


def polling(vipps: VippsClient, **schedule: float) -> EPayment:
    """The client's payments, of which those that are waited for are read after other pauses than the API asks for."""
    return attrs.evolve(vipps.epayment, polls=Polls(PollSchedule(**schedule)))


async def reads_of(sandbox: Sandbox, count: int) -> None:
    """Return once the sandbox has answered so many reads of payments."""
    while len(requests_of(sandbox, "get")) < count:
        await asyncio.sleep(0.005)


def requests_of(sandbox: Sandbox, operation: str) -> list[RecordedRequest]:
    """The requests of one operation that the sandbox received, oldest first."""
    return [request for request in sandbox.requests if request.operation == operation]


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


def everything_of(error: BaseException) -> str:
    """What an error, those before it and their frames can tell."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    return f"{error!s} {error!r} {vars(error)!r} {''.join(trace.format())}"


@contextmanager
def another_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


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
