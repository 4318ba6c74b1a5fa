"""Amounts of money in minor units, strict in both directions."""

from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import total_ordering
from typing import Any

import attrs

from vipps_async._wire.serializable import Serializable
from vipps_async.errors import InvalidRequest

_LARGEST = 2**63 - 1  # int64: ePayment API, Amount.value
_CURRENCY_LETTERS = 3
# ISO 4217, minor units of the currencies that Vipps MobilePay takes.
_DECIMALS: Mapping[str, int] = dict.fromkeys(("NOK", "DKK", "EUR", "SEK", "USD", "GBP"), 2)
# Raises for what it cannot give exactly, whatever precision the caller's own context has.
_EXACTLY = Context(prec=40, traps=[Inexact, InvalidOperation, Overflow])


def _check_value(_: Any, __: Any, value: Any) -> None:
    # bool is an int to Python, and 1.0 == 1: only a real int is money.
    if type(value) is not int:
        raise InvalidRequest(
            "amount.value", value, "must be a whole number of minor units as an int; write 10.00 NOK as 1000"
        )
    if not 0 <= value <= _LARGEST:
        raise InvalidRequest("amount.value", value, "must not be negative, nor larger than a 64-bit integer")


def _check_currency(_: Any, __: Any, currency: Any) -> None:
    well_formed = isinstance(currency, str) and len(currency) == _CURRENCY_LETTERS and currency.isascii()
    if not (well_formed and currency.isalpha() and currency.isupper()):
        raise InvalidRequest("amount.currency", currency, 'must be an ISO 4217 code such as "NOK", "DKK" or "EUR"')


def _check_type(_: Any, __: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise InvalidRequest("amount.type", value, "must be text, such as the draft API's PURCHASE, or left out")


def _decimals(currency: str) -> int:
    if currency not in _DECIMALS:
        raise InvalidRequest(
            "amount.currency", currency, f"must be one of {', '.join(_DECIMALS)} to be told in major units"
        )
    return _DECIMALS[currency]


def _minor_units(major: Decimal, decimals: int) -> int:
    rule = f"must be 0 or more with {decimals} decimals at most, within 64 bits; round it first, with quantize()"
    try:
        minor = _EXACTLY.to_integral_exact(_EXACTLY.scaleb(major, decimals))
    except DecimalException as error:
        raise InvalidRequest("amount", major, rule) from error
    if not 0 <= minor <= _LARGEST:
        raise InvalidRequest("amount", major, rule)
    return int(minor)


@total_ordering
@attrs.frozen
class Amount(Serializable):
    """An amount of money.

    Amounts of one currency add up (``sum`` too), subtract, compare, and are multiplied by an ``int``. There is no way
    from or to a ``float``: major units are a `decimal.Decimal`. Every amount counts as true, 0 too.

    Args:
        value: minor units (øre, cent) as an ``int``: 1000 is 10.00 NOK. Nothing else is taken, not even ``1000.0``.
        currency: ISO 4217 code: ``"NOK"``, ``"DKK"`` or ``"EUR"``.
        type: the draft API's ``"PURCHASE"``; sent only where it is given, and no part of equality.

    Raises:
        InvalidRequest: a value that is not a whole number of minor units, or a malformed currency.

    Source: ePayment API, Amount.
    """

    value: int = attrs.field(validator=_check_value)
    currency: str = attrs.field(validator=_check_currency)
    type: str | None = attrs.field(default=None, kw_only=True, eq=False, validator=_check_type)

    def __add__(self, other: "Amount") -> "Amount":
        """Add an amount of the same currency."""
        if not isinstance(other, Amount):
            return NotImplemented
        return Amount(self.value + self._same_currency(other).value, self.currency)

    def __sub__(self, other: "Amount") -> "Amount":
        """Subtract an amount of the same currency; the result must not be negative."""
        if not isinstance(other, Amount):
            return NotImplemented
        return Amount(self.value - self._same_currency(other).value, self.currency)

    def __radd__(self, other: int) -> "Amount":
        """Add to the 0 that `sum` begins with, and to no other number.

        ``sum(amounts, Amount(0, "NOK"))`` is an amount where there are none, too.
        """
        return self if type(other) is int and other == 0 else NotImplemented

    def __mul__(self, times: int) -> "Amount":
        """Multiply by a whole number, such as a quantity."""
        if type(times) is not int:
            return NotImplemented
        return Amount(self.value * times, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: "Amount") -> bool:
        """Compare with an amount of the same currency."""
        if not isinstance(other, Amount):
            return NotImplemented
        return self.value < self._same_currency(other).value

    def __str__(self) -> str:
        """Render major units: ``10.00 NOK``."""
        if self.currency not in _DECIMALS:
            return f"{self.value} minor units of {self.currency}"
        return f"{self.to_major()} {self.currency}"

    @classmethod
    def from_major(cls, major: Decimal, currency: str) -> "Amount":
        """Return the amount of *major* units: ``Amount.from_major(Decimal("499.00"), "NOK")`` is 49900 øre.

        Args:
            major: major units (kroner, euro) as a `decimal.Decimal`.
            currency: ISO 4217 code: NOK, DKK, EUR, SEK, USD or GBP.

        Raises:
            InvalidRequest: *major* is no finite `Decimal`, negative, or has a fraction of a minor unit, or the
                currency's decimals are not known.
        """
        if not (isinstance(major, Decimal) and major.is_finite()):
            raise InvalidRequest("amount", major, 'must be a finite Decimal, such as Decimal("499.00")')
        _check_currency(None, None, currency)
        return cls(_minor_units(major, _decimals(currency)), currency)

    def to_major(self) -> Decimal:
        """Return major units, with all their decimals: ``Decimal("499.00")`` for 49900 øre.

        Raises:
            InvalidRequest: the currency's decimals are not known.
        """
        return _EXACTLY.scaleb(Decimal(self.value), -_decimals(self.currency))

    def _same_currency(self, other: "Amount") -> "Amount":
        if other.currency != self.currency:
            raise InvalidRequest("amount.currency", other.currency, f"one currency an operation, here {self.currency}")
        return other
