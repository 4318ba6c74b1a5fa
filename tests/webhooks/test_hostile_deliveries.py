"""Bodies that are too large, too slow, compressed or broken get an answer, and no more of the server's memory."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.support.webhooks.deliveries import event
from tests.support.webhooks.serving import Server, connected, head, serving
from vipps_async import PaymentEvent
from vipps_async.webhooks import WebhookReceiver, aiohttp_app
from vipps_async.webhooks.stores.memory import MemoryStore

LIMIT = 1000
PATH = "/vipps/events"


@pytest.fixture
def handled() -> list[PaymentEvent]:
    """The events that were handled."""
    return []


def shop(handled: list[PaymentEvent]) -> web.Application:
    """An application that takes unsigned deliveries of up to 1000 bytes, although it itself allows fewer."""
    receiver = WebhookReceiver(allow_unsigned=True, store=MemoryStore(), max_body=LIMIT)

    @receiver.on(PaymentEvent)
    async def record(event: PaymentEvent) -> None:
        handled.append(event)

    app = web.Application(client_max_size=10)
    app.add_subapp("/vipps", receiver.aiohttp_app())
    return app


@pytest.fixture
async def server(handled: list[PaymentEvent]) -> AsyncIterator[Server]:
    """A server that cancels the requests of clients that hang up."""
    async with serving(shop(handled)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """Send *parts* as a chunked body."""
    for part in parts:
        yield part


def sized(size: int) -> bytes:
    """An event of exactly *size* bytes."""
    return event() + b" " * (size - len(event()))


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
async def test_the_receiver_s_own_limit_counts(
    client: aiohttp.ClientSession, server: Server, handled: list[PaymentEvent], size: int, status: int
) -> None:
    """A body of the limit is taken and one byte more is answered 413, with a length as in chunks."""
    for data in (sized(size), chunks(sized(size)[:500], sized(size)[500:])):
        async with client.post(server.url(PATH), data=data) as response:
            assert response.status == status
    assert len(handled) == (status == 200)


async def test_a_length_beyond_the_limit_is_answered_before_the_body(server: Server) -> None:
    """A delivery that announces too much is answered 413 although not a byte of it was sent."""
    async with connected(server) as connection:
        await connection.send(head(PATH, f"Content-Length: {LIMIT + 1}"))
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")


async def test_a_stream_beyond_the_limit_is_answered_before_its_end(server: Server) -> None:
    """A chunked body is answered 413 as soon as it exceeds the limit, and the connection is given up."""
    async with connected(server) as connection:
        chunk = b"1F4\r\n" + b"x" * 500 + b"\r\n"
        await connection.send(head(PATH, "Transfer-Encoding: chunked"), chunk * 3)
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        await connection.send(b"0\r\n\r\n")
        assert await connection.ends()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-unknown", "GZIP"])
@pytest.mark.parametrize("is_valid", [True, False])
async def test_a_compressed_body_is_answered_415(
    server: Server,
    handled: list[PaymentEvent],
    encoding: str,
    is_valid: bool,  # noqa: FBT001 - parameters
) -> None:
    """A content encoding is refused whether the body is what it says or not; decoding it never fails the server."""
    data = gzip.compress(event()) if is_valid else b"\x1f\x8b no gzip at all"
    async with connected(server) as connection:
        await connection.send(head(PATH, f"Content-Encoding: {encoding}", f"Content-Length: {len(data)}"), data)
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (415, "close")
    assert handled == []


async def test_a_bomb_is_not_inflated(client: aiohttp.ClientSession, server: Server) -> None:
    """A small body that would inflate to many times the limit is answered 415."""
    bomb = gzip.compress(b" " * 10_000_000)[:LIMIT]
    headers = {"Content-Encoding": "gzip"}
    async with client.post(server.url(PATH), data=bomb, headers=headers) as response:
        assert response.status == 415


async def test_a_body_that_takes_too_long_is_answered_408(
    server: Server, handled: list[PaymentEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of which only a part comes is answered when the time for it is over, and the connection is given up."""
    monkeypatch.setattr(aiohttp_app, "READ_TIMEOUT", 0.05)
    async with connected(server) as connection:
        await connection.send(head(PATH, f"Content-Length: {len(event())}"), event()[:50])
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"], reply.body) == (408, "close", b"the body took too long")
    assert handled == []


@pytest.mark.parametrize("chunk", [b"ZZZ\r\n{}\r\n", b"2\r\n{}XX", b"-1\r\n{}\r\n"])
async def test_a_body_in_broken_chunks_is_answered_400(
    server: Server, handled: list[PaymentEvent], chunk: bytes
) -> None:
    """A chunk whose length or end is wrong is a bad request, and no failure of the server."""
    async with connected(server) as connection:
        await connection.send(head(PATH, "Transfer-Encoding: chunked"))
        await connection.send(chunk)
        assert (await connection.reply()).status == 400
    assert handled == []


async def test_a_body_that_breaks_in_the_middle_is_never_a_failure(
    server: Server, handled: list[PaymentEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken chunk after a good one is answered 400, or 408 where the parser keeps its error to itself."""
    monkeypatch.setattr(aiohttp_app, "READ_TIMEOUT", 0.05)
    async with connected(server) as connection:
        await connection.send(head(PATH, "Transfer-Encoding: chunked"), b"2\r\n{}\r\n")
        await server.arrived.wait()
        await connection.send(b"ZZZ\r\n")
        assert (await connection.reply()).status in {400, 408}
    assert handled == []


async def test_a_delivery_that_breaks_off_is_logged_and_no_failure(
    handled: list[PaymentEvent], caplog: pytest.LogCaptureFixture
) -> None:
    """Where a client that hangs up does not cancel its request, half a body ends in a warning and nothing else."""
    async with serving(shop(handled), cancels=False) as server, connected(server) as connection:
        await connection.send(head(PATH, f"Content-Length: {len(event())}"), event()[:-5])
        await server.arrived.wait()
        connection.hang_up()
        await server.answered.wait()
    assert handled == []
    assert [(record.levelname, record.getMessage()[:47]) for record in caplog.records] == [
        ("WARNING", "a delivery broke off while its body was read: C")
    ]


async def test_half_a_body_has_no_effect(
    server: Server, handled: list[PaymentEvent], client: aiohttp.ClientSession
) -> None:
    """A client that hangs up in the middle of its body leaves nothing behind, and the next delivery is handled."""
    async with connected(server) as connection:
        await connection.send(head(PATH, f"Content-Length: {len(event())}"), event()[:-5])
        connection.hang_up()
    assert handled == []
    async with client.post(server.url(PATH), data=event()) as response:
        assert response.status == 200
    assert len(handled) == 1


@pytest.mark.parametrize("parts", [1, 7, len(event())])
async def test_a_body_may_come_in_pieces(
    client: aiohttp.ClientSession, server: Server, handled: list[PaymentEvent], parts: int
) -> None:
    """However the body is cut, it is the same event."""
    size = -(-len(event()) // parts)
    pieces = [event()[start : start + size] for start in range(0, len(event()), size)]
    async with client.post(server.url(PATH), data=chunks(*pieces)) as response:
        assert response.status == 200
    assert [one.psp_reference for one in handled] == ["2018200034"]


@pytest.mark.parametrize(
    "line",
    ["Authorization: \xff\xfe", "x-ms-date: \xe9", "Content-Length: 2\r\nContent-Type: \xff", "X-Strange: \x80"],
)
async def test_a_header_that_is_no_text_is_no_failure(server: Server, line: str) -> None:
    """Bytes beyond ASCII in a header are answered with a client's error."""
    async with connected(server) as connection:
        length = "" if "Content-Length" in line else "Content-Length: 2"
        await connection.send(head(PATH, *filter(None, [line, length])), b"{}")
        assert (await connection.reply()).status == 400


async def test_many_broken_connections_leave_the_server_well(
    client: aiohttp.ClientSession, server: Server, handled: list[PaymentEvent]
) -> None:
    """After a hundred connections that break off at any point an event is handled as ever."""
    delivery = head(PATH, f"Content-Length: {len(event())}") + event()

    async def break_off(after: int) -> None:
        async with connected(server) as connection:
            await connection.send(delivery[:after])
            connection.hang_up()

    await asyncio.gather(*(break_off(after) for after in range(1, len(delivery) - 1, 4)))
    async with client.post(server.url(PATH), data=event()) as response:
        assert response.status == 200
    assert len(handled) == 1
