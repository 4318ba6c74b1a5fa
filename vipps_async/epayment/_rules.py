"""The rules that a request is held to before it is sent, as attrs converters and validators.

Each refusal names the field, the value and the rule. Source: ePayment API 1.8.1, request schemas and guide.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import attrs

from vipps_async._wire.open_enum import OpenEnum
from vipps_async._wire.times import as_utc
from vipps_async._wire.urls import CALLED_RULE, is_called, is_web_or_app
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount

T = TypeVar("T")
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

_REFERENCE = re.compile(r"[a-zA-Z0-9-]{8,64}")
_MSISDN = re.compile(r"[0-9]{9,15}")
_CALLBACK_TOKEN = re.compile(r"[a-zA-Z0-9-]{1,50}")
# All but tab, line feed and carriage return, which a text of several lines may have.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]{1,8})?")

_LARGEST_VALUE = 65_000_000
_SMALLEST_PAYMENT = {"NOK": 100}
_URL_LIMIT = 2500
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


def known(_: Any, field: "attrs.Attribute[Any]", value: OpenEnum | None) -> None:
    """The field is a member that this package knows; the API refuses others."""
    if value is not None and not value.is_known:
        rule = f"must be one of {', '.join(type(value))}"
        raise InvalidRequest(field.name, str(value), rule)


def each_known(instance: Any, field: "attrs.Attribute[Any]", values: Iterable[OpenEnum] | None) -> None:
    """The field holds members that this package knows."""
    for value in values or ():
        known(instance, field, value)


def text(shortest: int, longest: int | None = None) -> Validator:
    """The field is text of that many characters."""
    length = f"{shortest} to {longest}" if longest else f"{shortest} or more"
    return _rule(
        lambda value: _is_text(value) and shortest <= len(value) <= (longest or len(value)),
        f"must be text of {shortest if shortest == longest else length} characters, none of them a control character",
    )


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value.encode() or True) and _CONTROL.search(value) is None
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON cannot carry
        return False


def as_tuple(field: str, values: Iterable[T]) -> tuple[T, ...]:
    """Return *values* as a tuple, if they are several at all."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidRequest(field, values, "must be a list or a tuple")
    return tuple(values)


def whole(smallest: int, largest: int = 2**63 - 1) -> Validator:
    """The field is an int within those bounds."""
    return _rule(
        lambda value: type(value) is int and smallest <= value <= largest,
        f"must be a whole number, an int from {smallest} to {largest}",
    )


def _rule(holds: Callable[[Any], bool], rule: str, *, is_secret: bool = False) -> Validator:
    def validate(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if not holds(value):
            raise InvalidRequest(field.name, "**********" if is_secret else value, rule)

    return validate


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= _METADATA_PAIRS
        and all(_is_text(key) and _is_text(entry) for key, entry in value.items())
        and all(len(key) <= _METADATA_KEY and len(entry) <= _METADATA_VALUE for key, entry in value.items())
    )


def _is_in_utc(moment: datetime) -> bool:
    try:
        return as_utc(moment) == moment
    except OverflowError:  # the first or the last day that Python knows, which is another one in UTC
        return False


flag = _rule(lambda value: type(value) is bool, "must be True or False")
url = _rule(
    lambda value: is_web_or_app(value) and len(value) <= _URL_LIMIT,
    f"must be https:// or a custom scheme, {_URL_LIMIT} characters at most; http:// stays within private networks",
)
called_url = _rule(
    lambda value: is_called(value) and len(value) <= _URL_LIMIT, f"{CALLED_RULE}; {_URL_LIMIT} characters at most"
)
msisdn = _rule(
    lambda value: isinstance(value, str) and bool(_MSISDN.fullmatch(value)),
    "must be an MSISDN as text: country code and number, 9 to 15 digits, no + and no spaces",
)
callback_token = _rule(
    lambda value: isinstance(value, str) and bool(_CALLBACK_TOKEN.fullmatch(value)),
    "must be 1 to 50 characters of a-z, A-Z, 0-9 and -",
    is_secret=True,
)
token = _rule(lambda value: bool(value) and _is_text(value), "must be the token of the redirect URL", is_secret=True)
quantity = _rule(
    lambda value: isinstance(value, str) and len(value) <= 10 and bool(_QUANTITY.fullmatch(value)),
    'must be a decimal number as text of at most 10 characters, such as "2" or "0.822"',
)
metadata = _rule(
    _is_metadata,
    f"must be a mapping of at most {_METADATA_PAIRS} texts, keys up to {_METADATA_KEY} and values up to "
    f"{_METADATA_VALUE} characters, none of them a control character",
)
aware = _rule(
    lambda value: isinstance(value, datetime) and value.utcoffset() is not None and _is_in_utc(value),
    "must be a datetime with a time zone, such as datetime.now(timezone.utc) + timedelta(days=1)",
)


def instance_of(kind: type[Any]) -> Validator:
    """The field is a *kind*."""
    return _rule(lambda value: isinstance(value, kind), f"must be of type {kind.__name__}")


def each(kind: type[Any], *, at_least: int = 0) -> Validator:
    """The field is a tuple of *kind*."""
    return _rule(
        lambda value: len(value) >= at_least and all(isinstance(entry, kind) for entry in value),
        f"must hold {at_least} or more {kind.__name__}, and nothing else",
    )
