"""Sign and verify the bytes of a webhook delivery. Performs no I/O.

Source of every rule here: Webhooks API, request authentication.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlsplit

import attrs

from vipps_async._times import from_http_date
from vipps_async.errors import NotAuthentic

_SCHEME = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


@attrs.frozen
class SignedUrl:
    """The two parts of a registered URL that every delivery to it is signed with.

    They come from the registered URL alone: a proxy may rewrite the host and path of the request that arrives.
    """

    host: str
    path_and_query: str

    @classmethod
    def of(cls, url: str) -> "SignedUrl":
        """Take the parts of *url* as they are written, a port only if it is not the scheme's own."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, "\0"))
        query = f"?{parts.query}" if parts.query else ""
        return cls(host=host, path_and_query=(parts.path or "/") + query)


def sign(secret: str, url: SignedUrl, body: bytes, *, date: datetime) -> dict[str, str]:
    """Return the headers that authenticate *body* when it is posted to *url* at *date*."""
    http_date = format_datetime(date.astimezone(UTC), usegmt=True)
    body_hash = _content_hash(body)
    return {
        "x-ms-date": http_date,
        "x-ms-content-sha256": body_hash,
        "Host": url.host,
        "Authorization": _authorization(secret, url, http_date, body_hash),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Collection[str],
    url: SignedUrl,
    now: datetime,
    max_age: timedelta,
    leeway: timedelta,
    target: str = "",
) -> None:
    """Return if one of *secrets* signed *body* for *url* within *max_age*; raise otherwise.

    Args:
        headers: the delivery's headers, names in lower case.
        body: the raw bytes, before any parsing.
        secrets: the secrets of all registrations of *url*, as text.
        url: the parts of the registered URL.
        now: the present, aware.
        max_age: how old a signed date may be.
        leeway: how far in the future a signed date may lie, for clocks that differ.
        target: path and query as they arrived; helps to name the cause of a mismatch, and proves nothing.

    Raises:
        NotAuthentic: the message names the part that does not hold, and no secret.
    """
    # Compared as bytes: compare_digest refuses text that is not ASCII, and a sender chooses the text.
    given = _require(headers, "authorization").encode("utf-8", "surrogatepass")
    given_hash = _require(headers, "x-ms-content-sha256").encode("utf-8", "surrogatepass")
    http_date = _require(headers, "x-ms-date")
    body_hash = _content_hash(body)
    if not hmac.compare_digest(given_hash, body_hash.encode()):
        raise NotAuthentic("the body is not the one that was signed: x-ms-content-sha256 differs")
    if not _is_signed(url, given, secrets, http_date, body_hash):
        arrived = SignedUrl(host=headers.get("host", url.host), path_and_query=target or url.path_and_query)
        cause = _likely_cause(lambda other: _is_signed(other, given, secrets, http_date, body_hash), url, arrived)
        raise NotAuthentic(f"no secret gives this signature: {cause}")
    _check_date(http_date, now=now, max_age=max_age, leeway=leeway)


def _require(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise NotAuthentic(f"the delivery has no {name} header")
    return value


def _is_signed(url: SignedUrl, given: bytes, secrets: Collection[str], http_date: str, body_hash: str) -> bool:
    is_signed = False
    for secret in secrets:
        # Every secret is tried, so that the time taken does not tell which one came close.
        is_signed |= hmac.compare_digest(given, _authorization(secret, url, http_date, body_hash).encode())
    return is_signed


def _likely_cause(is_signed_for: Callable[[SignedUrl], bool], url: SignedUrl, arrived: SignedUrl) -> str:
    other_host, other_path = (
        attrs.evolve(url, host=arrived.host),
        attrs.evolve(url, path_and_query=arrived.path_and_query),
    )
    if is_signed_for(other_host):
        return f"it is signed for host {arrived.host}, and the receiver's url has {url.host}"
    if is_signed_for(other_path):
        return f"it is signed for path {arrived.path_and_query}, and the receiver's url has {url.path_and_query}"
    if is_signed_for(arrived):
        return f"it is signed for {arrived.host}{arrived.path_and_query}, not for {url.host}{url.path_and_query}"
    return (
        "the secret is not that of this webhook's registration, or the signed date was altered, or the webhook is "
        f"registered for another URL than {url.host}{url.path_and_query}"
    )


def _content_hash(body: bytes) -> str:
    return b64encode(sha256(body).digest()).decode()


def _authorization(secret: str, url: SignedUrl, http_date: str, body_hash: str) -> str:
    signed = f"POST\n{url.path_and_query}\n{http_date};{url.host};{body_hash}"
    # The key is the secret's text as UTF-8, although it looks like Base64.
    digest = hmac.digest(secret.encode(), signed.encode("utf-8", "surrogatepass"), "sha256")
    return _SCHEME + b64encode(digest).decode()


def _check_date(http_date: str, *, now: datetime, max_age: timedelta, leeway: timedelta) -> None:
    try:
        signed_at = from_http_date(http_date)
    except (ValueError, TypeError, OverflowError) as error:
        raise NotAuthentic("x-ms-date is not an HTTP date") from error
    if signed_at < now - max_age:
        raise NotAuthentic(f"the delivery was signed at {signed_at}, more than {max_age} ago")
    if signed_at > now + leeway:
        raise NotAuthentic(f"the delivery was signed at {signed_at}, in the future: check this machine's clock")
