"""The rules of the ePayment API that a request is held to before it is sent.

Each refusal names the field, the value and the rule. Source: ePayment API 1.8.1, request schemas and guide.
"""

import re
from collections.abc import Mapping
from typing import Any

from vipps_async._wire.urls import CALLED_RULE, is_called
from vipps_async._wire.validators import URL_LIMIT, is_text, rule
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount

_REFERENCE = re.compile(r"[a-zA-Z0-9-]{8,64}")
_CALLBACK_TOKEN = re.compile(r"[a-zA-Z0-9-]{1,50}")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]{1,8})?")

_LARGEST_VALUE = 65_000_000
_SMALLEST_PAYMENT = {"NOK": 100}
_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 5, 100, 500


def check_reference(reference: str, field: str = "reference") -> str:
    """Return *reference* if it can be one."""
    if not (isinstance(reference, str) and _REFERENCE.fullmatch(reference)):
        raise InvalidRequest(field, reference, "must be 8 to 64 characters of a-z, A-Z, 0-9 and -")
    return str.__str__(reference)  # what a text enum shows is something else


def check_modification_reference(reference: str) -> str:
    """Return *reference* if a modification can have it; the draft API's field."""
    return check_reference(reference, "modification_reference")


def check_payment_amount(amount: Amount) -> Amount:
    """Return *amount* if a payment can be created over it."""
    return _check_amount("amount", amount, _SMALLEST_PAYMENT.get(getattr(amount, "currency", ""), 1))


def check_modification_amount(amount: Amount) -> Amount:
    """Return *amount* if it can be captured or refunded."""
    return _check_amount("amount", amount, 1)


def _check_amount(field: str, amount: Amount, smallest: int) -> Amount:
    if not isinstance(amount, Amount):
        raise InvalidRequest(field, amount, 'must be an Amount, such as Amount(1000, "NOK") for 10.00 NOK')
    if not smallest <= amount.value <= _LARGEST_VALUE:
        rule = f"must be {smallest} to {_LARGEST_VALUE} minor units of {amount.currency}"
        raise InvalidRequest(f"{field}.value", amount.value, rule)
    return amount


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= _METADATA_PAIRS
        and all(is_text(key) and is_text(entry) for key, entry in value.items())
        and all(len(key) <= _METADATA_KEY and len(entry) <= _METADATA_VALUE for key, entry in value.items())
    )


called_url = rule(
    lambda value: is_called(value) and len(value) <= URL_LIMIT, f"{CALLED_RULE}; {URL_LIMIT} characters at most"
)

callback_token = rule(
    lambda value: isinstance(value, str) and bool(_CALLBACK_TOKEN.fullmatch(value)),
    "must be 1 to 50 characters of a-z, A-Z, 0-9 and -",
    is_secret=True,
)
token = rule(lambda value: bool(value) and is_text(value), "must be the token of the redirect URL", is_secret=True)
quantity = rule(
    lambda value: isinstance(value, str) and len(value) <= 10 and bool(_QUANTITY.fullmatch(value)),
    'must be a decimal number as text of at most 10 characters, such as "2" or "0.822"',
)
metadata = rule(
    _is_metadata,
    f"must be a mapping of at most {_METADATA_PAIRS} texts, keys up to {_METADATA_KEY} and values up to "
    f"{_METADATA_VALUE} characters, none of them a control character",
)
