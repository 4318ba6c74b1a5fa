"""Read a request that was captured as text: its first line, its headers, an empty line, its body. Performs no I/O."""

import re

import attrs

from vipps_async.errors import ConfigurationError

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEADER = re.compile(r"(?:[<>] )?([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_FIRST_LINE = re.compile(r"(?:[<>] )?[A-Z]+ (\S+)(?: HTTP/[0-9.]+)?")


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
