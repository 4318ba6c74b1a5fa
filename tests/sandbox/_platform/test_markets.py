"""Markets have their own time, also when the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vipps_async.sandbox._platform.markets import MARKETS

ZONES = {"NOK": ZoneInfo("Europe/Oslo"), "DKK": ZoneInfo("Europe/Copenhagen"), "EUR": ZoneInfo("Europe/Helsinki")}


@pytest.mark.parametrize("currency", ZONES)
@pytest.mark.parametrize("hour", [9, 13, 17, 23])
def test_an_hour_of_a_day_is_that_of_the_zone(currency: str, hour: int) -> None:
    """On every day of three years, as the zone's own table has it."""
    for number in range(3 * 365):
        day = date(2026, 1, 1) + timedelta(days=number)
        local = datetime(day.year, day.month, day.day, hour, tzinfo=ZONES[currency])
        assert MARKETS[currency].at(day, hour) == local


@pytest.mark.parametrize("currency", ZONES)
def test_a_moment_is_on_the_day_that_it_is_there(currency: str) -> None:
    """At every hour of a year, also in the nights in which the clocks change."""
    for number in range(365 * 24):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        day = moment.astimezone(ZONES[currency]).date()
        assert MARKETS[currency].day_of(moment) == day


def test_each_market_has_its_country_and_its_deadline() -> None:
    """By currency: reservations are kept much longer in Norway."""
    told = {currency: (market.country, market.reserved_for.days) for currency, market in MARKETS.items()}
    assert told == {"NOK": ("NO", 180), "DKK": ("DK", 14), "EUR": ("FI", 14)}
