"""The receiver in a real aiohttp server: one effect however the deliveries come, and an honest answer to each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from tests.support.webhooks.deliveries import SECRET, URL, SlowShop, at_now, event, receiver_of, signed
from tests.support.webhooks.serving import Server, connected, head, serving
from vipps_async import PaymentEvent
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

PATH = "/vipps/events"


@pytest.fixture
async def shop() -> SlowShop:
    """A shop whose handler waits."""
    return SlowShop(WebhookReceiver(url=URL, secrets=[SECRET], store=MemoryStore(), clock=at_now))


@pytest.fixture
async def server(shop: SlowShop) -> AsyncIterator[Server]:
    """A server that has the shop's receiver at a path of its application."""
    app = web.Application()
    shop.receiver.setup(app, PATH)
    async with serving(app) as running:
        yield running
        shop.let_go.set()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def deliver(
    client: aiohttp.ClientSession, server: Server, name: str = "CAPTURED", path: str = PATH
) -> tuple[int, str | None]:
    """Deliver an event; return the status and what ``Retry-After`` says."""
    async with client.post(server.url(path), data=event(name), headers=signed(event(name))) as response:
        return response.status, response.headers.get("Retry-After")


async def test_fifty_deliveries_at_once_take_effect_once(
    client: aiohttp.ClientSession, server: Server, shop: SlowShop
) -> None:
    """Of fifty deliveries of an event one runs the handler, and none is answered 200 before that has ended."""
    all_others_answered = asyncio.Event()
    retry_after = set()

    async def note_answer() -> None:
        status, wait = await deliver(client, server)
        shop.notes.append(f"answered {status}")
        retry_after.add(wait)
        if len(shop.notes) == 50:
            all_others_answered.set()

    deliveries = [asyncio.create_task(note_answer()) for _ in range(50)]
    async with asyncio.timeout(10):
        await all_others_answered.wait()
        shop.let_go.set()
        await asyncio.gather(*deliveries)
    assert shop.notes == ["CAPTURED begins", *["answered 503"] * 49, "CAPTURED ends", "answered 200"]
    assert retry_after == {"2", None}
    assert await deliver(client, server) == (200, None)
    assert shop.notes.count("CAPTURED begins") == 1


async def test_a_client_that_hangs_up_does_not_stop_the_handler(
    client: aiohttp.ClientSession, server: Server, shop: SlowShop
) -> None:
    """The server cancels the request of a client that is gone; the handler ends all the same, and once."""
    async with connected(server) as connection:
        lines = [f"{name}: {value}" for name, value in signed(event()).items() if name != "Host"]
        await connection.send(head(PATH, *lines, f"Content-Length: {len(event())}"), event())
        await shop.begun.wait()
        connection.hang_up()
        await server.hung_up.wait()
    assert shop.notes == ["CAPTURED begins"]
    assert (await deliver(client, server))[0] == 503
    shop.let_go.set()
    await shop.ended.wait()
    assert await deliver(client, server) == (200, None)
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_shutdown_waits_for_the_handler(client: aiohttp.ClientSession, server: Server, shop: SlowShop) -> None:
    """The application is not torn down before the handler has ended, and its delivery is answered 200."""
    first = asyncio.create_task(deliver(client, server))
    await shop.begun.wait()
    teardown = asyncio.create_task(server.runner.cleanup())
    await server.closing.wait()
    assert not teardown.done()
    shop.let_go.set()
    assert await first == (200, None)
    await teardown
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_a_delivery_during_shutdown_is_to_come_again(
    client: aiohttp.ClientSession, server: Server, shop: SlowShop
) -> None:
    """While the receiver waits for its last handler, and later, deliveries are answered 503 with Retry-After."""
    first = asyncio.create_task(deliver(client, server))
    await shop.begun.wait()
    closing = asyncio.create_task(shop.receiver.close())
    assert await deliver(client, server) == (503, "2")
    assert await deliver(client, server, "REFUNDED") == (503, "2")
    assert not closing.done()
    shop.let_go.set()
    await closing
    assert await first == (200, None)
    assert await deliver(client, server, "REFUNDED") == (503, "2")
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_shutdown_waits_for_a_handler_whose_client_is_gone(server: Server, shop: SlowShop) -> None:
    """A handler that nobody waits for any more is still awaited when the application shuts down."""
    async with connected(server) as connection:
        lines = [f"{name}: {value}" for name, value in signed(event()).items() if name != "Host"]
        await connection.send(head(PATH, *lines, f"Content-Length: {len(event())}"), event())
        await shop.begun.wait()
        connection.hang_up()
        await server.hung_up.wait()
    teardown = asyncio.create_task(server.runner.cleanup())
    await server.closing.wait()
    assert not teardown.done()
    shop.let_go.set()
    await teardown
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_a_handler_that_raises_is_answered_500_and_runs_again(
    client: aiohttp.ClientSession, server: Server, shop: SlowShop
) -> None:
    """After a failure the redelivery runs the handler again; after a success it does not."""
    failures = [RuntimeError("database"), None, None]
    shop.let_go.set()

    @shop.receiver.on("CAPTURED")
    async def fail(_: PaymentEvent) -> None:
        failure = failures.pop(0)
        if failure:
            raise failure

    assert [(await deliver(client, server))[0] for _ in range(3)] == [500, 200, 200]
    assert len(failures) == 1


async def test_the_receiver_may_be_an_application_of_its_own(client: aiohttp.ClientSession, shop: SlowShop) -> None:
    """Below a prefix every path reaches the receiver, which closes with the application around it."""
    shop.let_go.set()
    app = web.Application()
    app.add_subapp("/vipps", shop.receiver.aiohttp_app())
    async with serving(app) as server:
        for path, name in (("/vipps", "CREATED"), ("/vipps/", "AUTHORIZED"), ("/vipps/events/deep", "CAPTURED")):
            assert await deliver(client, server, name, path) == (200, None)
        assert (await deliver(client, server, path="/elsewhere"))[0] == 404
    assert [note for note in shop.notes if "ends" in note] == ["CREATED ends", "AUTHORIZED ends", "CAPTURED ends"]
    assert shop.receiver._processor.get().is_closing


Mount = Callable[[WebhookReceiver, web.Application], object]
Read = Callable[[web.Request], Awaitable[object]]
MOUNTS: dict[str, Mount] = {
    "setup": lambda receiver, app: receiver.setup(app, PATH),
    "subapp": lambda receiver, app: app.add_subapp("/vipps", receiver.aiohttp_app()),
}


def reading(mount: Mount, shop: SlowShop, read: Read) -> web.Application:
    """An application whose middleware reads the body of whatever arrives."""

    @web.middleware
    async def log(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await read(request)
        return await handler(request)

    app = web.Application(middlewares=[log])
    mount(shop.receiver, app)
    return app


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS.keys())
@pytest.mark.parametrize(
    "read",
    [web.Request.read, web.Request.text, web.Request.json, web.Request.post],
    ids=["read", "text", "json", "post"],
)
async def test_a_middleware_may_read_the_body(
    client: aiohttp.ClientSession, shop: SlowShop, mount: Mount, read: Read
) -> None:
    """What aiohttp keeps for whoever reads a request again is verified, sent with a length or in chunks."""
    shop.let_go.set()

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        yield body[:100]
        yield body[100:]

    async with serving(reading(mount, shop, read)) as server:
        for data, name in ((event("CREATED"), "CREATED"), (chunks(event("CAPTURED")), "CAPTURED")):
            async with client.post(server.url(PATH), data=data, headers=signed(event(name))) as response:
                assert response.status == 200
    assert [note for note in shop.notes if "ends" in note] == ["CREATED ends", "CAPTURED ends"]


async def test_what_a_middleware_read_is_bounded_too(client: aiohttp.ClientSession) -> None:
    """A body within the application's limit and beyond the receiver's is answered 413, whoever read it first."""
    shop = SlowShop(receiver_of(max_body=100))
    async with (
        serving(reading(MOUNTS["setup"], shop, web.Request.read)) as server,
        client.post(server.url(PATH), data=event(), headers=signed(event())) as response,
    ):
        assert response.status == 413


async def test_a_body_that_was_taken_below_the_framework_is_named(
    client: aiohttp.ClientSession, shop: SlowShop, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a middleware reads the stream itself aiohttp keeps nothing, and the log says who has the body."""
    async with serving(reading(MOUNTS["setup"], shop, lambda request: request.content.read())) as server:
        assert await deliver(client, server) == (401, None)
    assert f"0 bytes are here of the {len(event())} that were sent" in caplog.text


async def test_a_delivery_without_a_body_is_refused(client: aiohttp.ClientSession, server: Server) -> None:
    """It has no bytes to verify."""
    async with client.post(server.url(PATH), headers=signed(event())) as response:
        assert response.status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_answered_405(client: aiohttp.ClientSession, server: Server, method: str) -> None:
    """Only POST is allowed, and the answer says so."""
    async with client.request(method, server.url(PATH)) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_what_is_not_authentic_or_no_event_is_refused(
    client: aiohttp.ClientSession, server: Server, shop: SlowShop
) -> None:
    """Over HTTP an unsigned delivery is answered 401 and a signed body that is no event 400."""
    async with client.post(server.url(PATH), data=event()) as response:
        assert (response.status, await response.read()) == (401, b"NotAuthentic")
    async with client.post(server.url(PATH), data=b"{}", headers=signed(b"{}")) as response:
        assert (response.status, await response.read()) == (400, b"NotAnEvent")
    assert shop.notes == []


async def test_a_proxy_may_rewrite_host_and_path(client: aiohttp.ClientSession, server: Server, shop: SlowShop) -> None:
    """What is verified is the registered URL, whatever host and path the request arrives with."""
    shop.let_go.set()
    headers = {**signed(event()), "Host": "10.0.0.7:8080", "X-Forwarded-Host": "evil.example"}
    async with client.post(server.url(PATH) + "?internal=1", data=event(), headers=headers) as response:
        assert response.status == 200
