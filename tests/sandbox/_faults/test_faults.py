"""Faults on order: what a client sees, and whether the request took effect."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, create_body, of, until
from vipps_async.sandbox import Fault, Sandbox


@pytest.fixture
async def impatient(merchant: Merchant) -> AsyncIterator[Merchant]:
    """A signed-in merchant that opens a connection for each request and waits half a second."""
    timeout = aiohttp.ClientTimeout(total=0.5)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(merchant.sandbox.base_url, timeout=timeout, connector=connector) as session:
        patient, merchant.session = merchant.session, session
        yield merchant
        merchant.session = patient


@pytest.mark.parametrize(
    ("fault", "error", "took_effect"),
    [
        (Fault.RESET_BEFORE, aiohttp.ClientOSError, False),
        (Fault.RESET_AFTER, aiohttp.ClientOSError, True),
        (Fault.TRUNCATED, aiohttp.ClientPayloadError, True),
        (Fault.STALLED, TimeoutError, True),
    ],
)
async def test_cut_connections(impatient: Merchant, *, fault: Fault, error: type[Exception], took_effect: bool) -> None:
    """The client sees a reset, half an answer or silence; a repetition with the same key settles it."""
    impatient.sandbox.fail("create", fault)
    with pytest.raises(error):
        await impatient.create(key="k")
    assert (REFERENCE in impatient.sandbox.payments) is took_effect
    record = impatient.sandbox.requests[-1]
    assert (record.operation, record.status, record.took_effect, record.fault) == (
        "epayment.create",
        None,
        took_effect,
        fault,
    )
    assert (record.method, record.path, record.idempotency_key) == ("POST", PAYMENTS, "k")
    assert (await impatient.create(key="k")).status == 201
    assert impatient.sandbox.requests[-1].took_effect is not took_effect
    assert len(impatient.sandbox.payments[REFERENCE].events) == 1


async def test_a_reset_is_a_reset(impatient: Merchant) -> None:
    """The connection ends with RST, not with an orderly close."""
    impatient.sandbox.fail("create", Fault.RESET_AFTER)
    with pytest.raises(aiohttp.ClientOSError) as cut:
        await impatient.create()
    assert cut.value.errno == errno.ECONNRESET


@pytest.mark.parametrize(
    ("fault", "status", "media_type", "marker"),
    [
        (Fault.STATUS_408, 408, "application/json", b"statusCode"),
        (Fault.STATUS_423, 423, "application/problem+json", b"6160"),
        (Fault.STATUS_429, 429, "application/json", b"Rate limit"),
        (Fault.STATUS_500, 500, "application/problem+json", b"3010"),
        (Fault.STATUS_502_HTML, 502, "text/html", b"<html"),
        (Fault.STATUS_503, 503, "application/json", b"unavailable"),
    ],
)
async def test_status_faults_have_no_effect_and_are_not_remembered(
    merchant: Merchant, fault: Fault, status: int, media_type: str, marker: bytes
) -> None:
    """The error comes in its usual form, nothing happens, and the same key works afterwards."""
    merchant.sandbox.fail("create", fault, retry_after=3)
    got = await merchant.create(key="k")
    assert (got.status, got.headers["Retry-After"]) == (status, "3")
    assert got.headers["Content-Type"].startswith(media_type)
    assert marker in got.body
    assert not merchant.sandbox.payments
    assert (merchant.sandbox.requests[-1].status, merchant.sandbox.requests[-1].took_effect) == (status, False)
    got = await merchant.create(key="k")
    assert got.status == 201
    assert "Retry-After" not in got.headers


async def test_an_html_page_with_200_after_the_effect(merchant: Merchant) -> None:
    """A proxy's page hides the API's answer, but the payment exists."""
    merchant.sandbox.fail("create", Fault.HTML_200)
    got = await merchant.create()
    assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert REFERENCE in merchant.sandbox.payments


async def test_an_expired_token_is_revoked(merchant: Merchant) -> None:
    """The gateway answers 401 until the client fetches another token; nothing happened."""
    merchant.sandbox.fail("create", Fault.EXPIRED_TOKEN)
    for _ in range(2):
        got = await merchant.create(key="k")
        assert (got.status, set(got.json)) == (401, {"statusCode", "message"})
    await merchant.sign_in()
    assert (await merchant.create(key="k")).status == 201


async def test_faults_are_counted(merchant: Merchant) -> None:
    """Two requests suffer the first order, then the second order's turn comes, other operations suffer nothing."""
    merchant.sandbox.fail("get", Fault.STATUS_500, times=2)
    merchant.sandbox.fail("get", "STATUS_503", times=None)
    await merchant.create()
    assert [(await merchant.get()).status for _ in range(5)] == [500, 500, 503, 503, 503]
    merchant.sandbox.clear_faults()
    assert (await merchant.get()).status == 200


async def test_the_token_can_fail_too(merchant: Merchant) -> None:
    """Faults apply to the Access Token API as to any other."""
    merchant.sandbox.fail("token", Fault.STATUS_503)
    assert (await merchant.send("POST", "/accesstoken/get", headers=merchant.token_headers)).status == 503
    assert (await merchant.sign_in()).status == 200


async def test_an_empty_answer_can_be_cut(impatient: Merchant) -> None:
    """Where there is no body to cut in half, the client still sees an answer that ends too soon."""
    await impatient.authorized()
    impatient.sandbox.fail("approve", Fault.TRUNCATED)
    body = {"customer": {"phoneNumber": "4712345678"}}
    await impatient.create(reference="second-payment")
    with pytest.raises(aiohttp.ClientPayloadError):
        await impatient.call("POST", "/epayment/v1/test/payments/second-payment/approve", body)
    assert impatient.sandbox.payments["second-payment"].authorized_amount == 49900


async def test_a_204_can_be_cut(impatient: Merchant) -> None:
    """An answer that has no body is told as one that should have had one."""
    webhook = (await impatient.register("http://127.0.0.1:9/", "epayments.payment.created.v1")).json["id"]
    impatient.sandbox.fail("delete", Fault.TRUNCATED)
    with pytest.raises(aiohttp.ClientPayloadError):
        await impatient.call("DELETE", f"/webhooks/v1/webhooks/{webhook}")
    assert (await impatient.call("GET", "/webhooks/v1/webhooks")).json == {"webhooks": []}


@pytest.mark.parametrize(
    ("operation", "fault", "times", "retry_after"),
    [
        ("teleport", Fault.STATUS_500, 1, None),
        ("get", "STATUS_418", 1, None),
        ("get", Fault.STATUS_500, 0, None),
        ("get", Fault.STATUS_429, 1, -1.0),
    ],
)
async def test_impossible_orders(
    sandbox: Sandbox, operation: str, fault: str, times: int, retry_after: float | None
) -> None:
    """An unknown operation or fault, or a number that makes no sense, is a ValueError."""
    with pytest.raises(ValueError, match=r"teleport|STATUS_418|times|retry_after"):
        sandbox.fail(operation, fault, times=times, retry_after=retry_after)


async def test_stalled_connections_do_not_hold_up_the_end() -> None:
    """A sandbox with a client that waits for the second half of an answer stops at once."""
    async with Sandbox() as sandbox:
        sandbox.fail("token", Fault.STALLED)
        async with aiohttp.ClientSession(sandbox.base_url) as session:
            answer = await session.post("/accesstoken/get")
            began = time.monotonic()
            await sandbox.stop()
            assert time.monotonic() - began < 0.8
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_offline(merchant: Merchant) -> None:
    """New connections are refused, open ones cut, and it comes back on the same port with everything it knew."""
    await merchant.create()
    before = merchant.sandbox.base_url
    async with merchant.sandbox.offline():
        with pytest.raises(aiohttp.ClientConnectionError):
            await merchant.get()
        with pytest.raises(aiohttp.ClientConnectorError):
            await merchant.get()
    assert merchant.sandbox.base_url == before
    assert (await merchant.get()).status == 200


async def test_a_client_that_leaves_does_not_undo_its_request(impatient: Merchant) -> None:
    """A capture whose client timed out took effect."""
    await impatient.authorized()
    impatient.sandbox.fail("capture", Fault.STALLED)
    with pytest.raises(TimeoutError):
        await impatient.modify("capture", of(100))
    assert impatient.sandbox.payments[REFERENCE].captured_amount == 100


async def test_a_client_that_leaves_within_its_body_is_forgotten(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing happens, and nothing is logged as an error."""
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PAYMENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await until(lambda: sandbox.requests)
    assert not sandbox.payments
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_many_connections_at_once(sandbox: Sandbox) -> None:
    """A thousand clients create a payment each, all on their own connection."""
    credentials = sandbox.credentials
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(sandbox.base_url, connector=connector) as session:
        merchant = Merchant(sandbox, session)
        await merchant.sign_in()
        headers = merchant.headers | {"Merchant-Serial-Number": credentials.merchant_serial_number}

        async def create(number: int) -> int:
            body = create_body(reference=f"payment-{number:06}")
            key = {"Idempotency-Key": f"k{number}"}
            async with session.post(PAYMENTS, json=body, headers=headers | key) as response:
                return response.status

        statuses = await asyncio.gather(*(create(number) for number in range(1000)))
    assert set(statuses) == {201}
    assert len(sandbox.payments) == 1000
