"""When it is tried to take a charge, and which charges share an interval."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._recurring.calendar import attempts_of, interval_of, later

OCTOBER = date(2026, 10, 1)


def test_the_documented_example() -> None:
    """Due on 1 October with two retry days: tried on the 1st, the 2nd and the 3rd, at Norway's hours."""
    attempts = attempts_of(OCTOBER, 2, "MULTIPLE_ATTEMPTS", MARKETS["NOK"])
    assert attempts == (
        datetime(2026, 10, 1, 7, tzinfo=UTC),
        datetime(2026, 10, 1, 15, tzinfo=UTC),
        datetime(2026, 10, 2, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, tzinfo=UTC),
    )


@pytest.mark.parametrize(("currency", "first"), [("DKK", 2), ("EUR", 1)])
def test_the_other_markets_have_more_hours(currency: str, first: int) -> None:
    """Six on the due date, and five on each day after it, in winter at these hours of UTC."""
    attempts = attempts_of(date(2026, 12, 1), 1, "MULTIPLE_ATTEMPTS", MARKETS[currency])
    hours = [attempt.hour for attempt in attempts]
    retries = [first + 10, first + 15, first + 17, first + 19, first + 20]
    assert hours == [first, *retries, *retries]


def test_a_single_attempt_is_the_first() -> None:
    """And the last."""
    assert attempts_of(OCTOBER, 0, "SINGLE_ATTEMPT", MARKETS["NOK"]) == (datetime(2026, 10, 1, 7, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("interval", "start", "day", "bounds"),
    [
        ({"unit": "MONTH", "count": 3}, date(2026, 1, 5), date(2026, 1, 5), (date(2026, 1, 5), date(2026, 4, 5))),
        ({"unit": "MONTH", "count": 3}, date(2026, 1, 5), date(2026, 4, 5), (date(2026, 4, 5), date(2026, 7, 5))),
        ({"unit": "MONTH", "count": 1}, date(2026, 1, 31), date(2026, 2, 28), (date(2026, 2, 28), date(2026, 3, 31))),
        ({"unit": "MONTH", "count": 1}, date(2026, 1, 31), date(2026, 3, 30), (date(2026, 2, 28), date(2026, 3, 31))),
        ({"unit": "YEAR", "count": 1}, date(2024, 2, 29), date(2025, 2, 28), (date(2025, 2, 28), date(2026, 2, 28))),
        ({"unit": "WEEK", "count": 2}, OCTOBER, date(2026, 10, 15), (date(2026, 10, 15), date(2026, 10, 29))),
        ({"unit": "DAY", "count": 30}, OCTOBER, date(2026, 10, 30), (OCTOBER, date(2026, 10, 31))),
    ],
)
def test_intervals_are_cut_from_the_start(
    interval: dict[str, Any], start: date, day: date, bounds: tuple[date, date]
) -> None:
    """In steps of the interval; a day that a month does not have is its last one."""
    assert interval_of(day, start=start, interval=interval) == bounds


@given(
    st.sampled_from(["DAY", "WEEK", "MONTH", "YEAR"]),
    st.integers(1, 31),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, 3000),
)
def test_every_day_is_in_its_interval(unit: str, count: int, start: date, days: int) -> None:
    """And intervals follow each other without a gap."""
    interval, day = {"unit": unit, "count": count}, start + timedelta(days=days)
    first, after = interval_of(day, start=start, interval=interval)
    assert first <= day < after
    assert interval_of(first, start=start, interval=interval) == (first, after)
    assert interval_of(after, start=start, interval=interval)[0] == after
    assert later(start, interval, 0) == start
