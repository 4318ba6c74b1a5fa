"""Mutated deliveries: none fails the receiver, none is slow, and none is believed that the secret did not sign.

``VIPPS_FUZZ=100000`` sets the number, ``VIPPS_FUZZ_SEED`` another seed. A delivery depends on seed and number alone.
"""

import asyncio
import gzip
import json
import logging
import os
import time
from base64 import b64encode
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from hmac import digest
from itertools import count
from random import Random
from typing import Any

import attrs
import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.support import vectors as wire
from tests.support.webhooks.deliveries import SECRET, URL, at_now, signed
from tests.support.webhooks.serving import Server, connected, serving
from vipps_async._wire import json as _json
from vipps_async.webhooks import IncomingRequest, Reply, WebhookEvent, WebhookReceiver, aiohttp_app
from vipps_async.webhooks.stores.memory import MemoryStore

COUNT = int(os.environ.get("VIPPS_FUZZ", "3000"))
SEED = os.environ.get("VIPPS_FUZZ_SEED", "vipps")
HOST, PATH, TODAY = "shop.example", "/vipps/events?shop=1", signed(b"")["x-ms-date"]
EVENTS = (*wire.names("current-webhook-epayment-*"), *wire.names("draft-notification-*"))
without_orjson = _json._guarded(_json._loads)

DEPTHS = (3, 300, 900, 980, 1023, 1100, 5000, 50_000)
VALUES = [
    *rb"""null true [] {} 0 -1 -0 1.0 1e3 1e400 NaN -Infinity 9223372036854775808 1e-400 00 0x1 '' "1000" """.split(),
    *(left * depth + b"1" + right * depth for left, right in ((b"[", b"]"), (b'{"":', b"}")) for depth in DEPTHS),
    *(b"9" * size for size in (19, 400, 4300, 4301, 100_000)),
    b"[" + b"{}," * 60_000 + b"{}]",
    *rb'"\ud800" "\u0000" "\udc00\ud800" "0001-01-01T00:00:00+14:00" "9999-12-31T23:59:59-14:00" "2026-W01-1"'.split(),
    *rb'{"value":1,"value":2,"currency":"NOK"} {"value":1e2,"currency":"NOK"} {"value":1,"currency":"\u0000"}'.split(),
    *(b'"\xff"', b'"a\nb"', b'"\x1b[0m\x85"', b'"' + b"x" * 200_000 + b'"'),
]
TIME = "20 Jan 2026 08:00:13"
DATES = [
    *("", " ", "0", "now", "1768896013", "2026-01-20T08:00:13Z", "20 Jan 2026", "Tue Jan 20 08:00:13 2026", "Tue,"),
    *("Tuesday, 20-Jan-26 08:00:13 GMT", "Tue, 20 Jan 2026 99:99:99 GMT", "Tue, 20 Jan 0000 08:00:13 GMT"),
    *(f"Tue, {TIME}{end}" for end in ("", " EST", " -0000", " +9999", " GMT\0", " GMT\nX: y", " \x1b[0m", " GMT (c)")),
    *("Sat, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "Tue, 20 Jan 99999 08:00:13 GMT"),
    *("Mon, 12 Jan 2026 08:00:13 GMT", "Tue, 20 Jan 2026 08:05:14 GMT", f"Tue, (a(b) {TIME}", f"Tue, ²{TIME} GMT"),
    *("(" * 30_000, "20 " * 30_000, "9" * 5000),
]
TEXTS = ["\0", "\xff\xfe", "\udcff", "½", "=", "a" * 100_000, "Basic Og==", "\r\nX: y", "identity", ""]
ENCODINGS = ["gzip", "GZIP", "br", "deflate, gzip", "identity, gzip", " identity", "\0", "x" * 9000, "Identity"]
LENGTHS = ["0", "-1", "+1", "1e9", "9" * 30, "9" * 5000, "²", "0x10", "262145", "1, 1"]
TYPES = ["text/html", "application/json; charset=utf-16", "multipart/form-data", "\0"]


@attrs.define
class Delivery:
    """A delivery on its way through the mutations: first what is signed, and then what is sent."""

    body: bytes
    date: str = TODAY
    signing: list[str] = attrs.field(factory=lambda: ["POST", PATH, HOST, SECRET])
    method: str = "POST"
    headers: list[tuple[str, str]] = attrs.field(factory=list)
    story: list[str] = attrs.field(factory=list)
    genuine: tuple[str, str, bytes] | None = None

    def sign(self) -> None:
        """Sign as the Webhooks API documents it, independently of the package."""
        method, path, host, secret = self.signing
        body_hash = b64encode(sha256(self.body).digest()).decode()
        message = f"{method}\n{path}\n{self.date};{host};{body_hash}"
        signature = b64encode(digest(secret.encode(), message.encode("utf-8", "surrogatepass"), "sha256")).decode()
        scheme = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
        self.headers = [
            *(("x-ms-date", self.date), ("x-ms-content-sha256", body_hash), ("Host", host)),
            *(("Authorization", scheme + signature), ("Content-Type", "application/json")),
        ]
        if self.signing == ["POST", PATH, HOST, SECRET]:
            self.genuine = (self.date, scheme + signature, self.body)


def change_a_field(rng: Random, it: Delivery) -> None:
    """Give a field, or one within a field, a value that it cannot have, leave it out, or say it twice."""
    fields: Any = json.loads(it.body)
    inner = [value for value in fields.values() if isinstance(value, dict) and value]
    owner = rng.choice([fields, fields, *inner])
    name = rng.choice([*owner, "extra"])
    once = b',"%b":%b' % (name.encode(), rng.choice(VALUES))
    owner.pop(name, None)
    owner["@"] = 0
    it.body = json.dumps(fields, separators=(",", ":")).encode().replace(b',"@":0', once * rng.choice([0, 1, 1, 1, 2]))


def spoil_the_body(rng: Random, it: Delivery) -> None:
    """Encode, cut, pad, compress or replace the body, or flip a bit in it."""
    text = it.body.decode("utf-8", "replace")
    cut = rng.randrange(len(it.body) + 1)
    flipped = bytearray(it.body or b"{}")
    flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    it.body = rng.choice([
        *(text.encode(name) for name in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")),
        *(it.body[:cut], it.body[cut:], it.body[:cut] + b"\0" + it.body[cut:], b"\0" + it.body, it.body + b"\0"),
        *(it.body + it.body, it.body + b" " * 300_000, b" " * 250_000 + it.body, gzip.compress(it.body)),
        *(bytes(flipped), bytes(flipped), bytes(flipped), rng.randbytes(60), b"", rng.choice(VALUES)),
    ])  # fmt: skip


def sign_on_another_date(rng: Random, it: Delivery) -> None:
    """Sign a date that is no date, in another format, or out of the window."""
    it.date = rng.choice(DATES)


def sign_for_another(rng: Random, it: Delivery) -> None:
    """Sign for another host or path, with another method or secret."""
    part = rng.randrange(4)
    was = it.signing[part]
    it.signing[part] = rng.choice([was[:-1], was + "x", was.swapcase(), "", "evil.example", f" {was}", f"{was}:443"])


def spoil_a_header(rng: Random, it: Delivery) -> None:
    """Cut, pad, replace or bend a header's value."""
    at = rng.randrange(len(it.headers))
    name, value = it.headers[at]
    cut = rng.randrange(len(value) + 1)
    it.headers[at] = name, rng.choice([
        *(value[:cut], value[:-1], value[cut:], value.rstrip("="), value.lower(), value.upper(), value + "="),
        *(f" {value}", f"{value} ", f"{value}\t", value + value, value.replace(";", ","), rng.choice(TEXTS)),
        *(value[:cut] + rng.choice(TEXTS) + value[cut:], value[:cut] + chr(rng.randrange(256)) + value[cut + 1 :]),
    ])  # fmt: skip


def deal_the_headers(rng: Random, it: Delivery) -> None:
    """Drop, repeat, reorder or rename headers, exchange their values, or send hundreds."""
    (name, value), (other, another) = rng.choice(it.headers), rng.choice(it.headers)
    others = [header for header in it.headers if header[0] not in {name, other}]
    renamed = rng.choice([name.upper(), name.title(), f"{name} ", name.replace("-", "_"), ""])
    it.headers = rng.choice([
        [*others, (other, another)], [*others, (name, another), (other, value)], [*others, (renamed, value)],
        rng.sample(it.headers, len(it.headers)), [*it.headers, *((f"x-{number}", "1") for number in range(500))],
        [(name, rng.choice([another, *TEXTS])), *it.headers], [*it.headers, (name, rng.choice([another, *TEXTS]))],
    ])  # fmt: skip


def add_a_header(rng: Random, it: Delivery) -> None:
    """Say how to read the body, or something that a proxy would say, or use another method."""
    it.headers.append(rng.choice([
        *(("Content-Length", rng.choice([*LENGTHS, str(len(it.body))])), ("Content-Encoding", rng.choice(ENCODINGS))),
        *(("Content-Type", rng.choice(TYPES)), ("Transfer-Encoding", "gzip, chunked")),
        *(("Expect", "100-continue"), ("Expect", "\udcff"), ("X-Forwarded-Host", "evil.example")),
    ]))  # fmt: skip
    if rng.random() < 0.2:
        it.method = rng.choice(["GET", "PUT", "post", "POST ", "", "PROPFIND"])


BEFORE = [change_a_field] * 4 + [spoil_the_body, sign_on_another_date, sign_for_another]
AFTER = [spoil_a_header] * 2 + [deal_the_headers, add_a_header, spoil_the_body]


def mutated(number: int) -> Delivery:
    """Return the delivery of this number."""
    rng = Random(f"{SEED}:{number}")  # noqa: S311 - repeatable, not secret
    name = rng.choice(EVENTS)
    it = Delivery(wire.body(name), story=[f"seed {SEED}, delivery {number}, made of {name}"])
    is_odd = number < len(WAYS) * len(VALUES)
    if is_odd:  # the first are the odd values themselves, signed, each way
        it.body = VALUES[number // len(WAYS)]
        it.story.append(f"odd value {number // len(WAYS)}")
    for mutate in rng.choices(BEFORE, k=0 if is_odd else rng.choice([0, 0, 1, 1, 2])):
        with suppress(Exception):  # the body is no object any more
            mutate(rng, it)
            it.story.append(mutate.__name__)
    it.sign()
    for mutate in rng.choices(AFTER, k=0 if is_odd else rng.choice([0, 1, 1, 2, 3])):
        mutate(rng, it)
        it.story.append(mutate.__name__)
    return it


def is_collected(record: logging.LogRecord) -> bool:
    """Refuse what is no line of a log, and what tells the secret; keep the rest from pytest, which would collect it."""
    line = record.getMessage()
    assert line.isprintable(), f"no line: {line[:300]!r}"
    assert SECRET not in line
    assert len(line) < 5000, f"{len(line)} characters in a line: {line[:300]}"
    return False


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at every line of the receiver's log."""
    monkeypatch.setattr(logging.getLogger("vipps_async.webhooks"), "filters", [is_collected])


class Believing(WebhookReceiver):
    """A receiver that takes no event for a duplicate, and notes what it believes: date, signature and bytes."""

    def __init__(self, **settings: Any) -> None:
        keys = count()
        self.believed: list[tuple[str, str, bytes]] = []
        self.handled = 0
        super().__init__(store=MemoryStore(), clock=at_now, key=lambda _: str(next(keys)), **settings)
        self.on_all(self._note)

    async def _note(self, _: WebhookEvent) -> None:
        self.handled += 1

    async def handle(self, request: IncomingRequest) -> Reply:
        """Handle a delivery, and note it if it is believed."""
        reply = await super().handle(request)
        if reply.status == 200:
            date, signature = (request.headers.get(name, "") for name in ("x-ms-date", "authorization"))
            self.believed.append((date, signature, request.body))
        return reply


SIGNED: dict[str, Any] = {"url": URL, "secrets": [SECRET]}
UNSIGNED: dict[str, Any] = {"allow_unsigned": True}  # here every body is parsed, below with and without orjson
WAYS = [(SIGNED, _json.decode), (SIGNED, without_orjson), (UNSIGNED, _json.decode), (UNSIGNED, without_orjson)]


@pytest.mark.timeout(60 + COUNT / 100)
@pytest.mark.parametrize("way", range(len(WAYS)), ids=["signed", "signed-stdlib", "unsigned", "unsigned-stdlib"])
async def test_no_mutation_fails_the_receiver_or_forges_an_event(way: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered as a client's error or handled, in less than a second of work, and handled only if genuine.

    What counts is the time that the process worked: `handle` waits for nothing here, and a shared machine pauses.
    """
    settings, decode = WAYS[way]
    monkeypatch.setattr(_json, "decode", decode)
    receiver = Believing(**settings)
    statuses: Counter[int] = Counter()
    slowest = 0.0
    for number in range(way, COUNT, len(WAYS)):
        it = mutated(number)
        request = IncomingRequest(it.method, "/vipps/events", CIMultiDict(it.headers), it.body)
        receiver.believed.clear()
        try:
            began = time.process_time()
            reply = await receiver.handle(request)
            slowest = max(slowest, took := time.process_time() - began)
            statuses[reply.status] += 1
            assert reply.status in {200, 400, 401, 405, 413, 415}, f"answered {reply.status}"
            assert len(it.story) > 1 or reply.status == 200, "refused although nothing is wrong with it"
            assert took < 1, f"took {took:.2f} s"
            assert receiver.handled == statuses[200], "answered 200 without being handled, or the other way round"
            assert settings is UNSIGNED or set(receiver.believed) <= {it.genuine}, "forged"
        except BaseException:
            print(*it.story, it.method, *it.headers, it.body[:2000], sep="\n")
            raise
    print(f"{statuses.total()} deliveries: {dict(statuses)}, slowest {slowest:.3f} s")
    assert set(statuses) >= {200, 400, 405, 413, 415}, "the mutations no longer reach every answer"


def wired(it: Delivery) -> bytes:
    """Return the bytes of a request, now and then bent themselves."""
    rng = Random(it.story[0])  # noqa: S311 - as above
    length = rng.choice([*[f"Content-Length: {len(it.body)}"] * 8, "Transfer-Encoding: chunked", "X-No-Length: 1"])
    lines = [f"{it.method} /vipps/events HTTP/1.1", *(f"{name}: {value}" for name, value in it.headers), length, "", ""]
    data = bytearray("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    if rng.random() < 0.2:
        data[rng.randrange(len(data))] = rng.choice(b"\0\r\n :\xff")
    return bytes(data) + it.body


async def status_of(server: Server, it: Delivery) -> int | None:
    """Send a delivery; return the status, or nothing where the server waits for more, or has hung up."""
    with suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        async with asyncio.timeout(1), connected(server) as connection:
            await connection.send(wired(it))
            return (await connection.reply()).status
    return None


@pytest.mark.timeout(60 + COUNT / 100)
async def test_no_mutation_fails_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of them over raw connections: no answer above 499, and none believed that is not genuine."""
    monkeypatch.setattr(aiohttp_app, "READ_TIMEOUT", 0.1)
    receiver = Believing(**SIGNED)
    app = web.Application()
    app.add_subapp("/vipps", receiver.aiohttp_app())
    statuses: Counter[int | None] = Counter()
    async with serving(app) as server:
        for start in range(COUNT, COUNT + COUNT // 10, 50):  # beyond those of the test above
            batch = [mutated(number) for number in range(start, start + 50)]
            answers = await asyncio.gather(*(status_of(server, it) for it in batch))
            assert [it.story for it, status in zip(batch, answers, strict=True) if status and status > 499] == []
            assert set(receiver.believed) <= {it.genuine for it in batch}, f"forged, from {batch[0].story[0]} on"
            statuses.update(answers)
            receiver.believed.clear()
    assert statuses[200] > COUNT / 300
