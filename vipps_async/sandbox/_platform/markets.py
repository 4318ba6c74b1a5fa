"""The markets of Vipps MobilePay, by their currencies. Performs no I/O.

Sources: knowledge base, reservations (the deadlines); European Union, Directive 2000/84/EC (summer time).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType

import attrs

_SUNDAY = 6


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
        summer = timedelta(hours=1) if _is_summer(day) else timedelta()
        return datetime.combine(day, time(hour), UTC) - self.winter_offset - summer

    def day_of(self, moment: datetime) -> date:
        """Return which day it is there."""
        day = moment.astimezone(UTC).date()
        return day + timedelta(days=1) if moment >= self.at(day + timedelta(days=1)) else day


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


def _is_summer(day: date) -> bool:
    return _last_sunday(day.year, 3) <= day < _last_sunday(day.year, 10)


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() - _SUNDAY) % 7)
