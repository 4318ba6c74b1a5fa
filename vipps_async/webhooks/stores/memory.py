"""A store in this process's memory, for one process and for tests."""

import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores.base import Claim

# A dict that grows copies itself in one go, for which the event loop stands still: several small ones do so in turn.
_SHARDS = 8
# More than the one that an event adds, so that a backlog shrinks; few, so that no event waits for it.
_FORGOTTEN_A_CLAIM = 2


class MemoryStore:
    """Remembers events until the process ends: effects are at least once across a restart.

    Args:
        retention: how long an event is remembered at least; a little longer than Vipps MobilePay redelivers.
        max_events: how many are remembered at most, in less than 250 bytes each; the oldest is forgotten early when
            there are more.
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
        self._held: set[bytes] = set()
        self._shards: list[dict[bytes, float]] = [{} for _ in range(_SHARDS)]
        # A dict finds its own first key only by walking over all that were deleted before it.
        self._oldest_first: deque[bytes] = deque()

    @property
    def retention(self) -> timedelta:
        """How long an event is remembered at least; claims forget what is older."""
        return self._retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: another task is inside its claim of the same event.
        """
        digest = _digest(key)
        if digest in self._held:
            raise ClaimHeld(key)
        self._forget_expired()
        if digest in self._shard_of(digest):
            yield Claim(is_duplicate=True)
            return
        self._held.add(digest)
        try:
            yield Claim(is_duplicate=False)
            self._remember(digest)
        finally:
            self._held.discard(digest)

    def _shard_of(self, digest: bytes) -> dict[bytes, float]:
        return self._shards[digest[0] % _SHARDS]

    def _remember(self, digest: bytes) -> None:
        self._shard_of(digest)[digest] = self._clock()
        self._oldest_first.append(digest)
        if len(self._oldest_first) > self._max_events:
            self._forget_oldest()

    def _forget_expired(self) -> None:
        horizon = self._clock() - self._retention.total_seconds()
        for _ in range(min(_FORGOTTEN_A_CLAIM, len(self._oldest_first))):
            oldest = self._oldest_first[0]
            if self._shard_of(oldest)[oldest] >= horizon:
                return
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._oldest_first.popleft()
        del self._shard_of(oldest)[oldest]


def _digest(key: str) -> bytes:
    # The same memory for a key of any length; 128 bits, since an event that is taken for another is lost.
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=16).digest()
