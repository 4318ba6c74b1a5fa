"""What can have left, and whose reply came: one attempt over aiohttp, against a server that misbehaves."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.hostile import (
    CLOSE,
    HANG,
    RESET,
    Asked,
    Boom,
    HostileServer,
    end_of,
    hostile,
    payment,
    problem,
    reply,
    token,
)
from tests.support.payments import PRICE, REFERENCE
from tests.support.raw_server import KEYS
from tests.support.tracebacks import everything_of
from vipps_async import RetryPolicy, VippsClient
from vipps_async._http.transport import redacted
from vipps_async._wire.secret import Secret
from vipps_async.errors import (
    ApiError,
    CallError,
    ClientClosed,
    ConnectionFailed,
    InvalidReply,
    NotFound,
    OutcomeUnknown,
    Problem,
    WrongEventLoop,
)

OTHER = "another-order-1"
WEBHOOK = "39c2fb44-7107-45cd-b3b3-2d1f4c4a9c11"


def raising(name: str) -> aiohttp.TraceConfig:
    """A trace whose hook *name* raises."""

    async def hook(*_: object) -> None:
        raise Boom("a metric\nwithout this label")

    trace = aiohttp.TraceConfig()
    getattr(trace, name).append(hook)
    return trace


async def raise_before(_: aiohttp.ClientRequest, __: Any) -> aiohttp.ClientResponse:
    """A client middleware that raises before it passes the request on."""
    raise Boom


async def raise_after(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """A client middleware that raises when the reply is there."""
    await handler(request)
    raise Boom


async def fail_another_call(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """A client middleware whose own call of an API, made with another client, found nothing."""
    await handler(request)
    raise NotFound(404, Problem(title="Not Found", source="api"))


async def look_like_a_connector(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """A client middleware that raises, when the reply is there, what usually means that nothing was sent."""
    await handler(request)
    raise aiohttp.ConnectionTimeoutError


async def send_twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A client middleware that repeats what failed."""
    response = await handler(request)
    return response if response.status < 500 else await handler(request)


BEFORE = [
    {"trace_configs": [raising("on_request_start")]},
    {"trace_configs": [raising("on_connection_create_start")]},
    {"trace_configs": [raising("on_connection_create_end")]},
    {"middlewares": [raise_before]},
]
AFTER = [
    {"trace_configs": [raising("on_request_headers_sent")]},
    {"trace_configs": [raising("on_request_end")]},
    {"middlewares": [raise_after]},
    {"middlewares": [fail_another_call]},
]


def named(settings: dict[str, Any]) -> str:
    """A name for a parameter."""
    (value,) = settings.values()
    found = value[0]
    hooks = [name for name in dir(found) if name.startswith("on_") and getattr(found, name)]
    return hooks[0] if hooks else found.__name__


@asynccontextmanager
async def with_session(
    settings: dict[str, Any], answer: Callable[[Asked], Any] = lambda _: payment(REFERENCE)
) -> AsyncIterator[tuple[HostileServer, VippsClient]]:
    """A client that has its token, and from then on a session of those settings."""
    async with aiohttp.ClientSession() as plain, aiohttp.ClientSession(**settings) as session:
        sessions = [session, plain]
        async with hostile(answer, session=lambda: sessions.pop() if len(sessions) > 1 else session) as found:
            yield found


async def await_what_was_cancelled(*_: object) -> None:
    """A hook whose own work was cancelled, by nobody who would have cancelled the call."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("hook", ["on_request_start", "on_connection_create_end", "on_request_end"])
async def test_a_cancellation_that_nobody_asked_for_is_an_error(hook: str) -> None:
    """A hook's CancelledError, which a task group would swallow, is told by what was sent, as any error of a hook."""
    trace = aiohttp.TraceConfig()
    getattr(trace, hook).append(await_what_was_cancelled)
    async with with_session({"trace_configs": [trace]}) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is (OutcomeUnknown if hook == "on_request_end" else ConnectionFailed)
    assert "a CancelledError that nobody asked for" in str(end)
    assert [request.key for request in server.requests] == [end.idempotency_key] * (hook == "on_request_end")


async def test_a_token_that_a_hook_cancels_does_not_close_the_client() -> None:
    """What ends the fetch of a token is told as what it is, and the call as one that was not sent."""
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(await_what_was_cancelled)
    session = aiohttp.ClientSession(trace_configs=[trace])
    async with session, hostile(lambda _: payment(REFERENCE), session=session) as (_, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is ConnectionFailed
    assert not end.sent
    assert "no access token: interrupted by a CancelledError" in str(end)
    assert str(end).endswith(", not sent]")


async def test_who_cancelled_itself_before_a_call_is_cancelled() -> None:
    """A cancellation that was asked for before the call, and arrives in it, is one."""

    async def change_one_s_mind(vipps: VippsClient) -> object:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return await vipps.epayment.get(REFERENCE)

    async with hostile(lambda _: payment(REFERENCE)) as (_, vipps):
        await vipps.epayment.get(REFERENCE)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(change_one_s_mind(vipps))


async def test_a_page_in_place_of_a_refused_token_repeats_no_write_without_a_key() -> None:
    """Whoever wrote a 401 that is not the API's may have passed a registration on: it is not made twice."""
    async with hostile(lambda _: reply(401, "<h1>Log in</h1>")) as (server, vipps):
        end = await end_of(vipps.webhooks.register("https://shop.example/hook"))
    assert type(end) is OutcomeUnknown
    assert len(server.requests) == 1


async def test_a_session_that_cannot_be_had_for_the_repeat_settles_nothing() -> None:
    """What would refuse the first attempt as a setting that cannot work tells nothing of one that was sent."""
    async with aiohttp.ClientSession() as good:
        given = iter([good, good])
        async with hostile(lambda _: RESET, session=lambda: next(given, None)) as (server, vipps):
            end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    assert "interrupted by ConfigurationError" in str(end)
    assert [request.key for request in server.requests] == [end.idempotency_key]


async def test_a_firewall_s_document_leaves_a_write_unknown() -> None:
    """Who says no in a document with an ``error`` may be what filters replies, and the write took effect."""
    async with hostile(lambda _: reply(403, {"error": "blocked by policy"})) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    assert end.idempotency_key == server.requests[0].key


@pytest.mark.parametrize("settings", AFTER, ids=named)
async def test_what_raises_once_a_write_was_sent_leaves_its_outcome_unknown(settings: dict[str, Any]) -> None:
    """A hook or a middleware that raises after the request left does not hide it; it is not sent again."""
    async with with_session(settings) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    # Once the writing has begun: aiohttp may keep the headers until the body comes.
    assert len(server.requests) <= 1
    assert all(request.key == end.idempotency_key for request in server.requests)
    assert "\n" not in str(end)


@pytest.mark.parametrize("settings", BEFORE, ids=named)
async def test_what_raises_before_a_write_was_sent_says_so(settings: dict[str, Any]) -> None:
    """A hook or a middleware that raises first is told as what it is: nothing was sent."""
    async with with_session(settings) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is ConnectionFailed
    assert not end.sent
    assert "Boom" in str(end)
    assert server.requests == []


@pytest.mark.parametrize("settings", AFTER + BEFORE, ids=named)
async def test_a_read_that_is_interrupted_ends_in_an_error_of_the_tree(settings: dict[str, Any]) -> None:
    """Nothing foreign escapes, and what a hook does each time is not tried again."""
    async with with_session(settings) as (server, vipps):
        end = await end_of(vipps.epayment.get(REFERENCE))
    assert type(end) is ConnectionFailed
    assert end.attempts == 1
    assert end.sent or not server.requests


async def test_what_was_sent_is_not_told_by_the_class_of_an_error() -> None:
    """An exception that usually means that there was no connection is none after the request has left."""
    async with with_session({"middlewares": [look_like_a_connector]}) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    assert {request.key for request in server.requests} == {end.idempotency_key}


async def test_a_middleware_of_the_session_sees_each_request_and_repeats_none() -> None:
    """What a session does around requests goes on; but how often one is sent is the client's to say."""
    async with with_session({"middlewares": [send_twice]}, lambda _: reply(503)) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    assert "repeats the request" in str(end)
    assert len(server.requests) == 1


@pytest.mark.parametrize("broken", [CLOSE, RESET], ids=["closed", "reset"])
async def test_nobody_else_repeats_a_request(broken: Any) -> None:
    """Aiohttp repeats GET and DELETE by itself on a connection that was used before; here it does not."""

    def answer(asked: Asked) -> Any:
        return payment(REFERENCE) if asked.number == 1 else broken

    once = RetryPolicy(attempts=1)
    async with hostile(answer, retry=once) as (server, vipps):
        await vipps.epayment.get(REFERENCE)
        end = await end_of(vipps.epayment.get(REFERENCE))
    assert type(end) is ConnectionFailed
    assert len(server.requests) == 2


async def test_a_deletion_that_took_effect_is_not_told_as_not_found() -> None:
    """Its reply was lost, and the repeat would find nothing: so there is none, and the outcome is open."""

    def answer(asked: Asked) -> Any:
        if asked.method == "GET":
            return reply(200, {"webhooks": []})
        return CLOSE if asked.number == 2 else problem(404)

    async with hostile(answer) as (server, vipps):
        await vipps.webhooks.list()
        end = await end_of(vipps.webhooks.delete(WEBHOOK))
    assert type(end) is OutcomeUnknown
    assert "read what it changes before repeating it" in str(end)
    assert len(server.requests) == 2


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["unread", "read"])
async def test_a_reply_that_was_there_before_its_request_is_not_taken(pause: float) -> None:
    """A left-over reply on an idle connection is a broken connection: the request goes out on another, once."""

    def answer(asked: Asked) -> Any:
        return payment(REFERENCE, captured=asked.number)

    async with hostile(answer) as (server, vipps):
        await vipps.epayment.get(REFERENCE)
        # Past the event loop, which so has not read it when the capture begins, unless there is a pause.
        os.write(server.descriptors[-1], payment(REFERENCE, captured=1000))
        if pause:
            await asyncio.sleep(pause)
        captured = await vipps.epayment.capture(REFERENCE, PRICE)
    assert captured.aggregate is not None
    assert captured.aggregate.captured_amount.value == 2
    assert len(server.requests) == 2


async def test_a_reply_that_came_late_is_not_taken_for_the_next() -> None:
    """What arrives on an idle connection after its own reply was read is not the next call's, whoever sent it."""

    def answer(asked: Asked) -> Any:
        if asked.number == 1:
            return [payment(REFERENCE), 0.05, payment(REFERENCE, captured=1000)]
        return payment(REFERENCE, captured=1)

    async with hostile(answer) as (server, vipps):
        await vipps.epayment.get(REFERENCE)
        await asyncio.sleep(0.2)
        captured = await vipps.epayment.capture(REFERENCE, PRICE)
    assert captured.aggregate is not None
    assert captured.aggregate.captured_amount.value == 1
    assert len(server.requests) == 2


async def test_what_goes_to_a_connection_that_the_server_had_closed_was_not_sent() -> None:
    """A write without a key is repeated on another connection when its own was closed while it was idle."""

    def answer(asked: Asked) -> Any:
        return reply(200, {"webhooks": []}) if asked.method == "GET" else reply(204)

    async with hostile(answer) as (server, vipps):
        await vipps.webhooks.list()
        # Past the event loop, which so has not heard of it.
        with socket.socket(fileno=os.dup(server.descriptors[-1])) as theirs:
            theirs.shutdown(socket.SHUT_RDWR)
        await vipps.webhooks.delete(WEBHOOK)
    assert [request.method for request in server.requests] == ["GET", "DELETE"]


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself, with its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / "certificate.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    return file


async def test_what_tls_sends_by_itself_is_no_left_over_reply(tmp_path: Path) -> None:
    """Session tickets, which a server sends unasked, break no connection; a reply that was left over does."""
    file = certificate(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(file)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(file)))

    def answer(asked: Asked) -> Any:
        left_over = payment(REFERENCE, captured=1000) if asked.number == 3 else b""
        return payment(REFERENCE, captured=asked.number) + left_over

    session = aiohttp.ClientSession(connector=connector)
    async with session, hostile(answer, tls=theirs, session=session) as (server, vipps):
        for number in range(1, 5):
            captured = await vipps.epayment.capture(REFERENCE, PRICE)
            assert captured.aggregate is not None
            assert captured.aggregate.captured_amount.value == number
    assert len(server.requests) == 4
    assert len(server.descriptors) == 2


CALLS: dict[str, Callable[[VippsClient], Awaitable[object]]] = {
    "create": lambda vipps: vipps.epayment.create(
        amount=PRICE, reference=REFERENCE, return_url="https://shop.example/return"
    ),
    "get": lambda vipps: vipps.epayment.get(REFERENCE),
    "events": lambda vipps: vipps.epayment.events(REFERENCE),
    "capture": lambda vipps: vipps.epayment.capture(REFERENCE, PRICE),
    "refund": lambda vipps: vipps.epayment.refund(REFERENCE, PRICE),
    "cancel": lambda vipps: vipps.epayment.cancel(REFERENCE),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_reply_about_another_payment_is_a_broken_reply(name: str) -> None:
    """Replies that were crossed on the way tell nothing of the payment that was asked for."""
    event = {
        "reference": OTHER,
        "pspReference": "psp-2",
        "name": "CREATED",
        "amount": {"currency": "NOK", "value": 1000},
        "timestamp": "2026-11-02T09:15:30Z",
        "success": True,
    }
    said = reply(200, [event]) if name == "events" else payment(OTHER)
    async with hostile(lambda _: said) as (server, vipps):
        end = await end_of(CALLS[name](vipps))
    assert type(end) is (InvalidReply if name in {"get", "events"} else OutcomeUnknown)
    assert f"about payment '{OTHER}' instead of {REFERENCE}" in str(end)
    assert len(server.requests) == 4
    assert len({request.key for request in server.requests}) == 1


async def test_a_reply_without_totals_is_none() -> None:
    """Who ships by what was captured is not given a reply that does not tell it."""
    async with hostile(lambda _: reply(200, {"reference": REFERENCE})) as (server, vipps):
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is OutcomeUnknown
    assert "tells no totals" in str(end)
    assert {request.key for request in server.requests} == {end.idempotency_key}


async def test_a_full_pool_is_told_as_one() -> None:
    """Calls that found no free connection say how many there were for how many, and that nothing was sent."""
    connector = aiohttp.TCPConnector(limit=2)
    retry = RetryPolicy(attempts=1, attempt_timeout=0.6)
    session = aiohttp.ClientSession(connector=connector)
    async with session, hostile(lambda _: HANG, session=session, retry=retry) as (server, vipps):
        ends = await asyncio.gather(*(end_of(vipps.epayment.capture(REFERENCE, PRICE)) for _ in range(20)))
    waited = [end for end in ends if type(end) is ConnectionFailed]
    assert len(waited) == 18
    assert all(not end.sent for end in waited)
    assert "20 calls in flight on 2 connections" in str(waited[0])
    assert [type(end) for end in ends if end not in waited] == [OutcomeUnknown] * 2
    assert len(server.requests) == 2


@pytest.mark.parametrize("closes", ["the client", "the session"])
async def test_closing_under_load_cancels_nobody(closes: str) -> None:
    """Who waits for a connection is told that the client is closed, and who has sent does not know the outcome."""
    connector = aiohttp.TCPConnector(limit=2)
    session = aiohttp.ClientSession(connector=connector)
    given = session if closes == "the session" else None
    async with session, hostile(lambda _: HANG, session=given) as (server, vipps):
        calls = [asyncio.create_task(end_of(vipps.epayment.capture(REFERENCE, PRICE))) for _ in range(110)]
        while len(server.requests) < (100 if closes == "the client" else 2):
            await asyncio.sleep(0.01)
        await (vipps if closes == "the client" else session).close()
        ends = await asyncio.gather(*calls)
    assert {type(end) for end in ends} == {ClientClosed, OutcomeUnknown}
    assert sum(type(end) is OutcomeUnknown for end in ends) == len(server.requests)


async def test_a_cancellation_that_was_asked_for_is_one() -> None:
    """Who cancels a call gets its cancellation, with the key in a note if it was sent."""
    async with hostile(lambda _: HANG) as (server, vipps):
        call = asyncio.create_task(vipps.epayment.capture(REFERENCE, PRICE, idempotency_key="key-1"))
        while not server.requests:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await call
    assert cancelled.value.__notes__ == ["capture was cut off; repeat it with idempotency key key-1"]


async def test_closing_twice_and_in_a_renewal_raises_nothing() -> None:
    """A client can be closed at any time, any number of times; the calls of a renewal end as closed."""
    async with hostile(lambda _: payment(REFERENCE), lambda _: HANG) as (server, vipps):
        call = asyncio.create_task(end_of(vipps.epayment.get(REFERENCE)))
        while not server.token_requests:
            await asyncio.sleep(0.01)
        await vipps.close()
        await vipps.close()
        assert type(await call) is ClientClosed


async def test_a_server_without_tls_is_not_sent_anything() -> None:
    """A handshake that fails sent nothing of the request."""
    async with hostile(lambda _: payment(REFERENCE)) as (server, _):
        tls = server.url.replace("http://", "https://")
        async with VippsClient(KEYS, environment=tls, retry=RetryPolicy(attempts=1)) as vipps:
            end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is ConnectionFailed
    assert not end.sent
    assert server.requests == []


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: bytes) -> None:
    """Answer a CONNECT with *status*."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("status", "is_transient"),
    [
        (b"407 Proxy Authentication Required", False),
        (b"403 Forbidden", False),
        (b"499 Closed", False),
        (b"500 Internal Server Error", True),
        (b"502 Bad Gateway", True),
    ],
)
async def test_a_proxy_that_refuses_to_connect_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, status: bytes, *, is_transient: bool
) -> None:
    """A refused CONNECT sent nothing to the API, and the message names the proxy as the one that refused."""
    proxy = await asyncio.start_server(lambda r, w: refuse(r, w, status), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.delenv("no_proxy", raising=False)
    retry = RetryPolicy(attempts=1)
    async with proxy, VippsClient(KEYS, environment="https://api.example", trust_env=True, retry=retry) as vipps:
        end = await end_of(vipps.epayment.capture(REFERENCE, PRICE))
    assert type(end) is ConnectionFailed
    assert not end.sent
    assert "no access token: the proxy refused to connect to https://api.example" in str(end)
    assert status[:3].decode() in str(end)
    assert end.is_transient is is_transient


async def test_a_proxy_that_is_set_and_not_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a connection says that HTTPS_PROXY is set, and which option uses it."""
    monkeypatch.setenv("https_proxy", "http://user:s3cret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    retry = RetryPolicy(attempts=1)
    async with VippsClient(KEYS, environment="https://127.0.0.1:9", retry=retry) as vipps:
        end = await end_of(vipps.epayment.get(REFERENCE))
    assert "HTTPS_PROXY names a proxy, which is not used without trust_env=True" in str(end)
    assert "s3cret" not in str(end)


@pytest.mark.parametrize("is_given", [True, False])
async def test_a_proxy_that_is_used_is_not_told_as_unused(monkeypatch: pytest.MonkeyPatch, is_given: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A session of one's own that asks the proxy is not blamed for not doing so."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    retry = RetryPolicy(attempts=1)
    async with aiohttp.ClientSession(trust_env=True) as session:
        options: dict[str, Any] = {"session": session} if is_given else {"trust_env": True}
        async with VippsClient(KEYS, environment="https://api.example", retry=retry, **options) as vipps:
            end = await end_of(vipps.epayment.get(REFERENCE))
    assert "ClientProxyConnectionError" in str(end)
    assert "HTTPS_PROXY" not in str(end)


@pytest.mark.parametrize(
    "address", ["https://user:s3cret@127.0.0.1:9", "socks5://user:s3cret@127.0.0.1:9", "user:s3cret@a:9"]
)
async def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A proxy that aiohttp passes over, or cannot speak to, is named, and its password told nowhere."""
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.delenv("no_proxy", raising=False)
    retry = RetryPolicy(attempts=1)
    async with VippsClient(KEYS, environment="https://127.0.0.1:9", trust_env=True, retry=retry) as vipps:
        end = await end_of(vipps.epayment.get(REFERENCE))
    assert "HTTPS_PROXY must be the http:// address of a proxy" in str(end)
    del address
    assert "s3cret" not in everything_of(end)


async def test_another_loop_s_session_is_refused_before_anything_is_sent() -> None:
    """A session that was made in another event loop cannot send here, and the error says what can."""
    other = asyncio.new_event_loop()

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    session = await asyncio.to_thread(other.run_until_complete, make())
    async with hostile(lambda _: payment(REFERENCE), session=lambda: session) as (server, vipps):
        with pytest.raises(WrongEventLoop, match="a function that returns the session of the loop that runs"):
            await vipps.epayment.capture(REFERENCE, PRICE)
    assert server.token_requests == []
    await asyncio.to_thread(other.run_until_complete, session.close())
    other.close()


async def test_a_storm_of_one_status_is_bounded_for_all_calls_of_a_client() -> None:
    """300 calls into a service that answers 503 to all make 100 repeats in all, copies of the client included."""
    async with hostile(lambda _: reply(503)) as (server, vipps):
        copy = vipps.with_options(timeout=20)
        for _ in range(150):
            for each in (vipps, copy):
                assert isinstance(await end_of(each.epayment.get(REFERENCE)), ApiError)
    assert len(server.requests) == 400


@pytest.mark.parametrize("answer", [reply(503, Retry_After="120"), reply(401, {"error": "invalid_client"})])
async def test_many_callers_ask_a_failing_token_endpoint_a_handful_of_times(answer: bytes) -> None:
    """Those that come together share one fetch, those that come later its failure, and each is told the reason."""
    async with hostile(lambda _: payment(REFERENCE), lambda _: answer) as (server, vipps):
        together = await asyncio.gather(*(end_of(vipps.epayment.get(REFERENCE)) for _ in range(250)))
        later = [await end_of(vipps.epayment.get(REFERENCE)) for _ in range(250)]
    assert len(server.token_requests) <= 4
    assert all(isinstance(end, ApiError) and "no access token: HTTP" in str(end) for end in together + later)
    assert "not again for" in str(later[0])
    assert len({id(end) for end in together + later}) == 500


async def test_an_api_that_refuses_every_token_is_not_asked_for_ever_new_ones() -> None:
    """Where no token is taken, it is not the token: calls are told so, and fetch another one now and then only."""
    async with hostile(lambda _: reply(401, {"statusCode": 401, "message": "no"})) as (server, vipps):
        ends = [await end_of(vipps.epayment.get(REFERENCE)) for _ in range(100)]
    assert all(isinstance(end, ApiError) and end.status == 401 for end in ends)
    assert len(server.token_requests) < 12
    assert len(server.requests) < 112


async def test_tokens_that_are_revoked_again_and_again_fail_no_call() -> None:
    """As long as each new token is taken, it is replaced as soon as it is refused."""
    async with hostile(lambda asked: reply(401) if asked.number % 2 else payment(REFERENCE)) as (server, vipps):
        for _ in range(20):
            await vipps.epayment.get(REFERENCE)
    assert len(server.token_requests) == 21


async def test_a_copy_bounds_its_token_fetch_by_its_own_time() -> None:
    """A patient copy waits for a slow token endpoint, and an impatient one does not, whichever asks first."""

    def slowly(_: Asked) -> Any:
        return [0.5, token()]

    retry = RetryPolicy(attempts=1, attempt_timeout=60)
    async with hostile(lambda _: payment(REFERENCE), slowly, timeout=0.2, retry=retry) as (_, vipps):
        hurried = asyncio.create_task(end_of(vipps.epayment.get(REFERENCE)))
        patient = await end_of(vipps.with_options(timeout=10).epayment.get(REFERENCE))
        assert "no reply within 0.2 s" in str(await hurried)
    assert not isinstance(patient, CallError)


def test_secrets_of_a_request_are_redacted_and_nothing_else_is() -> None:
    """What a reply repeats of its request's headers: keys and the token, not the merchant serial number."""
    headers = {"Ocp-Apim-Subscription-Key": Secret("key-1"), "Merchant-Serial-Number": "123456"}
    authorization = {"Authorization": Secret("Bearer token-1")}
    text = "key-1 of 123456 with token-1"
    assert redacted(text, headers, authorization) == "********** of 123456 with **********"
