"""Amounts are whole minor units of one currency, and nothing else."""

import operator
import pickle
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
    [(0, "0.00 NOK"), (5, "0.05 NOK"), (99, "0.99 NOK"), (1000, "10.00 NOK"), (2**63 - 1, "92233720368547758.07 NOK")],
)
def test_an_amount_reads_as_major_units(value: int, text: str) -> None:
    """`str` gives major units with two decimals, without going through a float."""
    assert str(Amount(value, "NOK")) == text


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
