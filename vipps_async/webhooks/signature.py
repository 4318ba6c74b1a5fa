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

from vipps_async._wire.times import from_http_date
from vipps_async._wire.urls import normal_url
from vipps_async.errors import NotAuthentic

REDELIVERY_WINDOW = timedelta(days=7)  # Webhooks API: deliveries are retried for up to 7 days
CLOCK_LEEWAY = timedelta(minutes=5)  # how far a sender's clock may be ahead

_ALGORITHM = b"HMAC-SHA256 "
_SCHEME = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
# Deliveries carry their signature twice, since proxies drop the first or put their own credentials there.
_SIGNATURE, _SECOND_SIGNATURE = "authorization", "x-vipps-authorization"


@attrs.frozen
class SignedUrl:
    """The two parts of a registered URL that every delivery to it is signed with.

    They come from the registered URL alone: a proxy may rewrite the host and path of the request that arrives.
    """

    host: str
    path_and_query: str

    @classmethod
    def of(cls, url: str) -> "SignedUrl":
        """Take the parts of *url* in its one form, which is what goes over the wire."""
        parts = urlsplit(normal_url(url))
        query = f"?{parts.query}" if parts.query else ""
        return cls(host=parts.netloc, path_and_query=(parts.path or "/") + query)


def sign(secret: str, url: SignedUrl, body: bytes, *, date: datetime) -> dict[str, str]:
    """Return the headers that authenticate *body* when it is posted to *url* at *date*."""
    http_date = format_datetime(date.astimezone(UTC), usegmt=True)
    body_hash = _content_hash(body)
    authorization = _authorization(secret, url, http_date, body_hash)
    return {
        "x-ms-date": http_date,
        "x-ms-content-sha256": body_hash,
        "Host": url.host,
        "Authorization": authorization,
        "X-Vipps-Authorization": authorization,
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
) -> str:
    """Return if one of *secrets* signed *body* for *url* within *max_age*; raise otherwise.

    Either copy of the signature will do, in ``Authorization`` or in ``X-Vipps-Authorization``.

    Args:
        headers: the delivery's headers, names in lower case.
        body: the raw bytes, before any parsing.
        secrets: the secrets of all registrations of *url*, as text.
        url: the parts of the registered URL.
        now: the present, aware.
        max_age: how old a signed date may be.
        leeway: how far in the future a signed date may lie, for clocks that differ.
        target: path and query as they arrived; helps to name the cause of a mismatch, and proves nothing.

    Returns:
        What became of one copy of the signature on the way, in words; empty where nothing did.

    Raises:
        NotAuthentic: the message names the part that does not hold, and no secret.
    """
    copies = _copies(headers)
    given_hash = _require(headers, "x-ms-content-sha256").encode("utf-8", "surrogatepass")
    http_date = _require(headers, "x-ms-date")
    body_hash = _content_hash(body)
    if not hmac.compare_digest(given_hash, body_hash.encode()):
        raise NotAuthentic(f"the body is not the one that was signed: {_cause_of_other_body(headers, body)}")
    genuine = _genuine(copies, url, secrets, http_date, body_hash)
    if not genuine:
        if not any(given.startswith(_ALGORITHM) for given in copies.values()):
            raise NotAuthentic(
                f"no secret gives this signature: {' and '.join(copies)} of another scheme than HMAC-SHA256, as where "
                "a proxy asks for a password: have it pass X-Vipps-Authorization on"
            )
        arrived = SignedUrl(host=headers.get("host", url.host), path_and_query=target or url.path_and_query)
        cause = _likely_cause(lambda other: bool(_genuine(copies, other, secrets, http_date, body_hash)), url, arrived)
        raise NotAuthentic(f"no secret gives this signature: {cause}")
    _check_date(http_date, now=now, max_age=max_age, leeway=leeway)
    return _damage(copies, genuine)


def _copies(headers: Mapping[str, str]) -> dict[str, bytes]:
    """Return what the two headers hold, of which there is at least one."""
    given = {name: headers[name] for name in (_SIGNATURE, _SECOND_SIGNATURE) if name in headers}
    if not given:
        raise NotAuthentic(
            "the delivery has neither an Authorization nor an X-Vipps-Authorization header: nobody signed it, or a "
            "proxy dropped both"
        )
    # As bytes: compare_digest refuses text that is not ASCII, and a sender chooses the text.
    return {name: value.encode("utf-8", "surrogatepass") for name, value in given.items()}


def _require(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise NotAuthentic(f"the delivery has no {name} header")
    return value


def _genuine(
    copies: Mapping[str, bytes], url: SignedUrl, secrets: Collection[str], http_date: str, body_hash: str
) -> set[str]:
    """Return the headers whose copy of the signature one of *secrets* gives."""
    genuine = set()
    for secret in secrets:
        # Every secret and every copy is tried, so that the time taken does not tell which one came close.
        expected = _authorization(secret, url, http_date, body_hash).encode()
        genuine |= {name for name, given in copies.items() if hmac.compare_digest(given, expected)}
    return genuine


def _damage(copies: Mapping[str, bytes], genuine: Collection[str]) -> str:
    if _SIGNATURE not in genuine:
        what = "replaced" if _SIGNATURE in copies else "dropped"
        return (
            f"a proxy {what} Authorization on the way, and only X-Vipps-Authorization has the signature: have the "
            "proxy pass both on"
        )
    if _SECOND_SIGNATURE in copies and _SECOND_SIGNATURE not in genuine:
        return "a proxy replaced X-Vipps-Authorization on the way: have it pass that header on as it is"
    return ""


def _cause_of_other_body(headers: Mapping[str, str], body: bytes) -> str:
    sent, differs = headers.get("content-length", ""), "x-ms-content-sha256 differs"
    if not (sent.isascii() and sent.isdigit()) or sent == str(len(body)):
        return differs
    return (
        f"{differs}, and {len(body)} bytes are here of the {sent[:20]} that were sent: something in front of the "
        "receiver, such as a middleware, read or changed them"
    )


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
