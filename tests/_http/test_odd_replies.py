"""Replies that no API documents, over real HTTP: a read ends in an error of the tree, a write in an unknown outcome."""

import gzip
import json
import re
import zlib
from typing import Any

import pytest

from tests.support.payments import PRICE, REFERENCE
from tests.support.raw_server import answering, http
from vipps_async import VippsClient
from vipps_async.errors import ConnectionFailed, InvalidReply, OutcomeUnknown

ADJUSTMENT = json.dumps(
    {
        "reference": REFERENCE,
        "pspReference": "1",
        "state": "AUTHORIZED",
        "amount": {"value": 1000, "currency": "NOK"},
        "aggregate": {
            name: {"value": 0, "currency": "NOK"}
            for name in ("authorizedAmount", "capturedAmount", "refundedAmount", "cancelledAmount")
        },
    }
).encode()
GZIP = "Content-Encoding: gzip"
BODILESS = {
    "an empty 200": http(b""),
    "an empty 204": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "205": http(b"", "205 Reset Content"),
    "null": http(b"null"),
    "blank": http(b" \n"),
    "gzip cut in half": http(gzip.compress(ADJUSTMENT)[:40], "200 OK", GZIP),
    "gzip cut after its header": http(gzip.compress(ADJUSTMENT)[:10], "200 OK", GZIP),
    "empty gzip": http(gzip.compress(b""), "200 OK", GZIP),
}
BROKEN = {
    "no HTTP": b"garbage\r\n\r\n",
    "another version": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a bad header": b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}",
    "a huge header": b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "cut chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    "bad gzip": http(b"this is no gzip", "200 OK", GZIP),
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
    "nothing": b"",
}
_MEGABYTE = 1024 * 1024


async def modify(vipps: VippsClient, operation: str) -> Any:
    """Send one modification."""
    if operation == "cancel":
        return await vipps.epayment.cancel(REFERENCE)
    return await getattr(vipps.epayment, operation)(REFERENCE, PRICE)


@pytest.mark.parametrize("operation", ["capture", "refund", "cancel"])
@pytest.mark.parametrize("reply", list(BODILESS))
async def test_modification_without_its_reply_is_an_unknown_outcome(operation: str, reply: str) -> None:
    """A 2xx reply that lacks the adjustment proves nothing: the call is attempted again, and its outcome unknown."""
    async with answering(BODILESS[reply]) as (server, vipps):
        with pytest.raises(OutcomeUnknown) as caught:
            await modify(vipps, operation)
    assert caught.value.attempts == len(server.heads) == 2
    assert caught.value.idempotency_key


@pytest.mark.parametrize("reply", list(BODILESS))
async def test_read_without_its_reply_is_invalid(reply: str) -> None:
    """A read whose 2xx reply has no document ends in InvalidReply."""
    async with answering(BODILESS[reply]) as (server, vipps):
        with pytest.raises(InvalidReply):
            await vipps.epayment.get(REFERENCE)
        with pytest.raises(InvalidReply):
            await vipps.epayment.events(REFERENCE)
    assert len(server.heads) == 4


@pytest.mark.parametrize("operation", ["capture", "refund", "cancel"])
async def test_an_empty_202_is_accepted_only(operation: str) -> None:
    """The draft's reply to a modification: accepted, with nothing said of the totals."""
    async with answering(http(b"", "202 Accepted")) as (server, vipps):
        adjustment = await modify(vipps, operation)
    assert adjustment.is_accepted_only
    assert len(server.heads) == 1


async def test_operations_without_a_reply_take_any_body() -> None:
    """Deleting a webhook and force-approving have no reply, so that nothing is read into what comes."""
    for reply in (http(b""), http(b"null"), http(b"OK", "200 OK", "Content-Type: text/plain")):
        async with answering(reply) as (_, vipps):
            await vipps.webhooks.delete("a-webhook")
            await vipps.epayment.force_approve(REFERENCE, token="abc")


@pytest.mark.parametrize("reply", list(BROKEN))
async def test_broken_http_is_an_error_of_the_tree(reply: str) -> None:
    """Whatever breaks the protocol is told in a few words, without the request: unread for a read, else unknown."""
    async with answering(BROKEN[reply]) as (server, vipps):
        with pytest.raises((InvalidReply, ConnectionFailed)) as unread:
            await vipps.epayment.get(REFERENCE)
        with pytest.raises(OutcomeUnknown) as unknown:
            await vipps.epayment.capture(REFERENCE, PRICE)
    assert len([head for head in server.heads if head.startswith(b"POST")]) == 2
    for error in (unread.value, unknown.value):
        assert len(error.message) < 400
        assert len(str(error)) < 600
        assert not re.search("Authorization|Bearer|Subscription-Key|Merchant-Serial|User-Agent", str(error))


async def test_huge_reply_is_not_read_to_its_end() -> None:
    """A reply of more than 8 MB is refused while the rest of it is still on its way."""
    huge = http(b"[" + b" " * (64 * _MEGABYTE) + b"]")
    async with answering(huge) as (server, vipps):
        with pytest.raises(InvalidReply, match=r"HTTP 200 with more than 8388608 bytes"):
            await vipps.epayment.events(REFERENCE)
        assert len(server.heads) == 2
        assert server.sent < 2 * 32 * _MEGABYTE


async def test_gzip_bomb_is_not_unpacked() -> None:
    """A small reply that unpacks to more than 8 MB is refused as well."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(b"["), *(packer.compress(b" " * _MEGABYTE) for _ in range(64)), packer.flush()])
    assert len(bomb) < _MEGABYTE
    async with answering(http(bomb, "200 OK", GZIP)) as (_, vipps):
        with pytest.raises(InvalidReply, match=r"more than 8388608 bytes"):
            await vipps.epayment.events(REFERENCE)


async def test_reply_of_nearly_8_mb_is_read() -> None:
    """A large list is a list."""
    async with answering(http(b"[" + b" " * (8 * _MEGABYTE - 2) + b"]")) as (_, vipps):
        assert await vipps.epayment.events(REFERENCE) == []


@pytest.mark.parametrize(
    "lifetime", [b'"%b"' % (b"9" * 5000), b"9" * 4000, b"9" * 5000, b"1" + b"0" * 30, b"-1", b"1e999"]
)
async def test_token_for_an_absurd_time_is_invalid(lifetime: bytes) -> None:
    """A lifetime beyond any number of seconds is no lifetime, whether text or number."""
    token = http(b'{"access_token": "abc", "expires_in": %b}' % lifetime)
    async with answering(http(b"{}"), token_reply=token) as (server, vipps):
        with pytest.raises(InvalidReply, match="no access token"):
            await vipps.epayment.get(REFERENCE)
    assert not server.heads


async def test_registration_reply_without_body_is_no_registration() -> None:
    """A registration whose secret does not come back has an unknown outcome."""
    for reply in BODILESS.values():
        async with answering(reply) as (_, vipps):
            with pytest.raises(OutcomeUnknown):
                await vipps.webhooks.register("https://shop.example/")
