"""What means the same has the same bytes and the same derived key, however and wherever it is spelled."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import Amount
from vipps_async._wire import json as _json
from vipps_async._wire.converter import unstructure
from vipps_async.epayment import BottomLine, OrderLine, Receipt
from vipps_async.epayment._request import CreatePayment
from vipps_async.errors import InvalidRequest

PRINTABLE = st.characters(exclude_categories=("Cs", "Cc"))
TEXTS = st.dictionaries(
    st.text(PRINTABLE, min_size=1, max_size=8), st.text(PRINTABLE, max_size=8), min_size=1, max_size=4
)
AWARE = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - with the zone beside it
WEB: dict[str, Any] = {
    "amount": Amount(1000, "NOK"),
    "payment_method": "WALLET",
    "reference": "order-0001",
    "user_flow": "WEB_REDIRECT",
    "return_url": "https://shop.example/",
}
SCOPES = ["address", "birthDate", "email", "name", "phoneNumber"]

PROGRAM = """
from vipps_async import Amount
from vipps_async._wire import json as _json
from vipps_async._wire.converter import unstructure
from vipps_async.epayment._request import CreatePayment
payment = CreatePayment(
    amount=Amount(1000, "NOK"), reference="order-0001", user_flow="WEB_REDIRECT", return_url="https://shop.example/",
    payment_method="WALLET",
    profile={"name", "address", "email", "phoneNumber", "birthDate"},
)
print(_json.encode(unstructure(payment)).decode())
"""

RECEIPT = Receipt(
    order_lines=[
        OrderLine(name="a", id="1", total_amount=100, total_amount_excluding_tax=80, total_tax_amount=20, tax_rate=2500)
    ],
    bottom_line=BottomLine(currency="NOK"),
)


def body(**fields: Any) -> bytes:
    """The bytes that create a payment with these fields."""
    return _json.encode(unstructure(CreatePayment(**{**WEB, **fields})))


@given(TEXTS, st.randoms(use_true_random=False))
def test_order_of_metadata_does_not_matter(pairs: dict[str, str], random: Any) -> None:
    """Pairs in any order are the same metadata; other pairs are not."""
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert body(metadata=dict(shuffled)) == body(metadata=pairs)
    assert body(metadata={**pairs, "a key too long": ""}) != body(metadata=pairs)


@given(AWARE, st.integers(min_value=-23 * 60, max_value=23 * 60))
def test_zone_of_an_instant_does_not_matter(instant: datetime, minutes: int) -> None:
    """Equal instants in any zone are the same expiry; the next microsecond is not."""
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))
    assert body(expires_at=elsewhere, receipt=RECEIPT) == body(expires_at=instant, receipt=RECEIPT)
    later = elsewhere + timedelta(microseconds=1)
    assert body(expires_at=later, receipt=RECEIPT) != body(expires_at=instant, receipt=RECEIPT)


@given(st.permutations(SCOPES), st.sampled_from([" ".join, tuple, list, set, iter]))
def test_order_of_scopes_does_not_matter(words: list[str], form: Any) -> None:
    """Words in any order, as text or several, once or twice, are the same scope; fewer are not."""
    assert body(profile=form(words)) == body(profile=SCOPES)
    assert body(profile=f" {'  '.join(words)} {words[0]}") == body(profile=SCOPES)
    assert body(profile=form(words[1:])) != body(profile=SCOPES)


def test_sets_in_another_process_are_the_same() -> None:
    """Whatever the order in which a process iterates over its sets, the bytes are the same."""
    bodies = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(bodies) == 1


class Field(StrEnum):
    TILL = "till"


class Place(str, Enum):  # noqa: UP042 - what it shows as differs, which is the point
    OSLO = "Oslo"


class Safe(str):
    """Text that shows as something else."""

    def __str__(self) -> str:
        return "escaped"


@pytest.mark.parametrize("encode", [_json.encode, _json._dumps], ids=["orjson", "stdlib"])
def test_metadata_may_be_enums_and_other_texts(encode: Any) -> None:
    """Keys and values that are text of a class of their own are sent as the text that they are, by either encoder."""
    odd: dict[str, str] = {Place.OSLO: Field.TILL, Field.TILL: Place.OSLO, Safe("note"): Safe("a & b")}
    payment = CreatePayment(**WEB, metadata=odd)
    plain = CreatePayment(**WEB, metadata={"Oslo": "till", "note": "a & b", "till": "Oslo"})
    assert encode(unstructure(payment)) == encode(unstructure(plain))
    assert payment.metadata is not None
    assert {type(text) for pair in payment.metadata.items() for text in pair} == {str}


def test_metadata_is_a_copy() -> None:
    """What the caller changes afterwards is not changed in the request."""
    pairs = {"till": "4"}
    payment = CreatePayment(**WEB, metadata=pairs)
    pairs["till"] = "5"
    assert payment.metadata == {"till": "4"}


@pytest.mark.parametrize("odd", ["text", 5, [("a", "b")], {1: "a"}, {"a": None}, {"a": 1}], ids=repr)
def test_metadata_that_is_none_is_refused_by_its_rule(odd: Any) -> None:
    """What cannot be brought into one form is left to the rule that names it."""
    with pytest.raises(InvalidRequest, match=r"metadata=.*must be a mapping of at most 5 texts"):
        CreatePayment(**WEB, metadata=odd)


@pytest.mark.parametrize("odd", [datetime(2026, 12, 1), "2026-12-01T00:00:00Z", 5], ids=repr)  # noqa: DTZ001 - what is refused
def test_moment_without_a_zone_is_refused_by_its_rule(odd: Any) -> None:
    """A naive time, and what is no time, is refused as before."""
    with pytest.raises(InvalidRequest, match=r"expires_at=.*must be a datetime with a time zone"):
        CreatePayment(**WEB, expires_at=odd)


def test_moment_that_utc_cannot_tell_is_refused() -> None:
    """The calendar's first and last hours elsewhere, for which UTC has no year, are refused by name."""
    west, east = (timezone(timedelta(hours=hours)) for hours in (-1, 1))
    for odd in (datetime.max.replace(tzinfo=west), datetime.min.replace(tzinfo=east)):
        with pytest.raises(InvalidRequest, match=r"expires_at=.*must be a datetime with a time zone"):
            CreatePayment(**WEB, expires_at=odd)
