"""Whatever a client sends, it is answered with the documented error, never 500, and the sandbox goes on."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.sandbox._epayment.test_dialects import FULL
from tests.sandbox._epayment.test_rules import EXPRESS, RECEIPT
from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, at, create_body, of
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._webhooks import records as _records

APPROVE = f"/epayment/v1/test/payments/{REFERENCE}/approve"
WEBHOOKS = "/webhooks/v1/webhooks"
CREATE = create_body(
    **EXPRESS,
    receipt=RECEIPT,
    expiresAt="2030-01-01T00:00:00Z",
    metadata={"till": "7"},
    customer={"phoneNumber": "4712345678"},
    paymentMethod={"type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"]},
    minimumUserAge=18,
)
# path -> a body that has every kind of field
BODIES: dict[str, Any] = {
    PAYMENTS: CREATE,
    f"{PAYMENTS}/{REFERENCE}/capture": of(1),
    f"{PAYMENTS}/{REFERENCE}/refund": of(1),
    f"{PAYMENTS}/{REFERENCE}/cancel": {"cancelTransactionOnly": False},
    APPROVE: {"customer": {"phoneNumber": "4712345678"}, "token": "token"},
    WEBHOOKS: {"url": "https://example.com/hook", "events": ["epayments.payment.created.v1"]},
    "/sandbox/clock": {"advance": 1},
    "/sandbox/faults": {"operation": "get", "fault": "STATUS_429", "times": 1, "retryAfter": 1},
    "/sandbox/webhooks": {"url": "https://example.com/hook", "events": None},
}
REQUESTS: tuple[tuple[Any, str, Any], ...] = (
    *(("current", path, body) for path, body in BODIES.items()),
    ("draft", PAYMENTS, FULL),
    ("draft", f"{PAYMENTS}/{REFERENCE}/capture", of(1) | {"modificationReference": "capture-1"}),
)
WRONG: tuple[Any, ...] = (None, True, 0, -1, 1.5, 10**30, "", "x", "\x00", "\u2028", [], [[]], {}, {"": {}})


def spoiled(value: Any) -> Iterator[Any]:
    """Yield *value* with each part of it, at any depth, replaced by what it must not be."""
    yield from WRONG
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        for wrong in spoiled(member):
            copy = value.copy()
            copy[name] = wrong
            yield copy


@pytest.mark.parametrize(("dialect", "path", "fine"), REQUESTS)
async def test_no_wrong_value_is_an_internal_error(dialect: Any, path: str, fine: Any) -> None:
    """Each field of each request in turn is anything else; the answer is a success or a 4xx problem."""
    async with Sandbox(dialect=dialect, rate_limits=False) as sandbox, at(sandbox) as merchant:
        for body in spoiled(fine):
            got = await merchant.call("POST", path, body, key=merchant.fresh_key())
            assert got.status < 500, body
            assert got.status < 400 or got.json["title"], body
        await sandbox.reset()
        await merchant.sign_in()
        assert (await merchant.create()).status == 201


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x" * 10_000_000, 413),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b"[" * 500_000, 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"a": 1e999}', 400),
        (b"9" * 100_000, 400),
        (b"{} {}", 400),
        (b"amount=1", 400),
    ],
    ids=["10 MB", "deep object", "deep array", "UTF-16", "BOM", "infinity", "long number", "two documents", "form"],
)
async def test_bodies_that_are_no_json(merchant: Merchant, path: str, data: bytes, status: int) -> None:
    """A body of 10 MB, one that is nested deeply, and bytes that are no JSON: a problem, quickly, on every route."""
    headers = {**merchant.headers, "Idempotency-Key": "key", "Content-Type": "application/json"}
    got = await merchant.send("POST", path, data=io.BytesIO(data), headers=headers)
    assert (got.status, got.json["status"]) == (status, status)
    assert (await merchant.create()).status == 201


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@settings(max_examples=60, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT)
async def test_headers_and_paths_of_any_text(unlimited: Merchant, text: str) -> None:
    """Bad tokens, keys, numbers and routes are refused by whoever looks first."""
    assume(text != unlimited.sandbox.credentials.merchant_serial_number)
    variants: tuple[tuple[dict[str, str | None], set[int]], ...] = (
        ({"Authorization": text}, {401}),
        ({"Authorization": f"Bearer {text}"}, {401}),
        ({"Ocp-Apim-Subscription-Key": text}, {401}),
        ({"Merchant-Serial-Number": text}, {400, 403}),
        ({"Idempotency-Key": text * 51}, {400}),
    )
    for headers, statuses in variants:
        got = await unlimited.call("POST", PAYMENTS, create_body(), key="k", headers=headers)
        assert got.status in statuses
    got = await unlimited.send("GET", f"/unknown-{quote(text, safe='')}")
    assert (got.status, got.json["status"]) == (404, 404)
    assert not unlimited.sandbox.payments


@pytest.mark.strict
async def test_large_requests_are_not_kept(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bodies near the limit the latest are kept, up to a size; of the answers to their keys, little."""
    monkeypatch.setattr(_records, "_BYTES", 2_000_000)
    nonsense = {f"field-{number:05}": "x" * 80 for number in range(9_000)}
    for _ in range(5):
        assert (await merchant.create(**nonsense, key=merchant.fresh_key())).status == 400
    assert len(merchant.sandbox.requests) == 2
    assert sum(len(request.body) for request in merchant.sandbox.requests) > 1_500_000
    remembered = merchant.sandbox._state.gateway.answers.all()
    assert len(remembered) == 5
    assert max(len(answer.fingerprint) + len(answer.reply.body) for answer in remembered) < 20_000
