"""No reply, however odd, makes an error, its traceback's variables or a log tell a token, a key or a secret."""

import io
from collections.abc import Awaitable, Callable

import pytest

from tests.support.payments import PRICE, REFERENCE
from tests.support.raw_server import KEYS, TOKEN, answering, http
from tests.support.tracebacks import everything_of
from vipps_async import VippsClient
from vipps_async.errors import VippsError

HOOK_SECRET = "aG9vay1zZWNyZXQ-known"
REQUESTED = [str(KEYS.client_id), str(KEYS.client_secret), str(KEYS.subscription_key)]
SECRETS = [str(KEYS.client_id), str(KEYS.client_secret), str(KEYS.subscription_key), TOKEN, HOOK_SECRET]
ECHO = " ".join([*SECRETS, f"Authorization: Bearer {TOKEN}"]).encode()


class Replies(dict[str, bytes]):
    """Replies by name, without a repr: a test's own variables are part of the tracebacks that it looks at."""

    def __repr__(self) -> str:
        return "Replies()"


TOKENS = Replies(
    {
        "no expires_in": http(b'{"access_token": "%b"}' % TOKEN.encode()),
        "a bad expires_in": http(b'{"access_token": "%b", "expires_in": "soon"}' % TOKEN.encode()),
        "a list": http(b'[{"access_token": "%b", "expires_in": "3600"}]' % TOKEN.encode()),
        "cut JSON": http(b'{"access_token": "%b", "expires' % TOKEN.encode()),
        "just text": http(b'"%b"' % TOKEN.encode()),
        "an unprintable token": http(b'{"access_token": "%b\\n", "expires_in": "3600"}' % TOKEN.encode()),
    }
)
REFUSALS = Replies(
    {
        "400 as JSON": http(b'{"title": "Bad", "detail": "%b"}' % ECHO, "400 Bad Request"),
        "401 of the gateway": http(b'{"statusCode": 401, "message": "%b"}' % ECHO, "401 Unauthorized"),
        "400 as text": http(ECHO, "400 Bad Request", "Content-Type: text/plain"),
        "500 as JSON": http(b'{"title": "%b", "extra": ["%b"]}' % (ECHO, ECHO), "500 Oops"),
        "500 as text": http(ECHO, "500 Oops", "Content-Type: text/plain"),
        "502 as a page": http(b"<html>" + ECHO + b"</html>", "502 Bad Gateway", "Content-Type: text/html"),
        "200 as a page": http(b"<html>" + ECHO + b"</html>", "200 OK", "Content-Type: text/html"),
    }
)
BROKEN = Replies(
    {
        "no HTTP": b"%b\r\n\r\n" % ECHO,
        "a bad header": b"HTTP/1.1 200 OK\r\nno colon %b\r\n\r\n" % ECHO,
        "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % ECHO,
        "bad gzip": http(ECHO, "200 OK", "Content-Encoding: gzip"),
        "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + ECHO,
    }
)
DOCUMENTS = Replies(
    {
        "values": http(b'{"reference": {"Authorization": "Bearer %b"}}' % TOKEN.encode()),
        "more": http(b'{"headers": {"Authorization": "Bearer %b"}}' % TOKEN.encode()),
        "a list": http(b'[{"amount": {"value": "%b"}, "Authorization": "%b"}]' % (TOKEN.encode(), TOKEN.encode())),
    }
)
REGISTRATIONS = Replies(
    {
        "a number as id": http(b'{"id": 5, "secret": "%b"}' % HOOK_SECRET.encode()),
        "no id": http(b'{"secret": "%b"}' % HOOK_SECRET.encode()),
        "a list as secret": http(b'{"id": "1", "secret": ["%b"]}' % HOOK_SECRET.encode()),
        "a list": http(b'[{"id": "1", "secret": "%b"}]' % HOOK_SECRET.encode()),
        "cut JSON": http(b'{"id": "1", "secret": "%b' % HOOK_SECRET.encode()),
        "just text": http(b'"%b"' % HOOK_SECRET.encode()),
    }
)


Act = Callable[[VippsClient], Awaitable[object]]


async def leaks_of(told: io.StringIO, act: Act, replies: Replies, kind: str) -> list[str]:
    """Return the lines with secrets in what *act* tells when its call is answered with that reply."""
    async with answering(replies[kind]) as (_, vipps):
        with pytest.raises(VippsError) as caught:
            await act(vipps)
    return _lines_with_secrets(told.getvalue() + everything_of(caught.value))


async def leaks_of_token(told: io.StringIO, act: Act, replies: Replies, kind: str) -> list[str]:
    """Return the lines with secrets in what *act* tells when the token request is answered with that reply."""
    async with answering(http(b"{}"), token_reply=replies[kind]) as (server, vipps):
        with pytest.raises(VippsError) as caught:
            await act(vipps)
    assert not server.heads
    return _lines_with_secrets(told.getvalue() + everything_of(caught.value))


def _lines_with_secrets(text: str) -> list[str]:
    return [line for line in text.splitlines() if any(secret in line for secret in SECRETS)]


async def read(vipps: VippsClient) -> None:
    """A read."""
    await vipps.epayment.get(REFERENCE)


async def capture(vipps: VippsClient) -> None:
    """A write."""
    await vipps.epayment.capture(REFERENCE, PRICE)


async def list_events(vipps: VippsClient) -> None:
    """A read whose reply is a list."""
    await vipps.epayment.events(REFERENCE)


async def register(vipps: VippsClient) -> None:
    """A write whose reply is a secret."""
    await vipps.webhooks.register("https://shop.example/")


@pytest.mark.parametrize("kind", list(TOKENS))
@pytest.mark.parametrize("act", [read, capture])
async def test_unusable_token_reply_is_not_shown(told: io.StringIO, act: Act, kind: str) -> None:
    """A token whose reply cannot be used is told nowhere, bare or as a header."""
    assert not await leaks_of_token(told, act, TOKENS, kind)


@pytest.mark.parametrize("kind", list(REFUSALS))
async def test_refused_token_request_is_not_shown(told: io.StringIO, kind: str) -> None:
    """An answer to the token request that repeats the keys of the request does not bring them into an error."""
    said = await leaks_of_token(told, read, REFUSALS, kind)
    assert not [line for line in said if any(key in line for key in REQUESTED)]


@pytest.mark.parametrize("kind", list(REFUSALS))
@pytest.mark.parametrize("act", [read, capture, register])
async def test_page_that_repeats_the_request_is_redacted(told: io.StringIO, act: Act, kind: str) -> None:
    """An answer that repeats a call's headers shows neither its token nor its subscription key."""
    said = await leaks_of(told, act, REFUSALS, kind)
    assert not [line for line in said if TOKEN in line or str(KEYS.subscription_key) in line]


@pytest.mark.parametrize("kind", list(DOCUMENTS))
@pytest.mark.parametrize("act", [read, capture, list_events])
async def test_document_that_repeats_the_request_is_redacted(told: io.StringIO, act: Act, kind: str) -> None:
    """Neither does JSON that repeats them in place of what the API documents."""
    said = await leaks_of(told, act, DOCUMENTS, kind)
    assert not [line for line in said if TOKEN in line]


@pytest.mark.parametrize("kind", list(BROKEN))
@pytest.mark.parametrize("act", [read, register])
async def test_broken_reply_that_repeats_the_request_is_redacted(told: io.StringIO, act: Act, kind: str) -> None:
    """Neither does an answer that repeats them and is no whole HTTP."""
    said = await leaks_of(told, act, BROKEN, kind)
    assert not [line for line in said if TOKEN in line or str(KEYS.subscription_key) in line]


@pytest.mark.parametrize("kind", list(REGISTRATIONS))
async def test_unusable_registration_reply_is_not_shown(told: io.StringIO, kind: str) -> None:
    """The secret in a registration's reply is told nowhere when the rest of the reply cannot be read."""
    assert not await leaks_of(told, register, REGISTRATIONS, kind)
