"""Checks the arguments of a sandbox, by a table. Performs no I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from vipps_async._wire.durations import checked_duration
from vipps_async._wire.secret import described
from vipps_async._wire.urls import is_web, parsed
from vipps_async.config import Credentials
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._platform.api import ApiDefinition

_DIALECTS = ("current", "draft")
_MOST = 1_000_000_000


def _is_number(value: Any, *, least: float, most: float = _MOST) -> bool:
    return type(value) in {int, float} and least <= value <= most


def _are_delays(value: Any) -> bool:
    return not isinstance(value, str) and len(value) > 0 and all(_is_number(delay, least=0) for delay in value)


def _is_address(value: Any) -> bool:
    return is_web(value) and parsed(value)._replace(scheme="", netloc="").geturl() in {"", "/"}


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "credentials": (lambda value: value is None or isinstance(value, Credentials), "Credentials, or None"),
    "public_url": (
        lambda value: value is None or _is_address(value),
        "an address without a path: http://localhost:8090",
    ),
    "dialect": (lambda value: value in _DIALECTS, f"one of {', '.join(_DIALECTS)}"),
    "copies": (lambda value: type(value) is int and 1 <= value <= _MOST, "a whole number, 1 or more"),
    "retry_delays": (lambda value: value is None or _are_delays(value), "some seconds or timedeltas, each 0 or more"),
    "currency": (lambda value: value in {None, "NOK", "DKK", "EUR"}, "NOK, DKK or EUR"),
    "denied": (lambda value: not isinstance(value, str), "a list of permissions"),
}


def denied_of(names: Iterable[str], apis: Iterable[ApiDefinition]) -> frozenset[str]:
    """Return the permissions that are called *names*.

    Raises:
        ConfigurationError: one of them is no permission of *apis*; the message lists those that are.
    """
    known = [permission for api in apis for permission in api.permissions]
    denied = frozenset(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"denied={unknown[0]!r} must be one of {', '.join(known)}")
    return denied


def lifetime_of(token_lifetime: float | timedelta) -> timedelta:
    """Return how long a token is valid; raises ConfigurationError."""
    return checked_duration("token_lifetime", token_lifetime, most=timedelta(seconds=_MOST))


def seconds_of(delays: Sequence[float | timedelta] | None) -> Sequence[float] | None:
    """Return delays as seconds; what is no delay stays, to be refused by `check`."""
    if delays is None:
        return None
    return [delay.total_seconds() if isinstance(delay, timedelta) else delay for delay in delays]


def check(**settings: Any) -> None:
    """Return if every one of *settings* can be meant so.

    Raises:
        ConfigurationError: the message names the one that cannot, what it is, and the rule.
    """
    for name, value in settings.items():
        holds, rule = _RULES[name]
        if not holds(value):
            raise ConfigurationError(f"{name}={described(value)} must be {rule}")
