"""Status, headers and bytes -> decoded JSON, or an error of the tree. Performs no I/O."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from vipps_async._http.call import Call
from vipps_async._http.hints import hint_for
from vipps_async._wire.converter import Malformed, structure
from vipps_async._wire.json import NotJson
from vipps_async._wire.json import decode as decode_json
from vipps_async._wire.times import from_http_date
from vipps_async.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    InvalidReply,
    Locked,
    NotFound,
    Problem,
    RateLimited,
    ServerError,
    Unauthorized,
    printable,
    shorten,
)

T = TypeVar("T")

_ERRORS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    422: BadRequest,
    429: RateLimited,
}
# What only the API itself can know.
_ERRORS_OF_THE_API: Mapping[int, type[ApiError]] = {**_ERRORS, 404: NotFound, 409: Conflict, 423: Locked}
_VERSION = re.compile(r"/v[0-9]+/")
_EXCERPT, _TEXT, _NAME = 200, 500, 100  # characters of an error's parts that are shown
_FIELDS = 20
# The members in which the APIs, the gateway, the identity provider and older APIs explain.
_DETAILS = ("detail", "error_description", "error_debug", "message", "errorMessage")
_LONGEST_WAIT = 3600.0  # seconds that Retry-After is believed: what asks for years would stop a client for good


def decode(call: Call, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Any:
    """Return the JSON of a 2xx reply to *call*, ``None`` for one that has no body and needs none.

    Args:
        call: what was asked; a 202 never has a body, whatever it expects.
        status: the HTTP status.
        headers: the reply's headers.
        body: its bytes.
        now: the present, aware.

    Raises:
        InvalidReply: a 2xx reply that is not JSON, or lacks its body.
        ApiError: any other status, as its subclass.
    """
    if 200 <= status < 300:
        if call.only_status not in {None, status}:
            raise InvalidReply(f"HTTP {status} instead of {call.only_status}, which alone tells that it took effect")
        if not body and (status == 202 or not call.expects_body):
            return None
        return _json_of(status, headers, body) if call.expects_body else None
    problem = read_problem(body, status=status, path=call.path, has_trace=call.rules.traces_problems)
    errors = _ERRORS_OF_THE_API if problem.source == "api" else _ERRORS
    raise errors.get(status, ServerError if status >= 500 else ApiError)(
        status,
        problem,
        hint=hint_for(status, problem, call),
        retry_after=read_retry_after(headers.get("Retry-After"), now=now),
    )


def _json_of(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    try:
        document = decode_json(body)
    except NotJson as error:
        kind = printable(headers.get("Content-Type", "an unnamed content type"), _NAME)
        raise InvalidReply(
            f"HTTP {status} with {kind} instead of JSON: {printable(_excerpt(body), _EXCERPT)}"
        ) from error
    if document is None:
        raise InvalidReply(f"HTTP {status} with null instead of a document")
    return document


def read_as(document: Any, cls: type[T], *, raw: Any = None) -> T:
    """Read a decoded reply as *cls*; *raw* is how it came, if members were added to it.

    Raises:
        InvalidReply: it does not have the documented types.
    """
    try:
        return structure(document, cls, raw=raw)
    except Malformed as error:
        raise InvalidReply(f"the reply does not have the documented types: {error}") from error


def ignore(_: Any) -> None:
    """Read nothing of a reply that has no documented body."""


def read_problem(body: bytes, *, status: int, path: str, has_trace: bool = True) -> Problem:
    """Read an error body in any of the shapes that the APIs, the gateway and the identity provider use.

    All but ``raw`` is shortened and made printable: it goes into messages and logs.

    Args:
        body: the reply's.
        status: the HTTP status.
        path: of the request that it answers.
        has_trace: whether the API's own problems have one.
    """
    try:
        document = decode_json(body)
    except NotJson:
        text = _excerpt(body) if body else None
        return Problem(detail=text and printable(text, _EXCERPT), raw=text)
    if not isinstance(document, dict):
        return Problem(raw=document)
    details = _details(document)
    return Problem(
        type=_first_text(document, "type", limit=_EXCERPT),
        title=_first_text(document, "title", "error", limit=_TEXT),
        detail=_first_text(document, *_DETAILS, limit=_TEXT) or _gateway_text(document),
        code=next((reason for name, reason in details if name == "ErrorCode"), None) or _identifier(document),
        trace_id=_first_text(document, "traceId", "contextId", "trace_id", limit=_NAME),
        instance=_first_text(document, "instance", limit=_EXCERPT),
        fields=_fields((name, reason) for name, reason in details if name != "ErrorCode"),
        source=_source_of(document, status, path, has_trace=has_trace),
        raw=document,
    )


def _source_of(document: dict[str, Any], status: int, path: str, *, has_trace: bool) -> str | None:
    """Return who can have written a problem document: RFC 9457, and Vipps MobilePay, errors.

    The API's own has a title and a trace, tells the status that it came with, and names the path that was asked; where
    its problems have no trace, one has to say all the rest. The gateway's tells the status too. An identity provider's
    has an ``error``, as many a firewall's has.
    """
    proofs = ("traceId", "contextId") if has_trace else ("instance",)
    if _first_text(document, "title", limit=_TEXT) and _first_text(document, *proofs, limit=_NAME):
        return "api" if _is_for(document, status, path) else None
    information = _information(document)
    told = information.get("responseCode") or information.get("ResponseCode") or document.get("statusCode")
    if str(told) == str(status):
        return "gateway"
    return "identity" if "error" in document else None


def _is_for(document: dict[str, Any], status: int, path: str) -> bool:
    if str(document.get("status", status)) != str(status):
        return False
    # Without the API's own name, which the path that it tells lacks, or has another of: "/v1/payments/…/capture".
    asked = _VERSION.split(path, maxsplit=1)[-1].rstrip("/")
    instance = document.get("instance")
    return not isinstance(instance, str) or not instance or instance.partition("?")[0].rstrip("/").endswith(asked)


def _details(document: dict[str, Any]) -> list[tuple[str, str]]:
    # Older APIs of the platform call extraDetails invalidParams.
    entries = document.get("extraDetails") or document.get("invalidParams")
    return [
        (_shown(name, _NAME), _shown(reason, _EXCERPT))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        for name, reason in _named(entry)
    ]


def _named(entry: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the field that a detail names, and the reason, in any of the forms that there have been."""
    for name, reason in (("name", "reason"), ("field", "text")):
        if name in entry:
            yield entry[name], entry.get(reason)
            return
    if len(entry) == 1:
        yield from ((name, reason) for name, reason in entry.items() if isinstance(reason, str))


def _identifier(document: dict[str, Any]) -> str | None:
    """Return what stands after the ``#`` of the problem's type, where an API has its codes: its bases change."""
    kind = _first_text(document, "type", limit=_EXCERPT) or ""
    return kind.partition("#")[2] or None


def _fields(details: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, reason in islice(details, _FIELDS):
        fields[name] = f"{fields[name]}; {reason}" if name in fields else reason
    return fields


def _shown(value: Any, limit: int) -> str:
    return printable(value, limit) if isinstance(value, str) else shorten(value, limit)


def _first_text(document: dict[str, Any], *names: str, limit: int) -> str | None:
    return next((printable(document[name], limit) for name in names if isinstance(document.get(name), str)), None)


def _gateway_text(document: dict[str, Any]) -> str | None:
    result = document.get("result")
    told = _first_text(result, "message", limit=_TEXT) if isinstance(result, dict) else None
    return told or _first_text(_information(document), "responseMessage", "ResponseMessage", limit=_TEXT)


def _information(document: dict[str, Any]) -> dict[str, Any]:
    information = document.get("responseInfo") or document.get("ResponseInfo")
    return information if isinstance(information, dict) else {}


def _excerpt(body: bytes) -> str:
    # JSON that is cut short may hold a token, a webhook's secret or a person's details.
    if not body:
        return "nothing"
    is_json_like = body.lstrip()[:1] in {b"{", b"["}
    return "malformed JSON" if is_json_like else body[:_EXCERPT].decode("utf-8", "replace")


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, an hour at most: a number or an HTTP date; ``None`` if it is neither."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip()[:1].isdigit() else (from_http_date(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT)
