"""A real server on a loopback port, and raw connections for what no HTTP client sends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
from aiohttp import web


@attrs.define
class Server:
    """A running application.

    Attributes:
        runner: what runs it.
        port: where it listens.
        arrived: set when the application gets a request, whose body may still be on its way.
        answered: set when the application is through with a request.
        hung_up: set when a request was cancelled because its client hung up.
        closing: set when the shutdown begins.
    """

    runner: web.AppRunner
    port: int = 0
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    answered: asyncio.Event = attrs.field(factory=asyncio.Event)
    hung_up: asyncio.Event = attrs.field(factory=asyncio.Event)
    closing: asyncio.Event = attrs.field(factory=asyncio.Event)

    def url(self, path: str) -> str:
        """Return the address of *path*."""
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def serving(app: web.Application, *, cancels: bool = True) -> AsyncIterator[Server]:
    """Serve *app*; with *cancels*, as strictly as aiohttp can: a client that hangs up cancels its request."""

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        server.arrived.set()
        try:
            return await handler(request)
        except asyncio.CancelledError:
            server.hung_up.set()
            raise
        finally:
            server.answered.set()

    async def note_shutdown(_: web.Application) -> None:
        server.closing.set()

    app.middlewares.append(note)
    app.on_shutdown.insert(0, note_shutdown)
    runner = web.AppRunner(app, handler_cancellation=cancels, shutdown_timeout=1)
    server = Server(runner)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()


@attrs.define
class RawReply:
    """What came back on a raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A TCP connection that sends whatever it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def reply(self) -> RawReply:
        """Read one reply."""
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return RawReply(int(first.split()[1]), headers, body)

    async def ends(self) -> bool:
        """Return whether the server closes the connection, having said no more."""
        async with asyncio.timeout(5):
            return await self._reader.read() == b""

    def hang_up(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Connection]:
    """Open a raw connection to *server*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    """Return a request's first bytes, up to its body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: shop.example", *headers, "", ""]).encode("latin-1")
