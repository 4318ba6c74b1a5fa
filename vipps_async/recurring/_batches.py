"""Splits many charges into calls, and paces these."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from vipps_async._wire.validators import as_tuple
from vipps_async.errors import InvalidRequest
from vipps_async.recurring._request import NewCharge

_MOST_IN_A_CALL = 2000
_PER_MINUTE = 500  # Recurring API, rate limits
_MINUTE = 60.0  # seconds

Batch = tuple[NewCharge, ...]


def split(charges: Iterable[NewCharge], per_call: int) -> list[Batch]:
    """Return the charges of each call.

    Raises:
        InvalidRequest: one is no `NewCharge`, two have the same *order_id*, or the number is out of its range.
    """
    if type(per_call) is not int or not 1 <= per_call <= _MOST_IN_A_CALL:
        raise InvalidRequest("per_call", per_call, f"must be 1 to {_MOST_IN_A_CALL}")
    every = as_tuple("charges", charges)
    seen: set[str] = set()
    for each in every:
        if not isinstance(each, NewCharge):
            raise InvalidRequest("charges", each, "must be NewCharge objects")
        if each.order_id in seen:
            raise InvalidRequest("charges.order_id", each.order_id, "is used by two of them")
        seen.add(each.order_id)
    return [every[first : first + per_call] for first in range(0, len(every), per_call)]


class Pace:
    """The pace of a client's calls, whichever run they are of."""

    def __init__(self) -> None:
        self._earliest = 0.0  # on the monotonic clock

    async def paced(self, batches: Iterable[Batch]) -> AsyncIterator[Batch]:
        """Yield *batches*, each when those before it leave the API time."""
        for batch in batches:
            now = time.monotonic()
            begin, self._earliest = self._earliest, max(now, self._earliest) + len(batch) * _MINUTE / _PER_MINUTE
            await asyncio.sleep(max(0.0, begin - now))
            yield batch
