"""A store in this process's memory, for one process and for tests."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores.base import Claim


class MemoryStore:
    """Remembers events until the process ends: effects are at least once across a restart.

    Args:
        retention: how long an event is remembered; a little longer than Vipps MobilePay redelivers.
        max_events: how many are remembered at most; the oldest is forgotten early when there are more.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: *max_events* is not above 0.
    """

    def __init__(
        self,
        *,
        retention: timedelta = timedelta(days=8),
        max_events: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if type(max_events) is not int or max_events < 1:
            raise ConfigurationError(f"max_events={max_events!r} must be above 0")
        self._retention = retention
        self._max_events = max_events
        self._clock = clock
        self._held: set[str] = set()
        # Insertion order is order of age, so that the oldest is the first.
        self._done_at: dict[str, float] = {}

    @property
    def retention(self) -> timedelta:
        """How long an event is remembered."""
        return self._retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: another task is inside its claim of the same event.
        """
        if key in self._held:
            raise ClaimHeld(key)
        self._forget_expired()
        if key in self._done_at:
            yield Claim(is_duplicate=True)
            return
        self._held.add(key)
        try:
            yield Claim(is_duplicate=False)
            self._remember(key)
        finally:
            self._held.discard(key)

    def _remember(self, key: str) -> None:
        self._done_at[key] = self._clock()
        if len(self._done_at) > self._max_events:
            del self._done_at[next(iter(self._done_at))]

    def _forget_expired(self) -> None:
        horizon = self._clock() - self._retention.total_seconds()
        while self._done_at and self._done_at[oldest := next(iter(self._done_at))] < horizon:
            del self._done_at[oldest]
