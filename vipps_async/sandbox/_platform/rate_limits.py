"""How often an API may be called about one thing. Performs no I/O and takes the clock as an argument.

Source: ePayment API, rate limiting. Each operation is counted by itself. Not documented, and chosen here: the minute
slides, what was refused does not count, and a refusal tells when to try again.
"""

import math
from collections import Counter, deque
from datetime import datetime, timedelta

import attrs

from vipps_async.sandbox._platform.replies import GatewayRefusal, of_gateway

_WINDOW = timedelta(minutes=1)

_Counter = tuple[str, str]


class RateLimits:
    """The latest requests, counted by operation and subject.

    Args:
        enforced: whether any request is refused.
    """

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced
        self._recent: deque[tuple[datetime, _Counter]] = deque()
        self._counts: Counter[_Counter] = Counter()

    def admit(self, operation: str, subject: str, *, per_minute: int | None, now: datetime) -> None:
        """Count a request; those that name no subject share a counter.

        Raises:
            GatewayRefusal: 429, there were too many of its kind within the last minute.
        """
        if per_minute is None or not self._enforced:
            return
        self._forget(now - _WINDOW)
        counter = (operation, subject)
        if self._counts[counter] >= per_minute:
            oldest = next(when for when, counted in self._recent if counted == counter)
            raise _too_many(oldest + _WINDOW - now)
        self._recent.append((now, counter))
        self._counts[counter] += 1

    def clear(self) -> None:
        """Forget every request."""
        self._recent.clear()
        self._counts.clear()

    def _forget(self, until: datetime) -> None:
        while self._recent and self._recent[0][0] <= until:
            _, counter = self._recent.popleft()
            self._counts[counter] -= 1
            if not self._counts[counter]:
                del self._counts[counter]


def _too_many(wait: timedelta) -> GatewayRefusal:
    seconds = max(1, math.ceil(wait.total_seconds()))
    reply = of_gateway(429, f"Rate limit is exceeded. Try again in {seconds} seconds.")
    return GatewayRefusal(attrs.evolve(reply, headers={"Retry-After": str(seconds)}))
