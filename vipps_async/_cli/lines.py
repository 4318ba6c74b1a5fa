"""Tell what happens, a line each: for people, or as JSON for programs. No key, token, secret or signature is told."""

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from vipps_async._cli.process import write
from vipps_async.errors import escaped
from vipps_async.sandbox import Delivery, RecordedRequest

STYLES = ("text", "json")

_REQUEST = ("operation", "method", "path", "idempotencyKey", "status", "tookEffect", "fault")
_DELIVERY = ("event", "reference", "pspReference", "url", "id", "attempt", "copy", "fault", "status", "error")


class Lines:
    """Writes facts.

    Args:
        style: ``"text"`` or ``"json"``.
        out: where to.
    """

    def __init__(self, style: str, out: TextIO) -> None:
        self._style = style
        self._out = out

    def line(self, kind: str, **facts: Any) -> None:
        """Write one line of what is known; ``None`` is not."""
        time = datetime.now(UTC)
        known = {name: fact for name, fact in facts.items() if fact is not None}
        if self._style == "json":
            self._write(json.dumps({"time": time.isoformat(timespec="milliseconds"), "kind": kind, **known}))
        else:
            told = (f"{name}={escaped(str(fact))}" for name, fact in known.items())
            self._write(" ".join([f"{time:%H:%M:%S}", kind, *told]))

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk, say: what is told of must go on
            write(self._out, f"{line}\n")


class SandboxLog(logging.Handler):
    """Tells the requests and deliveries that a sandbox notes down, and what else it logs."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one."""
        noted = getattr(record, "record", None)
        if isinstance(noted, RecordedRequest):
            self._lines.line("request", **_of_request(noted))
        elif isinstance(noted, Delivery):
            self._lines.line("delivery", **_of_delivery(noted))
        elif record.levelno >= logging.INFO:
            error = record.exc_info[1] if record.exc_info else None
            told = error and " ".join(f"{type(error).__name__}: {error}".split())
            self._lines.line("message", level=record.levelname, message=record.getMessage(), error=told)


def _of_request(request: RecordedRequest) -> dict[str, Any]:
    told = request.to_dict()
    return {**{name: told[name] for name in _REQUEST}, "notes": "; ".join(request.notes) or None}


def _of_delivery(delivery: Delivery) -> dict[str, Any]:
    told = delivery.to_dict()
    facts = {name: told[name] for name in _DELIVERY}
    url = delivery.url.partition("?")[0]  # a query may hold a key
    return {**facts, "url": url, "seconds": round(delivery.duration.total_seconds(), 3)}
