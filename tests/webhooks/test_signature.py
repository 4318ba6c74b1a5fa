"""A delivery is authentic only as it was signed: one character less, and it is refused."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import document
from vipps_async.errors import NotAuthentic
from vipps_async.webhooks.signature import SignedUrl, sign, verify

VECTOR = document("current-webhook-hmac-vector")
OWN = document("current-webhook-hmac-vectors-selfmade")
NOW = datetime(2023, 3, 30, 8, 38, 32, tzinfo=UTC)
DAY = timedelta(days=1)
PREFIX = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="


def headers_of(vector: Mapping[str, str]) -> dict[str, str]:
    """The headers of a vector's delivery."""
    return {
        "x-ms-date": vector["xMsDate"],
        "x-ms-content-sha256": vector["expectedContentSha256"],
        "authorization": vector["expectedAuthorization"],
    }


def check(vector: Mapping[str, Any] = VECTOR, **changes: Any) -> str:
    """Verify a vector's delivery, at the time of the documented one, but for the changes."""
    arguments = {
        "headers": headers_of(vector),
        "body": vector["body"].encode(),
        "secrets": [vector["secret"]],
        "url": SignedUrl.of(vector["url"]),
        "now": NOW,
        "max_age": DAY,
        "leeway": DAY,
        **changes,
    }
    return verify(arguments.pop("headers"), arguments.pop("body"), **arguments)


def altered(text: str, position: int) -> str:
    """*text* with the character at *position* changed to another of its kind."""
    other = "B" if text[position] == "A" else "A"
    if text[position].isdigit():
        other = "1" if text[position] == "0" else "0"
    return text[:position] + other + text[position + 1 :]


def positions(text: str) -> pytest.MarkDecorator:
    """Parametrize over every character position of *text*."""
    return pytest.mark.parametrize("position", range(len(text)))


def test_the_documented_vector_is_authentic() -> None:
    """The vector of the official documentation verifies."""
    check()


def test_the_documented_vector_is_what_is_signed() -> None:
    """Signing the documented delivery gives the documented headers."""
    url = SignedUrl.of(VECTOR["url"])
    assert (url.host, url.path_and_query) == (VECTOR["host"], VECTOR["pathAndQuery"])
    assert sign(VECTOR["secret"], url, VECTOR["body"].encode(), date=NOW) == {
        "x-ms-date": VECTOR["xMsDate"],
        "x-ms-content-sha256": VECTOR["expectedContentSha256"],
        "Host": VECTOR["host"],
        "Authorization": VECTOR["expectedAuthorization"],
        "X-Vipps-Authorization": VECTOR["expectedAuthorization"],
    }


@pytest.mark.parametrize("vector", OWN, ids=lambda vector: vector["title"])
def test_own_vectors_are_authentic_and_what_is_signed(vector: dict[str, Any]) -> None:
    """Queries, ports, white space, non-ASCII bodies and long secrets sign and verify as computed elsewhere."""
    date = datetime(2026, 1, 19, 16, 26, 33, tzinfo=UTC)
    url = SignedUrl.of(vector["url"])
    assert (url.host, url.path_and_query) == (vector["host"], vector["pathAndQuery"])
    assert sign(vector["secret"], url, vector["body"].encode(), date=date) == {
        "x-ms-date": vector["xMsDate"],
        "x-ms-content-sha256": vector["expectedContentSha256"],
        "Host": vector["host"],
        "Authorization": vector["expectedAuthorization"],
        "X-Vipps-Authorization": vector["expectedAuthorization"],
    }
    check(vector, now=date)


def test_the_secret_is_used_as_text() -> None:
    """The signature that the Base64-decoded secret would give is refused."""
    wrong = PREFIX + VECTOR["signatureIfSecretWereBase64Decoded"]
    with pytest.raises(NotAuthentic):
        check(headers={**headers_of(VECTOR), "authorization": wrong})


@positions(VECTOR["expectedAuthorization"])
def test_one_other_character_in_the_authorization_is_refused(position: int) -> None:
    """Scheme, list of signed headers and signature hold to every single character."""
    authorization = altered(VECTOR["expectedAuthorization"], position)
    with pytest.raises(NotAuthentic, match="no secret gives this signature"):
        check(headers={**headers_of(VECTOR), "authorization": authorization})


@positions(VECTOR["expectedContentSha256"])
def test_one_other_character_in_the_hash_is_refused(position: int) -> None:
    """The content hash holds to every single character."""
    with pytest.raises(NotAuthentic, match="x-ms-content-sha256 differs"):
        check(headers={**headers_of(VECTOR), "x-ms-content-sha256": altered(VECTOR["expectedContentSha256"], position)})


@positions(VECTOR["xMsDate"])
def test_one_other_character_in_the_date_is_refused(position: int) -> None:
    """The date is signed, so that each of its characters holds, whatever the window."""
    with pytest.raises(NotAuthentic, match="no secret gives this signature"):
        check(headers={**headers_of(VECTOR), "x-ms-date": altered(VECTOR["xMsDate"], position)}, max_age=DAY * 99_999)


@positions(VECTOR["body"])
def test_one_other_character_in_the_body_is_refused(position: int) -> None:
    """Every byte of the body is signed."""
    with pytest.raises(NotAuthentic, match="the body is not the one that was signed"):
        check(body=altered(VECTOR["body"], position).encode())


@positions(VECTOR["secret"])
def test_one_other_character_in_the_secret_is_refused(position: int) -> None:
    """Every character of the secret counts."""
    with pytest.raises(NotAuthentic, match="no secret gives this signature"):
        check(secrets=[altered(VECTOR["secret"], position)])


@pytest.mark.parametrize(
    "url",
    [
        VECTOR["url"] + "?",
        VECTOR["url"] + "?a=1",
        VECTOR["url"] + "/",
        VECTOR["url"].upper(),
        VECTOR["url"].replace("webhook.site", "webhook.site:8443"),
        *(f"https://{altered(VECTOR['host'], position)}{VECTOR['pathAndQuery']}" for position in range(len("webhook"))),
        *(f"https://{VECTOR['host']}{altered(VECTOR['pathAndQuery'], position)}" for position in range(1, 37)),
    ],
)
def test_another_registered_url_is_refused(url: str) -> None:
    """The host and the path with its query hold to every character; only an empty query is none."""
    if url.endswith("?"):
        assert check(url=SignedUrl.of(url)) == ""
        return
    with pytest.raises(NotAuthentic, match="no secret gives this signature"):
        check(url=SignedUrl.of(url))


@pytest.mark.parametrize("name", ["x-ms-date", "x-ms-content-sha256"])
def test_a_missing_header_is_named(name: str) -> None:
    """Both headers are required."""
    headers = headers_of(VECTOR)
    del headers[name]
    with pytest.raises(NotAuthentic, match=f"the delivery has no {name} header"):
        check(headers=headers)


@pytest.mark.parametrize("name", ["authorization", "x-ms-date", "x-ms-content-sha256"])
@pytest.mark.parametrize("value", ["", " ", "ø", "\udcff", "a\udc80b", "\ud800b", "\0", "x" * 10_000])
def test_a_strange_header_is_refused_like_any_other(name: str, value: str) -> None:
    """Empty, long and non-ASCII values, and bytes that are no UTF-8, are refused without another exception."""
    with pytest.raises(NotAuthentic):
        check(headers={**headers_of(VECTOR), name: value})


def test_any_of_several_secrets_will_do() -> None:
    """While one registration replaces another, either secret verifies, in any order; none verifies nothing."""
    check(secrets=["old", VECTOR["secret"]])
    check(secrets=[VECTOR["secret"], "new"])
    check(secrets=iter(["old", VECTOR["secret"], "new"]))
    for secrets in ([], ["old", "new"]):
        with pytest.raises(NotAuthentic):
            check(secrets=secrets)


def test_a_refusal_tells_no_secret() -> None:
    """The message names host and path, and neither the secret nor the expected signature."""
    with pytest.raises(NotAuthentic) as refusal:
        check(
            body=b"{}",
            headers={**headers_of(VECTOR), "x-ms-content-sha256": "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="},
        )
    message = str(refusal.value)
    assert VECTOR["host"] in message
    assert VECTOR["secret"] not in message
    assert sign(VECTOR["secret"], SignedUrl.of(VECTOR["url"]), b"{}", date=NOW)["Authorization"] not in message
    assert PREFIX not in message


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (NOW, None),
        (NOW + DAY, None),
        (NOW + DAY + timedelta(microseconds=1), "more than 1 day, 0:00:00 ago"),
        (NOW - timedelta(minutes=5), None),
        (NOW - timedelta(minutes=5, microseconds=1), "in the future"),
        ((NOW + DAY).astimezone(timezone(timedelta(hours=-9))), None),
    ],
)
def test_the_date_has_to_lie_in_the_window(now: datetime, message: str | None) -> None:
    """A delivery is taken up to the maximum age and the leeway, both included, and refused beyond."""
    if message is None:
        check(now=now, max_age=DAY, leeway=timedelta(minutes=5))
        return
    with pytest.raises(NotAuthentic, match=message):
        check(now=now, max_age=DAY, leeway=timedelta(minutes=5))


@pytest.mark.parametrize("date", ["yesterday", "2023-03-30T08:38:32Z", "Thu, 99 Mar 2023 08:38:32 GMT", "1680165512"])
def test_a_signed_date_that_is_none_is_refused(date: str) -> None:
    """A correctly signed date that is no HTTP date is refused as such."""
    from vipps_async.webhooks import signature  # noqa: PLC0415 - one test reaches into it

    url, body = SignedUrl.of(VECTOR["url"]), VECTOR["body"].encode()
    authorization = signature._authorization("secret", url, date, VECTOR["expectedContentSha256"])
    with pytest.raises(NotAuthentic, match="x-ms-date is not an HTTP date"):
        check(
            headers={**headers_of(VECTOR), "x-ms-date": date, "authorization": authorization},
            body=body,
            secrets=["secret"],
        )


@pytest.mark.parametrize(
    ("url", "host", "path_and_query"),
    [
        ("https://shop.example", "shop.example", "/"),
        ("https://Shop.Example/Vipps/Events", "shop.example", "/Vipps/Events"),
        ("https://shop.example:443/a", "shop.example", "/a"),
        ("http://127.0.0.1:80/a", "127.0.0.1", "/a"),
        ("https://shop.example:80/a", "shop.example:80", "/a"),
        ("http://127.0.0.1:443/a", "127.0.0.1:443", "/a"),
        ("https://shop.example:8080/a?b=1&c=%2F", "shop.example:8080", "/a?b=1&c=%2F"),
        ("https://shop.example?b=1#part", "shop.example", "/?b=1"),
        ("https://shop.example/a%20b", "shop.example", "/a%20b"),
        ("https://Blåbær.Example./a", "xn--blbr-roah.example", "/a"),
        ("https://blåbær.example:8080/øl?b=å", "xn--blbr-roah.example:8080", "/%C3%B8l?b=%C3%A5"),
        ("http://[::1]:8080/a", "[::1]:8080", "/a"),
    ],
)
def test_a_url_is_signed_in_its_one_form(url: str, host: str, path_and_query: str) -> None:
    """The host as it goes over the wire, a port only where it is not the scheme's, path and query as they are."""
    assert SignedUrl.of(url) == SignedUrl(host=host, path_and_query=path_and_query)


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    body=st.binary(max_size=80),
    date=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy adds the zone
)
def test_what_is_signed_verifies(secret: str, body: bytes, date: datetime) -> None:
    """Any body, signed with any secret at any time, verifies with that secret at that time, and with no other."""
    url = SignedUrl.of("https://shop.example/vipps")
    headers = {name.lower(): value for name, value in sign(secret, url, body, date=date).items()}
    window = {"now": date, "max_age": timedelta(seconds=1), "leeway": timedelta(0), "url": url}
    verify(headers, body, secrets=[secret], **window)  # type: ignore[arg-type]  # a dictionary of mixed values
    with pytest.raises(NotAuthentic):
        verify(headers, body, secrets=[secret + "x"], **window)  # type: ignore[arg-type]  # likewise
    with pytest.raises(NotAuthentic):
        verify(headers, body + b" ", secrets=[secret], **window)  # type: ignore[arg-type]  # likewise
