"""orjson only makes it faster: the same documents, the same bytes, the same refusals."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import PaymentState
from vipps_async._wire import json as _json

INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
EXACT = st.none() | st.booleans() | INTEGERS | st.text()
DOCUMENTS = st.recursive(
    EXACT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=8), EXACT | st.lists(EXACT, max_size=3), max_size=5)


@attrs.frozen
class Pair:
    """A value that JSON has no form for."""

    left: int
    right: int


without_orjson = _json._guarded(_json._loads)
ENCODERS = pytest.mark.parametrize("encode", [_json.encode, _json._dumps], ids=["orjson", "stdlib"])
DECODERS = pytest.mark.parametrize("decode", [_json.decode, without_orjson], ids=["orjson", "stdlib"])


def test_these_tests_compare_two_things() -> None:
    """Orjson is installed here, so that `encode` and `decode` use it."""
    assert _json.encode is not _json._dumps


@given(BODIES)
def test_both_encode_a_body_to_the_same_bytes(document: Any) -> None:
    """Request bodies, which hold no floats, have the same bytes: an idempotency key is derived from them."""
    assert _json.encode(document) == _json._dumps(document)


def test_encoded_bytes_hold_on_to_no_more_memory_than_they_need() -> None:
    """A document that is kept costs its length and an object's head, not the buffer that it was written in."""
    tracemalloc.start()
    try:
        kept = [_json.encode({"number": number}) for number in range(100)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 100 * 200 + sum(map(len, kept))


@given(DOCUMENTS)
def test_each_reads_what_either_wrote(document: Any) -> None:
    """Any document comes back equal from both decoders, whichever encoder wrote it."""
    for written in (_json.encode(document), _json._dumps(document)):
        assert _json.decode(written) == document
        assert without_orjson(written) == document


@given(DOCUMENTS)
def test_pretty_printed_and_escaped_documents_are_read_alike(document: Any) -> None:
    """White space and ASCII escapes change nothing."""
    written = json.dumps(document, indent=2, ensure_ascii=True).encode()
    assert _json.decode(written) == without_orjson(written) == document


@DECODERS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{} x",
        b"{}{}",
        b"[1,]",
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1,}',
        b"NaN",
        b"[NaN]",
        b"Infinity",
        b"[-Infinity]",
        b"undefined",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b"0x10",
        b'"\x01"',
        b'"\\x41"',
        b'"unterminated',
        b"\xff",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\uDC00\\uD800"',
        b'{"\\ud83d":1}',
        b"1e400",
        b"[-1e400]",
        b"\xef\xbb\xbf{}",
        b"\x0c{}",
        b"\xc2\xa0{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"<html><body>Bad gateway</body></html>",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_is_refused_the_same_way(decode: Callable[[bytes], Any], body: bytes) -> None:
    """Both refuse it with `NotJson`, a ValueError, however deep, long or strangely encoded it is."""
    with pytest.raises(_json.NotJson):
        decode(body)


@DECODERS
@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(decode: Callable[[bytes], Any], body: bytes) -> None:
    """No bytes raise anything but `NotJson`."""
    with suppress(_json.NotJson):
        decode(body)


@DECODERS
def test_documents_as_deep_as_any_api_s_are_read(decode: Callable[[bytes], Any]) -> None:
    """Two hundred levels are read."""
    assert json.dumps(decode(b"[" * 200 + b"]" * 200)) == "[" * 200 + "]" * 200


@DECODERS
def test_escapes_of_whole_characters_are_read(decode: Callable[[bytes], Any]) -> None:
    """A surrogate pair is its character, and an escaped backslash makes what follows no escape."""
    assert decode(b'["\\ud83d\\ude00", "\\\\ud800", 1e300]') == ["\U0001f600", "\\ud800", 1e300]


@DECODERS
def test_the_last_of_two_equal_names_counts(decode: Callable[[bytes], Any]) -> None:
    """A name that occurs twice has its last value in both."""
    assert decode(b'{"a":1,"a":2}') == {"a": 2}


@ENCODERS
def test_bodies_are_compact_utf_8(encode: Callable[[Any], bytes]) -> None:
    """Neither spaces nor escapes are added, members of an enum are their text, and tuples are lists."""
    written = encode({"description": "Blåbær – 10 €", "state": PaymentState.AUTHORIZED, "pair": (1, 2)})
    assert written == '{"description":"Blåbær – 10 €","state":"AUTHORIZED","pair":[1,2]}'.encode()


class Key(StrEnum):
    """A text enum, such as a shop's names of its metadata."""

    LOCATION = "location"


class Text(str):
    """Text of a class of its own."""


@ENCODERS
@pytest.mark.parametrize("key", [Key.LOCATION, Text("location"), PaymentState("location")], ids=repr)
def test_keys_of_other_classes_are_their_text(encode: Callable[[Any], bytes], key: str) -> None:
    """A member of an enum, known or not, and text of another class are written as keys as they are as values."""
    assert encode({key: {"deep": [{key: key}]}}) == b'{"location":{"deep":[{"location":"location"}]}}'


@ENCODERS
def test_longer_integers_are_written(encode: Callable[[Any], bytes]) -> None:
    """An integer of more than 64 bits is written in full."""
    assert encode({"n": 2**70}) == b'{"n":1180591620717411303424}'


@ENCODERS
@pytest.mark.parametrize(
    "value", ["\ud800", {"\ud800": 1}, {1, 2}, object(), datetime(2026, 1, 1, tzinfo=UTC), Pair(1, 2)]
)
def test_what_is_not_json_is_not_written(encode: Callable[[Any], bytes], value: Any) -> None:
    """Half of a surrogate pair is a `ValueError`, and what JSON has no form for a `TypeError`."""
    with pytest.raises(ValueError if "ud800" in ascii(value) else TypeError):
        encode({"value": value})


@DECODERS
@pytest.mark.parametrize(
    "digits",
    [
        *("18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "9" * 300),
        *("-0", "0", "-1", "1e3", "-0.0"),
    ],
)
def test_numbers_are_read_alike(decode: Callable[[bytes], Any], digits: str) -> None:
    """An integer of more than 64 bits is a float in both, so that no amount can be one here and none there."""
    number = decode(digits.encode())
    is_integer = set(digits) <= {*"-0123456789"} and -(2**63) <= int(digits) < 2**64
    assert type(number) is (int if is_integer else float)
    assert number == (int(digits) if is_integer else float(digits))


@DECODERS
@pytest.mark.parametrize("digits", ["1" * 400, "-" + "1" * 5000, "1e400"], ids=len)
def test_endless_numbers_are_refused_alike(decode: Callable[[bytes], Any], digits: str) -> None:
    """A number that no float holds is refused, in a short message."""
    with pytest.raises(_json.NotJson) as refusal:
        decode(digits.encode())
    assert len(str(refusal.value)) < 300


@DECODERS
@given(digits=st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_any_number_is_read_alike(decode: Callable[[bytes], Any], digits: str) -> None:
    """Type and value are the same in both."""
    assert repr(decode(digits.encode())) == repr(without_orjson(digits.encode()))
