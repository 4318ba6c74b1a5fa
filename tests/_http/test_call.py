"""A call is fixed before its first attempt: path, bytes, key."""

import re
from typing import Any
from uuid import UUID

import attrs
import pytest

from vipps_async import Amount
from vipps_async._http import call
from vipps_async.epayment._errors import RULES
from vipps_async.epayment._request import Cancellation, Modification
from vipps_async.errors import InvalidRequest


def test_a_read_changes_nothing() -> None:
    """A read is a GET without body or key, and its silence leaves nothing unknown."""
    read = call.read("get", "/epayment/v1/payments/acme-shop-1")
    assert attrs.asdict(read) == {
        "operation": "get",
        "method": "GET",
        "path": "/epayment/v1/payments/acme-shop-1",
        "body": None,
        "idempotency_key": None,
        "writes": False,
        "expects_body": True,
        "only_status": None,
        "is_sensitive": False,
        "may_be_a_repeat": False,
        "query": {},
        "headers": {},
        "left_out": frozenset(),
        "rules": attrs.asdict(call.ApiRules()),
    }


def test_a_write_has_its_bytes_from_the_start() -> None:
    """A model is encoded at once, as compact camelCase JSON."""
    capture = call.write("capture", "/p/capture", Modification(modification_amount=Amount(1000, "NOK")), key="key-1")
    assert (capture.method, capture.writes, capture.idempotency_key) == ("POST", True, "key-1")
    assert capture.body == b'{"modificationAmount":{"value":1000,"currency":"NOK"}}'


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (None, None),
        ({}, b"{}"),
        ({"url": "https://a.example/ø"}, '{"url":"https://a.example/ø"}'.encode()),
        (Cancellation(cancel_transaction_only=False), b'{"cancelTransactionOnly":false}'),
    ],
)
def test_a_payload_is_a_model_a_dictionary_or_none(payload: Any, body: bytes | None) -> None:
    """``None`` is no body, an empty dictionary an empty object, and what is false is sent."""
    assert call.write("x", "/x", payload).body == body


def test_a_write_may_have_another_method() -> None:
    """A deletion is a write."""
    deletion = call.write("delete webhook", "/webhooks/1", method="DELETE")
    assert (deletion.method, deletion.writes, deletion.body) == ("DELETE", True, None)


def test_a_call_cannot_change_between_attempts() -> None:
    """A call is frozen."""
    read: Any = call.read("get", "/x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        read.path = "/y"


def test_a_fresh_key_is_a_new_one_that_every_api_takes() -> None:
    """Fresh keys are UUIDs, differ, and have at most 40 characters."""
    keys = [call.fresh_key() for _ in range(100)]
    assert len(set(keys)) == 100
    assert all(str(UUID(key)) == key and len(key) <= 40 for key in keys)
    assert all(call.ApiRules().checked_key(key) == key for key in keys)


@pytest.mark.parametrize("key", ["1", "0:wc_order_abc", "x" * 50, "!#/?\\~"])
def test_a_key_that_the_api_takes_is_taken(key: str) -> None:
    """One to 50 visible ASCII characters are a key."""
    assert RULES.checked_key(key) == key


@pytest.mark.parametrize("key", ["", "x" * 51, "two words", " ", "a\nb", "a\r", "ø", "\x7f", None, 5, b"key"])
def test_a_key_that_no_header_carries_is_refused(key: Any) -> None:
    """Any other key is refused by field, value and rule."""
    with pytest.raises(InvalidRequest) as refusal:
        RULES.checked_key(key)
    assert (refusal.value.field, refusal.value.value) == ("idempotency_key", key)
    assert refusal.value.rule == "must be 1 to 50 visible ASCII characters; 40 of [A-Za-z0-9-] suit every API"


def test_an_api_may_have_a_narrower_rule() -> None:
    """Recurring's keys have 40 letters, digits and hyphens at most."""
    rules = call.ApiRules(key_alphabet=re.compile(r"[A-Za-z0-9-]+"), longest_key=40)
    assert rules.checked_key("Charge-17") == "Charge-17"
    for key in ("charge_17", "a.b", "x" * 41, "a\n"):
        with pytest.raises(InvalidRequest, match=r"must be 1 to 40 characters of \[A-Za-z0-9-\]\+"):
            rules.checked_key(key)


def test_a_key_suits_every_api_unless_its_own_says_more() -> None:
    """Forty characters."""
    assert call.ApiRules().checked_key("k" * 40) == "k" * 40
    with pytest.raises(InvalidRequest, match="1 to 40"):
        call.ApiRules().checked_key("k" * 41)
