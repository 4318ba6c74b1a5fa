"""The receiver in real ASGI servers: one effect however the deliveries come, and an honest answer to each."""

import asyncio
import importlib.util
import logging
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.payments import REFERENCE, authorize
from tests.support.webhooks.asgi_sites import (
    LIMIT,
    PATH,
    Application,
    Shop,
    Site,
    added_to_fastapi,
    added_to_starlette,
    alone,
    at_a_route,
    behind_a_reader,
    behind_a_thief,
    beside_django,
    in_a_view_of_fastapi,
    in_fastapi,
    in_starlette,
    mounted_at_its_path,
    raw_delivery,
    served,
)
from tests.support.webhooks.deliveries import event, signed
from vipps_async import VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver, asgi_app

MakeSite = Callable[[WebhookReceiver], Application]
SITES: list[MakeSite] = [alone, in_fastapi, in_starlette, at_a_route, beside_django]


@pytest.fixture
async def shop() -> Shop:
    """A shop whose handler waits."""
    return Shop()


@pytest.fixture(params=SITES, ids=lambda make: make.__name__)
async def site(request: pytest.FixtureRequest, shop: Shop) -> AsyncIterator[Site]:
    """A server of the shop's receiver in one of the applications."""
    async with served(request.param(shop.receiver)) as running:
        yield running
        shop.let_go.set()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def deliver(client: aiohttp.ClientSession, site: Site, name: str = "CAPTURED") -> int:
    """Deliver an event; return the status."""
    async with client.post(site.url(PATH), data=event(name), headers=signed(event(name))) as response:
        await response.read()
        return response.status


async def test_duplicates_take_effect_once(client: aiohttp.ClientSession, site: Site, shop: Shop) -> None:
    """Of twenty deliveries of an event one runs the handler; the others are told to come again, and then it is done."""
    deliveries = [asyncio.create_task(deliver(client, site)) for _ in range(20)]
    async with asyncio.timeout(10):
        while sum(one.done() for one in deliveries) < 19:
            await asyncio.sleep(0.005)
        shop.let_go.set()
        assert sorted(await asyncio.gather(*deliveries)) == [200] + [503] * 19
    assert await deliver(client, site) == 200
    assert shop.notes == ["begins", "ends"]


@pytest.mark.parametrize(
    "make",
    [added_to_starlette, added_to_fastapi, behind_a_reader, in_a_view_of_fastapi],
    ids=lambda make: make.__name__,
)
async def test_a_delivery_is_handled_at_the_registered_path(
    client: aiohttp.ClientSession, shop: Shop, make: MakeSite
) -> None:
    """However it is mounted, and whoever has read the body in the framework's own way, without a redirect."""
    shop.let_go.set()
    async with (
        served(make(shop.receiver)) as site,
        client.post(site.url(PATH), data=event(), headers=signed(event()), allow_redirects=False) as response,
    ):
        assert response.status == 200
    assert shop.notes == ["begins", "ends"]


async def test_a_mount_at_the_registered_path_fails_where_it_is_tried_out(
    client: aiohttp.ClientSession, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Its deliveries are redirected, which a test client follows: there it is told, instead of passing."""
    async with (
        served(mounted_at_its_path(shop.receiver)) as site,
        client.post(site.url(f"{PATH}/"), data=event(), headers=signed(event())) as response,
    ):
        assert response.status == 500
    assert "app.routes.append(Route('/vipps/events', receiver.asgi_app()))" in caplog.text
    assert shop.notes == []


async def test_a_body_that_was_taken_below_the_framework_is_named(
    client: aiohttp.ClientSession, shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an application in front keeps the body to itself none comes, and the log says so."""
    monkeypatch.setattr(asgi_app, "READ_TIMEOUT", 0.05)
    async with served(behind_a_thief(shop.receiver)) as site:
        assert await deliver(client, site) == 408
    assert "for its body, of which 0 bytes came: the sender is slow, or a middleware" in caplog.text


async def test_what_is_no_delivery_is_refused(
    client: aiohttp.ClientSession, site: Site, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """401, 400 and 405 come as from the receiver, and the application around it goes on serving its own pages."""
    async with client.post(site.url(PATH), data=event()) as response:
        assert (response.status, await response.read()) == (401, b"NotAuthentic")
    async with client.post(site.url(PATH), data=b"{}", headers=signed(b"{}")) as response:
        assert (response.status, await response.read()) == (400, b"NotAnEvent")
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        async with client.request(method, site.url(PATH)) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
    async with client.get(site.url("/")) as response:
        assert response.status == (200 if "shop" in await response.text() else 405)
    assert shop.notes == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_need_not_be_read_is_answered_at_once(site: Site) -> None:
    """A length beyond the limit and a compressed body are answered without a byte of them, and the connection ends."""
    for header, status in ((f"Content-Length: {LIMIT + 1}", 413), ("Content-Encoding: gzip\r\nContent-Length: 9", 415)):
        async with site.connected() as connection:
            await connection.send(raw_delivery(header))
            reply = await connection.reply()
            assert (reply.status, reply.headers["connection"]) == (status, "close")
            assert await connection.ends()


async def test_a_stream_beyond_the_limit_is_answered_before_its_end(site: Site) -> None:
    """A chunked body is answered 413 as soon as it exceeds the limit, and the connection is given up."""
    async with site.connected() as connection:
        await connection.send(raw_delivery("Transfer-Encoding: chunked"), (b"1F4\r\n" + b"x" * 500 + b"\r\n") * 3)
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert await connection.ends()


async def test_a_body_that_takes_too_long_is_answered_408(
    site: Site, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of which only a part comes is answered when the time for it is over, and the connection is given up."""
    monkeypatch.setattr(asgi_app, "READ_TIMEOUT", 0.05)
    async with site.connected() as connection:
        await connection.send(raw_delivery(), event()[:50])
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"], reply.body) == (408, "close", b"the body took too long")
        assert await connection.ends()
    assert shop.notes == []


async def test_a_handler_that_raises_is_answered_500_and_runs_again(
    client: aiohttp.ClientSession, site: Site, shop: Shop
) -> None:
    """After a failure the redelivery runs the handler again; after a success it does not."""
    shop.let_go.set()
    shop.failures.append(RuntimeError("database"))
    assert [await deliver(client, site) for _ in range(3)] == [500, 200, 200]
    assert shop.notes == ["begins", "begins", "ends"]


async def test_hanging_up_stops_no_handler(
    client: aiohttp.ClientSession, site: Site, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body has no effect; a whole one has, once, although its client is gone before the handler ends."""
    async with site.connected() as half, site.connected() as whole:
        await half.send(raw_delivery(), event()[:-5])
        await whole.send(raw_delivery(), event())
        await shop.begun.wait()
        half.hang_up()
        whole.hang_up()
        await site.has_noticed_hangups()
    assert await deliver(client, site) == 503
    shop.let_go.set()
    while await deliver(client, site) == 503:
        await asyncio.sleep(0.005)
    assert shop.notes == ["begins", "ends"]
    assert {(record.levelname, record.message) for record in caplog.records if record.name != "uvicorn.error"} <= {
        ("WARNING", "a delivery broke off while its body was read")
    }


async def test_a_slow_handler_is_answered_while_somebody_listens(
    client: aiohttp.ClientSession, site: Site, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that an answer is awaited the request ends, which a shutdown waits for; the handler goes on."""
    monkeypatch.setattr(asgi_app, "ANSWER_TIMEOUT", 0.05)
    assert await deliver(client, site) == 503
    shop.let_go.set()
    while await deliver(client, site) == 503:
        await asyncio.sleep(0.005)
    assert shop.notes == ["begins", "ends"]


async def test_shutdown_waits_for_the_handler(client: aiohttp.ClientSession, site: Site, shop: Shop) -> None:
    """The server does not end before the handler has, and its delivery is answered 200."""
    first = asyncio.create_task(deliver(client, site))
    await shop.begun.wait()
    stopping = asyncio.create_task(site.stop())
    await asyncio.sleep(0.15)
    assert not stopping.done()
    shop.let_go.set()
    assert await first == 200
    await stopping
    assert shop.notes == ["begins", "ends"]
    assert shop.receiver._processor.get().is_closing


@pytest.mark.parametrize("make", [alone, in_fastapi], ids=lambda make: make.__name__)
async def test_shutdown_waits_for_a_handler_whose_request_was_cancelled(
    client: aiohttp.ClientSession, shop: Shop, make: MakeSite
) -> None:
    """When uvicorn's patience ends it cancels the request; closing the receiver still waits for the handler."""
    async with served(make(shop.receiver), grace=0) as site:
        first = asyncio.create_task(deliver(client, site))
        await shop.begun.wait()
        stopping = asyncio.create_task(site.stop())
        assert await first == 500
        assert not stopping.done()
        assert shop.notes == ["begins"]
        shop.let_go.set()
        await stopping
    assert shop.notes == ["begins", "ends"]


class Peer:
    """A server's side of ASGI, for what uvicorn does not speak."""

    def __init__(self, *incoming: dict[str, Any], error: Exception | None = None) -> None:
        self._incoming = [*incoming]
        self._error = error
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        """Give the next message."""
        return self._incoming.pop(0)

    async def send(self, message: Any) -> None:
        """Take a message, unless the client is gone."""
        if self._error:
            raise self._error
        self.sent.append(message)

    async def meet(self, shop: Shop, **scope: Any) -> list[Any]:
        """Call the shop's application, and return what it sent."""
        await shop.receiver.asgi_app()(scope, self.receive, self.send)
        return self.sent


HTTP2 = {"type": "http", "http_version": "2", "method": "POST", "path": "/\n\udcff", "query_string": b"a=\xff"}


async def test_http_2_has_no_connection_header(shop: Shop) -> None:
    """HTTP/2 forbids the header, so that 413 comes without it there."""
    started, ended = await Peer().meet(shop, **HTTP2, headers=[(b"content-length", b"1001")])
    assert (started["status"], started["headers"]) == (413, [(b"content-length", b"21")])
    assert ended["body"] == b"the body is too large"


async def test_no_bytes_in_a_header_fail(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Every byte may be in a name or a value, and neither those nor the path break a line of the log."""
    every_byte = bytes(range(256))
    peer = Peer({"type": "http.request"})
    started, _ = await peer.meet(shop, **HTTP2, headers=[(every_byte, every_byte), (b"authorization", every_byte)])
    assert started["status"] == 401
    assert "refused a delivery to /%0A%3F?a=%FF: " in caplog.text


async def test_answering_a_client_that_is_gone_is_no_failure(shop: Shop) -> None:
    """Servers of ASGI 2.4 or later raise OSError when an answer comes too late; the application takes it calmly."""
    assert await Peer(error=OSError("gone")).meet(shop, **HTTP2, headers=[(b"content-length", b"1001")]) == []


async def test_other_protocols_are_turned_away(shop: Shop) -> None:
    """A websocket is closed, and a protocol that is not known is an error, as ASGI asks."""
    assert await Peer().meet(shop, type="websocket") == [{"type": "websocket.close"}]
    with pytest.raises(NotImplementedError, match="not by smtp"):
        await Peer().meet(shop, type="smtp")


async def test_fastapi_example_ships_each_order_once(client: aiohttp.ClientSession) -> None:
    """examples/fastapi_server.py ships an order once although its event is delivered three times."""
    example = Path(__file__).parents[2] / "examples" / "fastapi_server.py"
    spec = importlib.util.spec_from_file_location("examples_fastapi_server", example)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    listener = socket.create_server(("127.0.0.1", 0))
    async with (
        Sandbox(copies=3) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        registration = await vipps.webhooks.register(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
        app = module.make_app(registration.url, registration.secret)
        async with served(app, listener=listener) as site:
            await authorize(sandbox, vipps)
            await sandbox.settled()
            async with client.get(site.url("/")) as page:
                assert await page.json() == {REFERENCE: 1}
    assert {delivery.status for delivery in sandbox.deliveries} == {200}
    assert len(sandbox.deliveries) == 2 * 3
