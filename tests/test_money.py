"""Amounts are whole minor units of one currency, and nothing else."""

import operator
import pickle
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import Amount
from vipps_async.errors import InvalidRequest

VALUES = st.integers(min_value=0, max_value=2**62 - 1)


@pytest.mark.parametrize("value", [1.9, 1.0, True, False, "12", None, b"1", [1], 1j])
def test_only_an_int_is_a_value(value: Any) -> None:
    """A bool, a float, even a whole one, and a numeric text are refused, naming field, value and rule."""
    with pytest.raises(InvalidRequest, match="whole number of minor units") as refusal:
        Amount(value, "NOK")
    assert refusal.value.field == "amount.value"
    assert refusal.value.value is value
    assert refusal.value.rule == "must be a whole number of minor units as an int; write 10.00 NOK as 1000"


@pytest.mark.parametrize("value", [-1, -(2**70), 2**63, 2**70])
def test_a_value_beyond_the_api_s_integer_is_refused(value: int) -> None:
    """A negative value and one beyond 64 bits are refused."""
    with pytest.raises(InvalidRequest, match="must not be negative, nor larger than a 64-bit integer") as refusal:
        Amount(value, "NOK")
    assert (refusal.value.field, refusal.value.value) == ("amount.value", value)


@pytest.mark.parametrize("value", [0, 1, 2**63 - 1])
def test_the_bounds_themselves_are_values(value: int) -> None:
    """Zero and the largest 64-bit integer are amounts."""
    assert Amount(value, "NOK").value == value


@pytest.mark.parametrize("currency", ["nok", "Nok", "NO", "NOKK", "", "N0K", "NÖK", "ΝΟΚ", " NOK", None, 578, b"NOK"])
def test_a_currency_is_three_capital_letters(currency: Any) -> None:
    """Anything but three capital ASCII letters is refused as a currency."""
    with pytest.raises(InvalidRequest) as refusal:
        Amount(1, currency)
    assert (refusal.value.field, refusal.value.value) == ("amount.currency", currency)
    assert refusal.value.rule == 'must be an ISO 4217 code such as "NOK", "DKK" or "EUR"'


@pytest.mark.parametrize("type_", [b"", b"PURCHASE", 5, "PURCH\ud800", "æ", "a\nb"])
def test_a_type_is_text(type_: Any) -> None:
    """A type that no request could carry is refused."""
    with pytest.raises(InvalidRequest) as refusal:
        Amount(1, "NOK", type=type_)
    assert (refusal.value.field, refusal.value.value) == ("amount.type", type_)


@given(VALUES, VALUES)
def test_adding_and_subtracting_are_exact(left: int, right: int) -> None:
    """Sums and differences are those of the minor units, and undo each other."""
    total = Amount(left, "NOK") + Amount(right, "NOK")
    assert total == Amount(left + right, "NOK")
    assert total - Amount(right, "NOK") == Amount(left, "NOK")


def test_a_difference_below_zero_is_refused() -> None:
    """Subtracting more than there is raises instead of giving a negative amount."""
    with pytest.raises(InvalidRequest, match="must not be negative"):
        _ = Amount(1, "NOK") - Amount(2, "NOK")


def test_two_currencies_do_not_mix() -> None:
    """Adding and subtracting across currencies is refused, and two currencies are never equal."""
    for calculate in (Amount.__add__, Amount.__sub__):
        with pytest.raises(InvalidRequest, match="one currency an operation, here NOK") as refusal:
            calculate(Amount(2, "NOK"), Amount(1, "DKK"))
        assert (refusal.value.field, refusal.value.value) == ("amount.currency", "DKK")
    assert Amount(1, "NOK") != Amount(1, "DKK")


@pytest.mark.parametrize("other", [1, 1.0, "1.00 NOK", None])
def test_what_is_no_amount_cannot_be_added(other: Any) -> None:
    """Adding or subtracting anything but an amount, from either side, is the `TypeError` that Python knows."""
    amount = Amount(1, "NOK")
    for calculate in (operator.add, operator.sub):
        for operands in ((amount, other), (other, amount)):
            with pytest.raises(TypeError, match=r"unsupported operand|can only concatenate"):
                calculate(*operands)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00 NOK"),
        (10, "0.10 NOK"),
        (5, "0.05 NOK"),
        (99, "0.99 NOK"),
        (1000, "10.00 NOK"),
        (2**63 - 1, "92233720368547758.07 NOK"),
    ],
)
def test_an_amount_reads_as_major_units(value: int, text: str) -> None:
    """`str` gives major units with two decimals, without going through a float."""
    assert str(Amount(value, "NOK")) == text


def test_an_amount_of_a_currency_without_known_decimals_does_not_pretend() -> None:
    """An amount in yen, which have no decimals, reads as minor units, and is neither made of nor told in major ones."""
    assert str(Amount(1000, "JPY")) == "1000 minor units of JPY"
    for convert in (Amount(1000, "JPY").to_major, lambda: Amount.from_major(Decimal(10), "JPY")):
        with pytest.raises(InvalidRequest, match="must be one of NOK, DKK, EUR, SEK, USD, GBP") as refusal:
            convert()
        assert (refusal.value.field, refusal.value.value) == ("amount.currency", "JPY")


@given(st.lists(st.integers(min_value=0, max_value=2**60), min_size=1, max_size=5))
def test_amounts_add_up(values: list[int]) -> None:
    """`sum` works, with its own beginning and with an amount."""
    amounts = [Amount(value, "NOK") for value in values]
    assert sum(amounts) == sum(amounts, Amount(0, "NOK")) == Amount(sum(values), "NOK")


def test_nothing_adds_up_to_nothing() -> None:
    """Without any amount, the one to begin with is the sum; two currencies have none."""
    assert sum([], Amount(0, "DKK")) == Amount(0, "DKK")
    with pytest.raises(InvalidRequest, match="one currency an operation, here NOK"):
        sum([Amount(1, "NOK"), Amount(1, "DKK")])


@given(VALUES, VALUES)
def test_amounts_compare_as_their_minor_units(left: int, right: int) -> None:
    """Each comparison is that of the minor units, and so are order, least and greatest."""
    one, other = Amount(left, "NOK"), Amount(right, "NOK", type="PURCHASE")
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        assert compare(one, other) is compare(left, right)
    assert [amount.value for amount in sorted([one, other])] == sorted([left, right])
    assert max(one, other).value == max(left, right)


def test_two_currencies_and_other_things_do_not_compare() -> None:
    """Neither is more than the other: another currency is refused, and what is no amount is a `TypeError`."""
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(InvalidRequest, match="one currency an operation, here"):
            compare(Amount(1, "NOK"), Amount(2, "DKK"))
        others: list[Any] = [2, 2.0, "2", Decimal(2), None]
        for other in others:
            with pytest.raises(TypeError, match="not supported between"):
                compare(Amount(1, "NOK"), other)


@given(st.integers(min_value=0, max_value=2**31), st.integers(min_value=0, max_value=2**31))
def test_a_multiple_is_exact(value: int, times: int) -> None:
    """A whole number of times an amount, from either side, is that many minor units."""
    assert Amount(value, "NOK") * times == times * Amount(value, "NOK") == Amount(value * times, "NOK")


@pytest.mark.parametrize("times", [1.0, 0.5, True, "2", None, Decimal(2), Amount(2, "NOK")], ids=repr)
def test_an_amount_is_multiplied_by_an_int_alone(times: Any) -> None:
    """A float, a bool, a `Decimal` and another amount are a `TypeError` from either side."""
    amount: Any = Amount(100, "NOK")
    for operands in ((amount, times), (times, amount)):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply sequence"):
            operator.mul(*operands)


@pytest.mark.parametrize("times", [-1, 2**63])
def test_a_multiple_beyond_the_bounds_is_refused(times: int) -> None:
    """No multiple is negative, or more than 64 bits."""
    with pytest.raises(InvalidRequest, match="must not be negative, nor larger than a 64-bit integer"):
        _ = Amount(100, "NOK") * times


@pytest.mark.parametrize("other", [False, 0.0, Decimal(0), 1, "0", None])
def test_only_the_zero_that_a_sum_begins_with_is_added(other: Any) -> None:
    """The int 0 on the left is what `sum` begins with; nothing else is taken, and not on the right."""
    amount: Any = Amount(1, "NOK")
    assert 0 + amount == amount
    for operands in ((other, amount), (amount, other), (amount, 0)):
        with pytest.raises(TypeError, match=r"unsupported operand|can only concatenate"):
            operator.add(*operands)


@given(st.integers(min_value=0, max_value=2**63 - 1), st.sampled_from(["NOK", "DKK", "EUR", "SEK", "USD", "GBP"]))
def test_major_units_and_back_are_the_amount(value: int, currency: str) -> None:
    """Major units have two decimals and no float in between, whatever precision the caller's arithmetic has."""
    amount = Amount(value, currency)
    with localcontext(prec=3):
        assert Amount.from_major(amount.to_major(), currency) == amount
    assert str(amount.to_major()) == f"{value // 100}.{value % 100:02}"


@pytest.mark.parametrize(
    ("major", "value"),
    [
        *(("499.00", 49900), ("499", 49900), ("0.01", 1), ("4.99E+2", 49900), ("-0", 0)),
        *(("1.10000000000000000000000000000000000", 110), ("92233720368547758.07", 2**63 - 1)),
    ],
)
def test_major_units_in_any_spelling_are_read(major: str, value: int) -> None:
    """However a `Decimal` is written, it is the same amount."""
    assert Amount.from_major(Decimal(major), "NOK") == Amount(value, "NOK")


@pytest.mark.parametrize(
    "major",
    ["0.001", "1.005", "-0.01", "-1", "92233720368547758.08", "1E+30", "1E+999999", "1E-999999", "0." + "1" * 100],
)
def test_major_units_that_are_no_amount_are_refused(major: str) -> None:
    """A fraction of a minor unit is not rounded in silence; nor is there a negative or an endless amount."""
    with pytest.raises(InvalidRequest, match="0 or more with 2 decimals at most, within 64 bits; round it") as refusal:
        Amount.from_major(Decimal(major), "NOK")
    assert (refusal.value.field, refusal.value.value) == ("amount", Decimal(major))


@pytest.mark.parametrize(
    "major", [499.0, 499, "499.00", None, True, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]
)
def test_major_units_are_a_finite_decimal(major: Any) -> None:
    """A float has been rounded already, and an int may be meant as minor units."""
    with pytest.raises(InvalidRequest, match="must be a finite Decimal, such as Decimal"):
        Amount.from_major(major, "NOK")


@pytest.mark.parametrize("currency", ["nok", "", None, 578])
def test_major_units_have_a_currency(currency: Any) -> None:
    """The currency is checked as an amount's is."""
    with pytest.raises(InvalidRequest, match="must be an ISO 4217 code"):
        Amount.from_major(Decimal(1), currency)


def test_there_is_no_way_to_a_float() -> None:
    """Neither `float` nor `int` nor `round` takes an amount."""
    converters: list[Callable[[Any], Any]] = [float, int, round]
    for convert in converters:
        with pytest.raises(TypeError):
            convert(Amount(1, "NOK"))


def test_the_draft_s_type_is_no_part_of_what_an_amount_is() -> None:
    """Amounts that differ only in the draft's type are equal, and one key in a dictionary."""
    plain, typed = Amount(1000, "NOK"), Amount(1000, "NOK", type="PURCHASE")
    assert plain == typed
    assert hash(plain) == hash(typed)
    assert (plain.type, typed.type) == (None, "PURCHASE")


def test_an_amount_cannot_be_changed_but_travels() -> None:
    """An amount is frozen, and survives pickling."""
    amount = Amount(1000, "NOK", type="PURCHASE")
    with pytest.raises(AttributeError):
        amount.value = 1  # type: ignore[misc]  # this is the point of the test
    again = pickle.loads(pickle.dumps(amount))  # noqa: S301 - pickled here
    assert (again.value, again.currency, again.type) == (1000, "NOK", "PURCHASE")
