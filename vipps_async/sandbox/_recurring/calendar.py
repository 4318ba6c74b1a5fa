"""When it is tried to take a charge, and which charges share an interval. Performs no I/O.

Source: Recurring API, charge processing. How the service cuts intervals is not published; chosen here: in steps from
the start of the agreement.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform.markets import Market

# The hours of a market's local time: the first attempt on the due date, and those of the retries.
_HOURS: Mapping[str, tuple[int, tuple[int, ...]]] = MappingProxyType(
    {"NO": (9, (17,)), "DK": (3, (13, 18, 20, 22, 23)), "FI": (3, (13, 18, 20, 22, 23))}
)
_MONTHS: Mapping[str, int] = MappingProxyType({"MONTH": 1, "YEAR": 12})
_DAYS: Mapping[str, int] = MappingProxyType({"DAY": 1, "WEEK": 7})


@lru_cache(maxsize=4096)
def attempts_of(due: date, retry_days: int, processing_mode: str, market: Market) -> tuple[datetime, ...]:
    """Return when it is tried to take a charge."""
    first, retries = _HOURS[market.country]
    attempts = (market.at(due, first),)
    if processing_mode == "SINGLE_ATTEMPT":
        return attempts
    days = (due + timedelta(days=number) for number in range(retry_days + 1))
    return (*attempts, *(market.at(day, hour) for day in days for hour in retries))


def interval_of(day: date, *, start: date, interval: Mapping[str, Any]) -> tuple[date, date]:
    """Return the first day of the interval that *day* is in, and the day after its last one."""
    number = 0
    step = interval["count"]
    if interval["unit"] in _DAYS:
        length = step * _DAYS[interval["unit"]]
        number = (day - start).days // length
    else:
        length = step * _MONTHS[interval["unit"]]
        number = ((day.year - start.year) * 12 + day.month - start.month) // length
        while later(start, interval, number) > day:
            number -= 1
        while later(start, interval, number + 1) <= day:
            number += 1
    return later(start, interval, number), later(start, interval, number + 1)


def later(start: date, interval: Mapping[str, Any], times: int) -> date:
    """Return the day so many intervals after *start*; a day that a month does not have is its last one."""
    unit, count = interval["unit"], interval["count"] * times
    if unit in _DAYS:
        return start + timedelta(days=count * _DAYS[unit])
    month = start.year * 12 + start.month - 1 + count * _MONTHS[unit]
    first = date(month // 12, month % 12 + 1, 1)
    after = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return first + timedelta(days=min(start.day, (after - first).days) - 1)
