"""Durations are given in seconds or as a timedelta, and kept as a timedelta."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from vipps_async._wire.durations import DAY, as_duration, checked_duration, within
from vipps_async.errors import ConfigurationError


@attrs.frozen(kw_only=True)
class Policy:
    """Something with a duration."""

    pause: timedelta = attrs.field(converter=as_duration, validator=within(timedelta(seconds=1), 2 * DAY))


@pytest.mark.parametrize("given", [90, 90.0, timedelta(seconds=90)])
def test_a_duration_is_kept_as_a_timedelta(given: float | timedelta) -> None:
    """However it was given."""
    assert checked_duration("pause", given) == Policy(pause=given).pause == timedelta(seconds=90)


@pytest.mark.parametrize("given", [0.9, timedelta(0), -1, 172_801, True, "90", None, float("nan"), float("inf"), 1e300])
def test_what_is_none_or_out_of_bounds_is_refused_by_name(given: Any) -> None:
    """The message says the field, the value and the rule."""
    with pytest.raises(
        ConfigurationError, match=r"^pause=.* must be seconds, or a timedelta, from 1 seconds to 2 days$"
    ):
        Policy(pause=given)


def test_bounds_are_inclusive() -> None:
    """The shortest and the longest are allowed; a millisecond and a day unless something else is said."""
    for given in (0.001, 86_400):
        assert checked_duration("pause", given).total_seconds() == given
    for given in (0.0009, 86_400.001):
        with pytest.raises(ConfigurationError, match=r"from 0\.001 seconds to a day"):
            checked_duration("pause", given)
