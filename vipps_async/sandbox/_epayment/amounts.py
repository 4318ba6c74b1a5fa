"""The check of an amount. Performs no I/O.

Source: ePayment API, amount.
"""

from vipps_async.sandbox._platform.schema import Check, choice, integer, record

_MOST = 65_000_000  # minor units

CURRENCIES = ("NOK", "DKK", "EUR")
PASSTHROUGH_CURRENCIES = ("SEK", "USD", "GBP")  # of payment service providers, with a card that they pass through


def amount(*, least: int = 0, currencies: tuple[str, ...] = CURRENCIES, typed: bool = False) -> Check:
    """Return the check of an amount; a *typed* one may carry the draft's ``type``."""
    return record(
        required={
            "currency": choice(*currencies),
            "value": integer(least=least, most=_MOST, code="4040"),
        },
        optional={"type": choice("PURCHASE")} if typed else None,
    )
