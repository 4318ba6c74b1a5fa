"""The markets of Vipps MobilePay, by their currencies. Performs no I/O.

Sources: knowledge base, reservations (the deadlines); European Union, Directive 2000/84/EC (summer time).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType

import attrs

_SUNDAY = 6
_SUMMER = timedelta(hours=1)


@attrs.frozen(kw_only=True)
class Market:
    """A market.

    Attributes:
        country: ISO 3166-1 alpha-2.
        winter_offset: by which its winter time is ahead of UTC.
        reserved_for: how long money stays reserved.
    """

    country: str
    winter_offset: timedelta
    reserved_for: timedelta

    def at(self, day: date, hour: int = 0) -> datetime:
        """Return the moment of an hour of its local time, in UTC."""
        in_winter = datetime.combine(day, time(hour), UTC) - self.winter_offset
        start, end = _summer_of(day.year)
        is_summer = start <= in_winter and in_winter - _SUMMER < end
        return in_winter - _SUMMER if is_summer else in_winter

    def day_of(self, moment: datetime) -> date:
        """Return which day it is there."""
        start, end = _summer_of(moment.astimezone(UTC).year)
        summer = _SUMMER if start <= moment < end else timedelta()
        return (moment.astimezone(UTC) + self.winter_offset + summer).date()


MARKETS: Mapping[str, Market] = MappingProxyType(
    {
        "NOK": Market(country="NO", winter_offset=timedelta(hours=1), reserved_for=timedelta(days=180)),
        "DKK": Market(country="DK", winter_offset=timedelta(hours=1), reserved_for=timedelta(days=14)),
        "EUR": Market(country="FI", winter_offset=timedelta(hours=2), reserved_for=timedelta(days=14)),
    }
)


def money(value: int, currency: str) -> str:
    """Return an amount for people: minor units in, ``1 234.50 NOK`` out, with spaces that do not break."""
    whole, rest = divmod(value, 100)
    return f"{whole:,}.{rest:02d} {currency}".replace(",", "\N{NO-BREAK SPACE}").replace(" ", "\N{NO-BREAK SPACE}")


def _summer_of(year: int) -> tuple[datetime, datetime]:
    """Return when summer time begins and ends: in the whole Union at once, at 01:00 UTC on a last Sunday."""
    return _last_sunday(year, 3), _last_sunday(year, 10)


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() - _SUNDAY) % 7)
