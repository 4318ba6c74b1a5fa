"""Rules that the fields of requests are held to before they are sent, as attrs converters and validators.

Each refusal names the field, the value and the rule. Performs no I/O.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, TypeVar

import attrs

from vipps_async._wire.open_enum import OpenEnum
from vipps_async._wire.times import as_utc
from vipps_async._wire.urls import is_web_or_app
from vipps_async.errors import InvalidRequest

T = TypeVar("T")
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

URL_LIMIT = 2500
_MSISDN = re.compile(r"[0-9]{9,15}")
# All but tab, line feed and carriage return, which a text of several lines may have.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def known(_: Any, field: "attrs.Attribute[Any]", value: OpenEnum | None) -> None:
    """Checks that the field is a member that this package knows; the API refuses others."""
    if value is not None and not value.is_known:
        raise InvalidRequest(field.name, str(value), f"must be one of {', '.join(type(value))}")


def each_known(instance: Any, field: "attrs.Attribute[Any]", values: Iterable[OpenEnum] | None) -> None:
    """Checks that the field holds members that this package knows."""
    for value in values or ():
        known(instance, field, value)


def text(shortest: int, longest: int | None = None) -> Validator:
    """Return a check that the field is text of that many characters."""
    length = f"{shortest} to {longest}" if longest else f"{shortest} or more"
    return rule(
        lambda value: is_text(value) and shortest <= len(value) <= (longest or len(value)),
        f"must be text of {shortest if shortest == longest else length} characters, none of them a control character",
    )


def is_text(value: Any) -> bool:
    """Whether *value* is text without control characters, which JSON can carry."""
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
    """Return a check that the field is an int within those bounds."""
    return rule(
        lambda value: type(value) is int and smallest <= value <= largest,
        f"must be a whole number, an int from {smallest} to {largest}",
    )


def rule(holds: Callable[[Any], bool], said: str, *, is_secret: bool = False) -> Validator:
    """Return a check that *holds* is true of the field; *said* says what that means."""

    def validate(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if not holds(value):
            raise InvalidRequest(field.name, "**********" if is_secret else value, said)

    return validate


def _is_in_utc(moment: datetime) -> bool:
    try:
        return as_utc(moment) == moment
    except OverflowError:  # the first or the last day that Python knows, which is another one in UTC
        return False


flag = rule(lambda value: type(value) is bool, "must be True or False")
url = rule(
    lambda value: is_web_or_app(value) and len(value) <= URL_LIMIT,
    f"must be https:// or a custom scheme, {URL_LIMIT} characters at most; http:// stays within private networks",
)
msisdn = rule(
    lambda value: isinstance(value, str) and bool(_MSISDN.fullmatch(value)),
    "must be an MSISDN as text: country code and number, 9 to 15 digits, no + and no spaces",
)
aware = rule(
    lambda value: isinstance(value, datetime) and value.utcoffset() is not None and _is_in_utc(value),
    "must be a datetime with a time zone, such as datetime.now(timezone.utc) + timedelta(days=1)",
)
day = rule(lambda value: type(value) is date, "must be a date without a time, such as date.today() + timedelta(days=2)")


def instance_of(kind: type[Any]) -> Validator:
    """Return a check that the field is a *kind*."""
    return rule(lambda value: isinstance(value, kind), f"must be of type {kind.__name__}")


def each(kind: type[Any], *, at_least: int = 0) -> Validator:
    """Return a check that the field is a tuple of *kind*."""
    return rule(
        lambda value: len(value) >= at_least and all(isinstance(entry, kind) for entry in value),
        f"must hold {at_least} or more {kind.__name__}, and nothing else",
    )
