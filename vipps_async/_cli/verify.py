"""``verify``: explain why the signature of a captured delivery does not hold, or that it does."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from vipps_async._cli.arguments import SECRET_VARIABLE, URL_VARIABLE, add_webhook_arguments
from vipps_async._cli.process import write
from vipps_async._wire.times import from_http_date
from vipps_async.errors import ConfigurationError, NotAuthentic
from vipps_async.webhooks.signature import CLOCK_LEEWAY, REDELIVERY_WINDOW, SignedUrl, verify

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEADER = re.compile(r"(?:[<>] )?([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_FIRST_LINE = re.compile(r"(?:[<>] )?[A-Z]+ (\S+)(?: HTTP/[0-9.]+)?")
_ANY_AGE = timedelta(days=36_500)  # a captured delivery is old by the time that somebody asks
_OUT_OF_DATE = 3  # the exit status for a signature that holds and a date that does not


@attrs.frozen(kw_only=True)
class Captured:
    """A captured request.

    Attributes:
        target: path and query, empty where they were not captured.
        headers: names in lower case.
        body: the bytes, no more of them than ``Content-Length`` says.
    """

    target: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, text: bytes) -> "Captured":
        """Read *text*; the first line may be missing, and ``> `` may stand before each line as curl shows it.

        Raises:
            ConfigurationError: it is no request; the message names the line.
        """
        end = _HEAD_END.search(text)
        head, body = (text[: end.start()], text[end.end() :]) if end else (text, b"")
        first, *lines = head.decode("latin-1").splitlines() or [""]
        start = _FIRST_LINE.fullmatch(first)
        headers = dict(map(_header, lines if start else [first, *lines]))
        length = headers.get("content-length", "")
        return cls(
            target=start[1] if start else "",
            headers=headers,
            body=body[: int(length)] if length.isascii() and length.isdigit() else body,
        )


def _header(line: str) -> tuple[str, str]:
    header = _HEADER.fullmatch(line)
    if header is None:
        raise ConfigurationError(
            f"{line[:80]!r} is no header: a captured request has its headers, an empty line, and its body"
        )
    return header[1].lower(), header[2]


def add_to(commands: "Commands") -> None:
    """Add the command."""
    verify = commands.add_parser(
        "verify",
        help="explain why a captured delivery fails its signature",
        description="Reads a captured request: POST /path HTTP/1.1, its headers, an empty line, its body. Ends with 0 "
        f"if its signature holds, with {_OUT_OF_DATE} if it does but a receiver refuses its date, else with 1.",
    )
    add_webhook_arguments(verify)
    verify.add_argument("file", nargs="?", type=Path, help="the captured request (default: standard input)")
    verify.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    if not options.url or not options.secret:
        raise ConfigurationError(f"verify needs --url and --secret, or {URL_VARIABLE} and {SECRET_VARIABLE}")
    captured = Captured.of(_read(options.file))
    try:
        damage = _verify(captured, options.secret, options.url)
    except NotAuthentic as refusal:
        write(sys.stdout, f"The signature does not hold: {refusal}\n")
        write(
            sys.stdout, "".join(f"But it would hold {how}\n" for how in _causes(captured, options.secret, options.url))
        )
        return 1
    if damage:
        write(sys.stdout, f"One copy of the signature is enough, but {damage}.\n")
    return _print_age(captured, options.secret, options.url)


def _print_age(captured: Captured, secret: str, url: str) -> int:
    """Print when a delivery was signed whose signature holds, and what a receiver with its usual limits makes of it."""
    now, signed_at = datetime.now(UTC).replace(microsecond=0), from_http_date(captured.headers["x-ms-date"])
    write(sys.stdout, f"The signature holds. It was signed at {signed_at}, and it is {now} now.\n")
    try:
        _verify(captured, secret, url, max_age=REDELIVERY_WINDOW, leeway=CLOCK_LEEWAY)
    except NotAuthentic as refusal:
        beyond = max(now - REDELIVERY_WINDOW - signed_at, signed_at - now - CLOCK_LEEWAY)
        write(sys.stdout, f"But a receiver with the usual limits refuses it, {beyond} beyond them: {refusal}\n")
        return _OUT_OF_DATE
    return 0


def _read(path: Path | None) -> bytes:
    try:
        return sys.stdin.buffer.read() if path is None else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _verify(
    captured: Captured, secret: str, url: str, *, max_age: timedelta = _ANY_AGE, leeway: timedelta = _ANY_AGE
) -> str:
    return verify(
        captured.headers,
        captured.body,
        secrets=[secret],
        url=SignedUrl.of(url),
        now=datetime.now(UTC),
        max_age=max_age,
        leeway=leeway,
        target=captured.target,
    )


def _holds(captured: Captured, secret: str, url: str) -> bool:
    try:
        _verify(captured, secret, url)
    except NotAuthentic:
        return False
    return True


def _causes(captured: Captured, secret: str, url: str) -> Iterator[str]:
    """Yield how the signature would hold: with changes that are easily made to a body, or to a secret."""
    for how, body in _originals(captured.body):
        if _holds(attrs.evolve(captured, body=body), secret, url):
            yield how
    bare = secret.strip("\"' \t\r\n")
    if bare != secret and _holds(captured, bare, url):
        yield "with the secret as it is without the spaces or quotes around it."


def _originals(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "without the line end after the body: an editor or a log added it.", body.rstrip(b"\r\n")
    try:
        document = json.loads(body)
    except ValueError:
        return
    encoded = (json.dumps(document, separators=(",", ":"), ensure_ascii=ascii_only) for ascii_only in (True, False))
    for compact in set(encoded):
        how = "for compact JSON: the body was decoded and encoded again; verify the bytes that arrived."
        yield how, compact.encode("utf-8", "replace")
