"""A delivery whose body never came whole is counted as refused, once, in whatever server the receiver is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing

import pytest
from aiohttp import web

from tests.support.webhooks.asgi_sites import PATH, alone, raw_delivery, served
from tests.support.webhooks.deliveries import event, receiver_of
from tests.support.webhooks.serving import Connection, head, serving
from tests.support.webhooks.wsgi_sites import serving_wsgi
from vipps_async.webhooks import Stage, WebhookReceiver, aiohttp_app, asgi_app

LIMIT = 1000
LENGTH = f"Content-Length: {len(event())}"
CHUNKED = "Transfer-Encoding: chunked"
Opened = AbstractAsyncContextManager[Connection]
Server = Callable[[WebhookReceiver], AbstractAsyncContextManager[Callable[[], Opened]]]


@asynccontextmanager
async def _opened(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def in_aiohttp(receiver: WebhookReceiver, *, cancels: bool = True) -> AsyncIterator[Callable[[], Opened]]:
    """An aiohttp server that cancels the requests of clients that hang up, or does not."""
    app = web.Application()
    receiver.setup(app, PATH)
    async with serving(app, cancels=cancels) as server:
        yield lambda: _opened(server.port)


@asynccontextmanager
async def in_patient_aiohttp(receiver: WebhookReceiver) -> AsyncIterator[Callable[[], Opened]]:
    """An aiohttp server as it is by default."""
    async with in_aiohttp(receiver, cancels=False) as connect:
        yield connect


@asynccontextmanager
async def in_uvicorn(receiver: WebhookReceiver) -> AsyncIterator[Callable[[], Opened]]:
    """An ASGI server."""
    async with served(alone(receiver)) as site:
        yield site.connected


@asynccontextmanager
async def in_a_thread(receiver: WebhookReceiver) -> AsyncIterator[Callable[[], Opened]]:
    """A threaded WSGI server."""
    with closing(receiver.wsgi_app()) as events, serving_wsgi(events) as server:
        yield lambda: _opened(server.port)


ASYNCHRONOUS: list[Server] = [in_aiohttp, in_patient_aiohttp, in_uvicorn]
SERVERS: list[Server] = [*ASYNCHRONOUS, in_a_thread]
CUT_OFF = {
    "a length beyond the limit": (raw_delivery(f"Content-Length: {LIMIT + 1}"), 413),
    "more chunks than the limit": (raw_delivery(CHUNKED) + b"1F4\r\n" + b"x" * 500 + b"\r\n3E8\r\n" + b"x" * 1000, 413),
    "a compressed body": (raw_delivery("Content-Encoding: gzip", "Content-Length: 2") + b"{}", 415),
    "another method": (head(PATH, method="PUT"), 405),
}


@pytest.fixture
def receiver() -> WebhookReceiver:
    """A receiver with a limit."""
    return receiver_of(max_body=LIMIT)


async def is_refused(receiver: WebhookReceiver) -> None:
    """Wait until something is."""
    async with asyncio.timeout(10):
        while not receiver.counts[Stage.REFUSED]:
            await asyncio.sleep(0.005)


def counted(receiver: WebhookReceiver) -> dict[Stage, int]:
    """The stages that were reached."""
    return {stage: count for stage, count in receiver.counts.items() if count}


def names(server: Server) -> str:
    """How a test names a server."""
    return server.__name__


@pytest.mark.parametrize("server", SERVERS, ids=names)
@pytest.mark.parametrize(("sent", "status"), CUT_OFF.values(), ids=CUT_OFF.keys())
async def test_what_is_not_read_to_its_end_counts_once(
    receiver: WebhookReceiver, server: Server, sent: bytes, status: int
) -> None:
    """It is answered, and it is one refusal."""
    async with server(receiver) as connect, connect() as connection:
        await connection.send(sent)
        assert (await connection.reply()).status == status
    assert counted(receiver) == {Stage.REFUSED: 1}


@pytest.mark.parametrize("server", SERVERS, ids=names)
async def test_a_client_that_hangs_up_in_its_body_counts_once(receiver: WebhookReceiver, server: Server) -> None:
    """Whether the server cancels the request or lets the reading fail."""
    async with server(receiver) as connect, connect() as connection:
        await connection.send(raw_delivery(), event()[:50])
        await asyncio.sleep(0.05)  # time for the request to arrive before its end does; less only tests less
        connection.hang_up()
        await is_refused(receiver)
    assert counted(receiver) == {Stage.REFUSED: 1}


@pytest.mark.parametrize("server", ASYNCHRONOUS, ids=names)
async def test_a_body_that_takes_too_long_counts_once(
    receiver: WebhookReceiver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A threaded server has its own limit for that."""
    monkeypatch.setattr(aiohttp_app, "READ_TIMEOUT", 0.05)
    monkeypatch.setattr(asgi_app, "READ_TIMEOUT", 0.05)
    async with server(receiver) as connect, connect() as connection:
        await connection.send(raw_delivery(), event()[:50])
        assert (await connection.reply()).status == 408
    assert counted(receiver) == {Stage.REFUSED: 1}


async def test_a_server_that_ends_in_the_middle_of_a_body_counts_it(receiver: WebhookReceiver) -> None:
    """When uvicorn's patience ends it cancels the request, and that is one refusal."""
    async with served(alone(receiver), grace=0) as site, site.connected() as connection:
        await connection.send(raw_delivery(), event()[:50])
        while not site.server.server_state.tasks:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)  # the request's task has begun to read
        await site.stop()
    assert counted(receiver) == {Stage.REFUSED: 1}


async def test_an_expectation_that_nobody_has_counts_once(receiver: WebhookReceiver) -> None:
    """What aiohttp would answer itself is counted all the same."""
    async with in_aiohttp(receiver) as connect, connect() as connection:
        await connection.send(raw_delivery(LENGTH, "Expect: a-miracle"))
        assert (await connection.reply()).status == 417
    assert counted(receiver) == {Stage.REFUSED: 1}
