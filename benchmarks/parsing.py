"""What it costs to check a signature and to read a document, against the standard tools on the same bytes."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from benchmarks.documents import PAYMENT
from benchmarks.pairs import Row, Work, compare
from vipps_async import Payment
from vipps_async._http.reply import read_as
from vipps_async._wire import json as _json
from vipps_async.testing.events import EventSource
from vipps_async.webhooks._events import read_event
from vipps_async.webhooks._requests import IncomingRequest
from vipps_async.webhooks.signature import SignedUrl, verify

TIMES = 2_000
ROUNDS = 31
SOURCE = EventSource()
EVENT = SOURCE("AUTHORIZED", reference="acme-shop-123-order123abc", idempotency_key="7c8b81e7-b08b-46e4-9729")


def check_bare(request: IncomingRequest) -> bool:
    """The hash and the signature, and nothing of what makes them worth something."""
    headers = request.headers
    body_hash = b64encode(sha256(request.body).digest()).decode()
    signed = f"POST\n/vipps/events\n{headers['x-ms-date']};shop.example;{body_hash}"
    digest = hmac.digest(SOURCE.secret.encode(), signed.encode(), "sha256")
    return headers["authorization"].endswith(b64encode(digest).decode())


def check(request: IncomingRequest) -> None:
    """The receiver's check: hash, signature, date."""
    now, week = datetime.now(UTC), timedelta(days=7)
    verify(request.headers, request.body, secrets=[SOURCE.secret], url=URL, now=now, max_age=week, leeway=week)


URL = SignedUrl.of(SOURCE.url)


def over_and_over(step: Callable[[Any], Any], given: object) -> Work:
    """The work of doing *step* many times."""

    def run() -> None:
        for _ in range(TIMES):
            step(given)

    return Work(run)


async def compare_parsers() -> list[Row]:
    """Compare each reading with the least that could do."""
    pairs: list[tuple[str, str, float, object, Callable[[Any], Any], Callable[[Any], Any]]] = [
        ("check of a signature", "hashlib, hmac", 2, EVENT.request, check_bare, check),
        ("event", "json.loads", 4, EVENT.body, json.loads, read_event),
        ("event", "orjson.loads", 4, EVENT.body, orjson.loads, read_event),
        ("payment", "json.loads", 4, PAYMENT, json.loads, read_payment),
        ("payment", "orjson.loads", 4, PAYMENT, orjson.loads, read_payment),
    ]
    rows: list[Row] = []
    for work, base, limit, given, bare, step in pairs:
        figures = await compare(over_and_over(bare, given), over_and_over(step, given), rounds=ROUNDS, units=TIMES)
        rows.append({"work": work, "base": base, "CPU at most": limit, **figures})
    return rows


def read_payment(body: bytes) -> Payment:
    """Read a reply as the client does."""
    return read_as(_json.decode(body), Payment)
