"""Durations as users give them, in seconds or as a timedelta, kept as a timedelta. Performs no I/O."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs

from vipps_async._wire.secret import described
from vipps_async.errors import ConfigurationError

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)


def as_duration(value: float | timedelta) -> timedelta:
    """Return seconds as a timedelta; what is no number stays as it is, for a validator to refuse it by its name."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value  # type: ignore[return-value]  # a timedelta, or refused by `within`
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):  # more than a timedelta holds, or not a number
        return value  # type: ignore[return-value]  # as above


def checked_duration(
    name: str, value: float | timedelta, *, least: timedelta = MILLISECOND, most: timedelta = DAY
) -> timedelta:
    """Return a duration that lies within its bounds.

    Args:
        name: the argument's, for the message.
        value: seconds, or a timedelta.
        least: the shortest that is allowed.
        most: the longest.

    Raises:
        ConfigurationError: it is neither, or out of its bounds.
    """
    duration = as_duration(value)
    if not isinstance(duration, timedelta) or not least <= duration <= most:
        given = f"{value.total_seconds():g} s" if isinstance(value, timedelta) else described(value)
        raise ConfigurationError(
            f"{name}={given} must be seconds, or a timedelta, from {_in_words(least)} to {_in_words(most)}"
        )
    return duration


def within(
    least: timedelta = MILLISECOND, most: timedelta = DAY
) -> Callable[[Any, "attrs.Attribute[Any]", timedelta], None]:
    """Return a validator of an attrs field that `as_duration` converts."""

    def check(_: Any, field: "attrs.Attribute[Any]", value: timedelta) -> None:
        checked_duration(field.name, value, least=least, most=most)

    return check


def _in_words(duration: timedelta) -> str:
    if duration >= DAY:
        return f"{duration / DAY:g} days" if duration != DAY else "a day"
    return f"{duration.total_seconds():g} seconds"
