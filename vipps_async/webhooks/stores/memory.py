"""A store in this process's memory, for one process and for tests."""

import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from vipps_async._wire.durations import checked_duration
from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores.base import LONGEST_RETENTION, RENEWAL_GAIN, Claim

# A dict that grows copies itself in one go, for which the event loop stands still: several small ones do so in turn.
_SHARDS = 8
# More than the one that an event adds, so that a backlog shrinks; few, so that no event waits for it.
_FORGOTTEN_A_CLAIM = 2


class MemoryStore:
    """Remembers events until the process ends: effects are at least once across a restart.

    Args:
        retention: how long, in seconds or as a timedelta, an event is remembered at least after its last delivery; a
            little longer than Vipps MobilePay redelivers.
        max_events: how many are remembered at most, in less than 250 bytes each; the oldest is forgotten early when
            there are more.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: *max_events* is not above 0.
    """

    def __init__(
        self,
        *,
        retention: float | timedelta = timedelta(days=8),
        max_events: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if type(max_events) is not int or max_events < 1:
            raise ConfigurationError(f"max_events={max_events!r} must be above 0")
        self._retention = checked_duration("retention", retention, most=LONGEST_RETENTION)
        self._max_events = max_events
        self._clock = clock
        self._held: set[bytes] = set()
        self._shards: list[dict[bytes, float]] = [{} for _ in range(_SHARDS)]
        # A dict finds its own first key only by walking over all that were deleted before it. A mark that was renewed
        # is here more than once, with each time that it was given.
        self._oldest_first: deque[bytes] = deque()
        self._expiries: deque[float] = deque()

    @property
    def retention(self) -> timedelta:
        """The least time for which an event is remembered after its last delivery; claims forget what is older."""
        return self._retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: another task is inside its claim of the same event.
        """
        digest = _digest(key)
        self._purge()
        if not self._acquire(digest, key):
            yield Claim(is_duplicate=True)
            return
        try:
            yield Claim(is_duplicate=False)
            self._complete(digest)
        finally:
            self._release(digest)

    def _acquire(self, digest: bytes, key: str) -> bool:
        if digest in self._held:
            raise ClaimHeld(key)
        expires_at = self._shard_of(digest).get(digest)
        if expires_at is None:
            self._held.add(digest)
        elif expires_at + RENEWAL_GAIN.total_seconds() < self._expiry():
            self._complete(digest)
        return expires_at is None

    def _complete(self, digest: bytes) -> None:
        expires_at = self._shard_of(digest)[digest] = self._expiry()
        self._oldest_first.append(digest)
        self._expiries.append(expires_at)
        if len(self._oldest_first) > self._max_events:
            self._forget_oldest()

    def _release(self, digest: bytes) -> None:
        self._held.discard(digest)

    def _purge(self) -> None:
        now = self._clock()
        for _ in range(_FORGOTTEN_A_CLAIM):
            if not self._expiries or self._expiries[0] >= now:
                return
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest, expires_at = self._oldest_first.popleft(), self._expiries.popleft()
        shard = self._shard_of(oldest)
        if shard[oldest] == expires_at:  # or it was renewed since
            del shard[oldest]

    def _expiry(self) -> float:
        return self._clock() + self._retention.total_seconds()

    def _shard_of(self, digest: bytes) -> dict[bytes, float]:
        return self._shards[digest[0] % _SHARDS]


def _digest(key: str) -> bytes:
    # The same memory for a key of any length; 128 bits, since an event that is taken for another is lost.
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=16).digest()
