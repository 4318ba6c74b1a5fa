"""The client: how it is made, copied and closed, and what every request of it carries."""

import asyncio
import warnings
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import fastapi
import pytest
from fastapi.exceptions import FastAPIError
from multidict import CIMultiDict

from tests.support.hostile import hostile, payment
from tests.support.payments import PRICE, REFERENCE, create, requests_of
from tests.support.raw_server import KEYS as KNOWN
from tests.support.raw_server import answering, http
from vipps_async import Credentials, Environment, RetryPolicy, SystemInfo, VippsClient, __version__
from vipps_async.errors import (
    ApiError,
    BadRequest,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    NotFound,
    OutcomeUnknown,
)
from vipps_async.sandbox import Fault, Sandbox

KEYS = {
    "VIPPS_CLIENT_ID": "client-id",
    "VIPPS_CLIENT_SECRET": "client-secret",
    "VIPPS_SUBSCRIPTION_KEY": "subscription-key",
    "VIPPS_MERCHANT_SERIAL_NUMBER": "123456",
}


async def heard_by_a_server(act: Any, **options: Any) -> list[bytes]:
    """Run *act* with a client of a server that answers nothing useful, and return the request heads that it heard."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"access_token": "abc", "expires_in": 3600}' if b"accessToken" in heads[-1] else b""
        writer.write(b"HTTP/1.1 404 Not Found\r\n" if not body else b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        credentials = Credentials.from_env(KEYS)
        environment = Environment(f"http://127.0.0.1:{port}/prefix/")
        async with VippsClient(credentials, environment=environment, **options) as vipps:
            with pytest.raises(Exception, match="404"):
                await act(vipps)
    return heads


async def test_every_request_names_the_caller_and_the_system() -> None:
    """The token request carries the API keys, every other call the token, and both the headers that Vipps asks for."""
    token, read = await heard_by_a_server(lambda vipps: vipps.epayment.get(REFERENCE))
    assert token.startswith(b"POST /prefix/accessToken/get HTTP/1.1")
    assert read.startswith(f"GET /prefix/epayment/v1/payments/{REFERENCE} HTTP/1.1".encode())
    for name, value in {
        "Ocp-Apim-Subscription-Key": "subscription-key",
        "Merchant-Serial-Number": "123456",
        "Vipps-System-Name": "vipps-async",
        "Vipps-System-Version": __version__,
        "Vipps-System-Plugin-Name": "vipps-async",
        "Vipps-System-Plugin-Version": __version__,
    }.items():
        line = f"\r\n{name}: {value}\r\n".encode()
        assert line in token
        assert line in read
    assert b"\r\nclient_id: client-id\r\n" in token
    assert b"\r\nclient_secret: client-secret\r\n" in token
    assert b"\r\nAuthorization: Bearer abc\r\n" in read
    assert b"client_secret" not in read


async def test_system_info_names_the_shop() -> None:
    """A caller's own system takes the place of this package."""
    system = SystemInfo(name="acme-shop", version="7.1", plugin_name="acme-pay", plugin_version="2")
    _, read = await heard_by_a_server(lambda vipps: vipps.epayment.get(REFERENCE), system=system)
    assert b"\r\nVipps-System-Name: acme-shop\r\n" in read
    assert b"\r\nVipps-System-Plugin-Version: 2\r\n" in read


async def test_copy_calls_for_another_merchant() -> None:
    """A copy with another merchant serial number sends that one, and leaves its original as it was."""

    async def read_as_both(vipps: VippsClient) -> None:
        copy = vipps.with_options(merchant_serial_number="654321", timeout=5, retry=RetryPolicy(attempts=1))
        assert "654321" in repr(copy)
        assert "123456" in repr(vipps)
        await copy.epayment.get(REFERENCE)

    _, read = await heard_by_a_server(read_as_both)
    assert b"\r\nMerchant-Serial-Number: 654321\r\n" in read


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        (None, "https://apitest.vipps.no"),
        ("", "https://apitest.vipps.no"),
        ("test", "https://apitest.vipps.no"),
        ("Production", "https://api.vipps.no"),
        ("http://127.0.0.1:8090/", "http://127.0.0.1:8090"),
    ],
)
def test_client_is_made_from_the_environment(name: str | None, base_url: str) -> None:
    """from_env reads the keys and the host."""
    environ = KEYS if name is None else {**KEYS, "VIPPS_ENVIRONMENT": name}
    assert repr(VippsClient.from_env(environ)) == f"<VippsClient 123456 at {base_url}>"


def test_missing_variables_are_named() -> None:
    """from_env names each variable that is not set."""
    with pytest.raises(ConfigurationError, match="VIPPS_CLIENT_SECRET, VIPPS_SUBSCRIPTION_KEY"):
        VippsClient.from_env({**KEYS, "VIPPS_CLIENT_SECRET": "", "VIPPS_SUBSCRIPTION_KEY": ""})


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan"), float("inf"), 10**400])
def test_timeout_must_be_seconds(timeout: float) -> None:
    """A timeout that is no number above 0 is refused, at construction and in a copy."""
    with pytest.raises(ConfigurationError, match="timeout"):
        VippsClient(Credentials.from_env(KEYS), timeout=timeout)
    with pytest.raises(ConfigurationError, match="timeout"):
        VippsClient(Credentials.from_env(KEYS)).with_options(timeout=timeout)


def test_copy_takes_a_merchant_serial_number_only() -> None:
    """A malformed merchant serial number is refused."""
    with pytest.raises(ConfigurationError, match="merchant_serial_number"):
        VippsClient(Credentials.from_env(KEYS)).with_options(merchant_serial_number="12\r\n34")


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("test", "https://apitest.vipps.no"),
        ("production", "https://api.vipps.no"),
        ("http://127.0.0.1:8090/", "http://127.0.0.1:8090"),
    ],
)
def test_environment_may_be_named(name: str, base_url: str) -> None:
    """An environment given as text is read as the variable's is."""
    assert repr(VippsClient(Credentials.from_env(KEYS), environment=name)).endswith(f" at {base_url}>")


@pytest.mark.parametrize(
    "odd",
    [
        {"credentials": None},
        {"credentials": KEYS},
        {"system": "acme-shop"},
        {"system": None},
        {"retry": 3},
        {"retry": None},
        {"environment": "prod"},
    ],
    ids=repr,
)
def test_odd_argument_is_refused_by_name(odd: dict[str, Any]) -> None:
    """An argument of another type is refused at construction, not at the first call."""
    arguments = {"credentials": Credentials.from_env(KEYS), **odd}
    with pytest.raises(ConfigurationError, match=next(iter(odd))):
        VippsClient(**arguments)


def test_copy_takes_a_retry_policy_only() -> None:
    """A copy refuses a policy of another type, a falsy one too."""
    odds: list[Any] = [0, 3, "", {}]
    for odd in odds:
        with pytest.raises(ConfigurationError, match="must be of type RetryPolicy"):
            VippsClient(Credentials.from_env(KEYS)).with_options(retry=odd)


async def test_session_that_raises_for_status_changes_nothing(sandbox: Sandbox) -> None:
    """With a caller's session that raises for each error status, errors are this package's all the same."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        options: Any = {"environment": sandbox.environment, "session": session}
        async with VippsClient(sandbox.credentials, **options) as vipps:
            with pytest.raises(NotFound) as missing:
                await vipps.epayment.get("order-9999")
            await create(vipps)
            with pytest.raises(BadRequest) as refused:
                await vipps.epayment.capture(REFERENCE, PRICE)
    assert (missing.value.code, refused.value.code) == ("5090", "6080")
    assert len(requests_of(sandbox, "capture")) == 1


@pytest.mark.parametrize("by_function", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"auth": ("user", "password")},
        {"headers": {"Authorization": "Basic c29tZWJvZHk="}},
        {"headers": CIMultiDict([("Authorization", "Basic c29tZWJvZHk="), ("Authorization", "Basic ZWxzZQ==")])},
        {"headers": {"Proxy-Authorization": "Basic c29tZWJvZHk="}},
        {"cookies": {"session": "somebody"}},
        {"trust_env": True},
    ],
    ids=["auth", "headers", "headers twice", "a proxy's", "cookies", "netrc"],
)
async def test_no_stranger_s_credentials_are_sent(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: dict[str, Any],
    by_function: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What a session's auth, headers and cookies or a ``.netrc`` say of who calls goes to nobody; calls work."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password another-service\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # aiohttp 3.14's, of its own BasicAuth
        if "auth" in settings:
            settings = {"auth": aiohttp.BasicAuth(*settings["auth"])}
        session = aiohttp.ClientSession(**settings)
    given: Any = (lambda: session) if by_function else session
    async with session, hostile(lambda _: payment(REFERENCE), session=given) as (server, vipps):
        await vipps.epayment.get(REFERENCE)
    assert [request.headers.get("authorization") for request in server.token_requests] == [None]
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer token-known"]
    sent = {name for request in server.token_requests + server.requests for name in request.headers}
    assert sent.isdisjoint({"cookie", "proxy-authorization"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: None, "must return an aiohttp.ClientSession, not NoneType"),
        (lambda: 1 / 0, "raised ZeroDivisionError"),
        (aiohttp.ClientTimeout, "must return an aiohttp.ClientSession, not ClientTimeout"),
    ],
)
async def test_a_function_that_gives_no_session_is_refused_by_name(given: Any, says: str) -> None:
    """What it returns or raises instead is told as a setting that cannot work, before anything is sent."""
    async with hostile(lambda _: payment(REFERENCE), session=given) as (server, vipps):
        with pytest.raises(ConfigurationError, match=says):
            await vipps.epayment.capture(REFERENCE, PRICE)
    assert server.token_requests == server.requests == []


async def test_a_session_that_cannot_work_is_refused_by_name() -> None:
    """A session that leaves replies compressed could not be read."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with hostile(lambda _: payment(REFERENCE), session=session) as (server, vipps):
            with pytest.raises(ConfigurationError, match="auto_decompress=False"):
                await vipps.epayment.capture(REFERENCE, PRICE)
        assert server.token_requests == []


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Content-Encoding", "Host", "Expect", "Upgrade"]
)
async def test_a_session_that_frames_every_request_is_refused_by_name(name: str) -> None:
    """A header that would cut a body short, let a server wait for the rest, or send it elsewhere is named."""
    async with aiohttp.ClientSession(headers={name: "5"}) as session:
        async with hostile(lambda _: payment(REFERENCE), session=session) as (server, vipps):
            with pytest.raises(ConfigurationError, match=f"(?i)has {name} among its headers"):
                await vipps.epayment.capture(REFERENCE, PRICE)
        assert server.token_requests == []


async def test_trust_env_is_not_taken_and_ignored() -> None:
    """What a session of one's own decides is not asked of the client too."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="trust_env=True is for a client's own session"):
            VippsClient(KNOWN, session=session, trust_env=True)


async def test_what_a_server_bakes_is_not_kept() -> None:
    """A client's own session sends no cookie back, and does not collect them."""
    baked = payment(REFERENCE).replace(b"\r\n", b"\r\nSet-Cookie: visitor=1\r\n", 1)
    async with hostile(lambda _: baked) as (server, _):
        named = server.url.replace("127.0.0.1", "localhost")  # no cookie jar believes an address
        async with VippsClient(KNOWN, environment=named) as vipps:
            for _ in range(2):
                await vipps.epayment.get(REFERENCE)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


class Shop(str, Enum):  # noqa: UP042 - a StrEnum shows its text
    """Texts as a shop may name them; what `str` and f-strings show of one is its name."""

    ORDER = REFERENCE
    KEY = "shipment-17"
    CLIENT = "client-of-the-shop"
    MERCHANT = "654321"


async def test_a_text_enum_is_its_text() -> None:
    """References, keys and credentials that are members of a text enum are sent as their texts."""
    keys = attrs.evolve(KNOWN, client_id=Shop.CLIENT, merchant_serial_number=Shop.MERCHANT)
    async with (
        hostile(lambda _: payment(REFERENCE)) as (server, _),
        VippsClient(keys, environment=server.url) as vipps,
    ):
        captured = await vipps.epayment.capture(Shop.ORDER, PRICE, idempotency_key=Shop.KEY)
    (asked,) = server.requests
    assert (asked.path, asked.key) == (f"/epayment/v1/payments/{REFERENCE}/capture", "shipment-17")
    assert captured.idempotency_key == "shipment-17"
    headers = server.token_requests[0].headers
    assert (headers["client_id"], headers["merchant-serial-number"]) == ("client-of-the-shop", "654321")


async def test_a_session_of_odd_settings_works() -> None:
    """A base URL, default headers, errors that are raised, a hook, HTTP/1.0 and a redirect policy change nothing."""
    odd = aiohttp.ClientSession(
        "https://elsewhere.example/api/",
        headers={"Idempotency-Key": "the-session-s", "Content-Type": "text/plain", "Accept": "text/html"},
        raise_for_status=True,
        version=aiohttp.HttpVersion10,
        timeout=aiohttp.ClientTimeout(total=0.000001),
        read_bufsize=16,
        cookies={"session": "1"},
        skip_auto_headers={"Content-Type", "User-Agent"},
    )
    async with odd, hostile(lambda _: payment(REFERENCE), session=odd) as (server, vipps):
        captured = await vipps.epayment.capture(REFERENCE, PRICE)
    assert server.requests[0].key == captured.idempotency_key
    assert server.requests[0].headers["content-type"] == "application/json"


async def test_session_can_come_from_a_function(sandbox: Sandbox) -> None:
    """The function is asked at every request, so that what it returns may change, and nothing of it is closed."""
    sessions = [aiohttp.ClientSession() for _ in range(3)]
    waiting = iter(sessions)
    async with VippsClient(
        sandbox.credentials, environment=sandbox.environment, session=lambda: next(waiting)
    ) as vipps:
        await create(vipps)
        await sessions[2].close()
        with pytest.raises(ClientClosed):
            await vipps.epayment.get(REFERENCE)
    for session in sessions[:2]:
        assert not session.closed
        await session.close()


async def test_closed_client_leaves_a_callers_session_alone(sandbox: Sandbox) -> None:
    """A closed client, and its copies, send nothing although the caller's session is still open."""
    async with aiohttp.ClientSession() as session:
        vipps = VippsClient(sandbox.credentials, environment=sandbox.environment, session=session)
        await create(vipps)
        copy = vipps.with_options(timeout=1)
        await vipps.close()
        for client in (vipps, copy):
            with pytest.raises(ClientClosed, match="the client is closed"):
                await client.epayment.get(REFERENCE)
        assert not session.closed
    assert not requests_of(sandbox, "get")


async def test_closed_client_refuses_calls(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A closed client, and every copy of it, ends calls in ClientClosed; closing twice does no harm."""
    await create(vipps)
    copy = vipps.with_options(timeout=1)
    await vipps.close()
    await vipps.close()
    for client in (vipps, copy, VippsClient(sandbox.credentials, environment=sandbox.environment)):
        await client.close()
        with pytest.raises(ClientClosed, match="the client is closed"):
            await client.epayment.get(REFERENCE)


async def test_closing_under_a_write_leaves_its_outcome_unknown(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A write that is under way when the client closes says that its outcome is unknown, and keeps its key."""
    sandbox.fail("create", Fault.STALLED, times=None)
    patient = vipps.with_options(retry=RetryPolicy(attempt_timeout=30))
    creation = asyncio.create_task(create(patient))
    while not sandbox.payments:
        await asyncio.sleep(0.01)
    await vipps.close()
    with pytest.raises(OutcomeUnknown) as caught:
        await creation
    assert caught.value.idempotency_key


async def test_redirects_are_not_followed() -> None:
    """A reply that points elsewhere is an error: the token does not travel to where it points."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"access_token": "abc", "expires_in": 3600}' if b"accessToken" in heads[-1] else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" if body else b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\n")
        writer.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        environment = Environment(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with VippsClient(Credentials.from_env(KEYS), environment=environment) as vipps:
            with pytest.raises(ApiError, match=r"HTTP 307.*check base_url"):
                await vipps.epayment.get(REFERENCE)
    assert len(heads) == 2


async def test_write_that_found_no_free_connection_was_not_sent(sandbox: Sandbox) -> None:
    """A write that waited in vain for a connection of a busy pool ends in ConnectionFailed: nothing was sent."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        options: Any = {"environment": sandbox.environment, "session": session}
        retry = RetryPolicy(attempts=1, attempt_timeout=0.4)
        async with VippsClient(sandbox.credentials, **options) as busy:
            await create(busy)
            sandbox.fail("get", Fault.STALLED)
            reading = asyncio.create_task(busy.epayment.get(REFERENCE))
            while not requests_of(sandbox, "get"):
                await asyncio.sleep(0.01)
            with pytest.raises(ConnectionFailed) as caught:
                await busy.with_options(retry=retry).epayment.cancel(REFERENCE)
            reading.cancel()
    assert not caught.value.sent
    assert not requests_of(sandbox, "cancel")


async def test_call_that_is_cut_off_in_its_reply_gives_its_connection_back(sandbox: Sandbox) -> None:
    """A pool of one connection serves the next call after one was cancelled, or ran out of time, half-way through."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        options: Any = {"environment": sandbox.environment, "session": session}
        async with VippsClient(sandbox.credentials, **options) as vipps:
            await create(vipps)
            sandbox.fail("get", Fault.STALLED, times=2)
            with pytest.raises(DeadlineExceeded):
                await vipps.with_options(timeout=0.2).epayment.get(REFERENCE)
            cancelled = asyncio.create_task(vipps.epayment.get(REFERENCE))
            while len(requests_of(sandbox, "get")) < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # for half a reply to arrive
            cancelled.cancel()
            await asyncio.wait([cancelled])
            assert (await vipps.with_options(timeout=5).epayment.get(REFERENCE)).reference == REFERENCE


async def test_base_url_may_have_a_path() -> None:
    """Every call goes below the path of the base URL, which is sent as it was given."""
    async with answering(http(b"", "404 Not Found")) as (server, _):
        environment = Environment(f"{server.url}/gate%20way/v2/")
        async with VippsClient(Credentials.from_env(KEYS), environment=environment) as vipps:
            with pytest.raises(ApiError, match="answered instead"):
                await vipps.epayment.get(REFERENCE)
    assert server.heads[0].startswith(f"GET /gate%20way/v2/epayment/v1/payments/{REFERENCE} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("make", [VippsClient.from_env, Credentials.from_env, Environment.from_env])
def test_no_request_can_give_the_variables(make: Any) -> None:
    """A web framework that fills a function's parameters from the request refuses from_env as it starts."""
    offered = fastapi.FastAPI().post("/orders", dependencies=[fastapi.Depends(make)])
    with pytest.raises(FastAPIError, match="Environ"):
        offered(lambda: None)


def test_variables_are_read_from_what_has_them() -> None:
    """from_env reads the process's environment when it is called, and refuses what no variables can be read from."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        assert Credentials.from_env() == Credentials.from_env(KEYS)
    with pytest.raises(ConfigurationError, match="VIPPS_CLIENT_ID"):
        Credentials.from_env({})
    with pytest.raises(ConfigurationError, match="environ=<text of 4 characters> must be"):
        Environment.from_env("test")  # type: ignore[arg-type]  # the mistake
