"""Amounts of money in minor units, strict in both directions."""

from typing import Any

import attrs

from vipps_async.errors import InvalidRequest

_LARGEST = 2**63 - 1  # int64: ePayment API, Amount.value
_CURRENCY_LETTERS = 3


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


@attrs.frozen
class Amount:
    """An amount of money.

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

    def __str__(self) -> str:
        """Render major units: ``10.00 NOK``."""
        return f"{self.value // 100}.{self.value % 100:02} {self.currency}"

    def _same_currency(self, other: "Amount") -> "Amount":
        if other.currency != self.currency:
            raise InvalidRequest("amount.currency", other.currency, f"one currency an operation, here {self.currency}")
        return other
