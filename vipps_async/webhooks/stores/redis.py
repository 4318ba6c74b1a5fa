"""A store in Redis, for any number of processes and machines; effects are at least once."""

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from vipps_async._drivers import CallersRedis
from vipps_async._wire.durations import checked_duration
from vipps_async.errors import ClaimHeld, DeliveryError
from vipps_async.webhooks._tasks import wait_uncancelled
from vipps_async.webhooks.stores._redis_batches import Batches
from vipps_async.webhooks.stores.base import LONGEST_RETENTION, RENEWAL_GAIN, Claim

if TYPE_CHECKING:
    from redis.asyncio import Redis

_logger = logging.getLogger("vipps_async.webhooks")

# An event's one key holds "held <owner>" while it is claimed, "done <owner>" from then on. The owner is a claim, not a
# process. Redis clients repeat a command whose reply was lost, so each script takes its own earlier work as success.
# Nothing is written without PX, so that no key stays for ever: Redis documentation, SET and "Distributed Locks".
_ACQUIRE = """
local said = redis.call('GET', KEYS[1])
if not said or said == 'held ' .. ARGV[1] then
  redis.call('SET', KEYS[1], 'held ' .. ARGV[1], 'PX', ARGV[2])
  return -1 -- new
end
if string.sub(said, 1, 5) == 'done ' then
  if redis.call('PTTL', KEYS[1]) < ARGV[3] - ARGV[4] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  return -2 -- duplicate
end
return math.max(redis.call('PTTL', KEYS[1]), 0) -- held, so many milliseconds more
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= 'held ' .. ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_COMPLETE = """
local said = redis.call('GET', KEYS[1])
if said == 'done ' .. ARGV[1] then return 1 end
if said ~= 'held ' .. ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'done ' .. ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= 'held ' .. ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@attrs.frozen
class _Lease:
    event: str
    name: bytes
    owner: str = attrs.field(factory=lambda: secrets.token_hex(8))


class RedisStore:
    """Remembers events in a Redis server that all receivers share.

    Effects are **at least once**: a handler's effect and the mark in Redis cannot commit together. A handler runs again
    when its process dies, when its lease is lost (the process or the event loop stood still for longer than *lease*, or
    Redis was away), or when Redis forgets: a restart without persistence, a failover that loses writes, or an eviction
    policy other than ``noeviction``. So make effects harmless to repeat, for instance keyed by the event's `dedup_key`.

    While Redis cannot be reached, deliveries fail and Vipps MobilePay repeats them; nothing has to be done afterwards.

    Args:
        client: ``redis.asyncio.Redis``, which decides about password, TLS, timeouts and retries; it is not closed here.
            ``Redis.from_url`` retries nothing unless told: each of its connections fails one delivery after a restart.
            Not a cluster's, and for one event loop.
        retention: how long, in seconds or as a timedelta, an event is remembered after its last delivery; a little
            longer than Vipps MobilePay redelivers.
        lease: after how long, in seconds or as a timedelta, the claim of a process that died is free. It is renewed
            every third of this while a handler runs, so a handler may take longer; it must not block the event loop for
            as long.
        prefix: what every key in Redis starts with; receivers that share it share their events.

    Raises:
        ConfigurationError: *retention* or *lease* is below 1 ms, *client* not asyncio's or a cluster's, or the library
            not installed.
    """

    def __init__(
        self,
        client: "Redis",
        *,
        retention: float | timedelta = timedelta(days=8),
        lease: float | timedelta = timedelta(seconds=30),
        prefix: str = "vipps:event:",
    ) -> None:
        mine = CallersRedis(client, name="RedisStore", extra="redis")
        self._retention = checked_duration("retention", retention, most=LONGEST_RETENTION)
        self._lease, self._prefix = checked_duration("lease", lease), prefix
        self._pause = self._lease.total_seconds() / 3
        self._batches = Batches(mine, self._pause)

    @property
    def retention(self) -> timedelta:
        """The time for which an event is remembered after its last delivery."""
        return self._retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: the event is claimed, in any process; ``retry_after`` is when it is free if that process died.
            DeliveryError: the block was left cleanly, but the lease had been lost, so that nothing was marked.
            ConfigurationError: the client's server is a node of a cluster.
            WrongEventLoop: the client was used in another event loop before.
            redis.exceptions.RedisError: Redis did not do it, by the client's timeouts and retries.
            TimeoutError: Redis did not do it within *lease*.
        """
        # JSON can hold lone surrogates.
        lease = _Lease(key, f"{self._prefix}{key}".encode(errors="surrogatepass"))
        if not await self._acquire(lease):
            yield Claim(is_duplicate=True)
            return
        try:
            with self._renewed(lease):
                yield Claim(is_duplicate=False)
        except BaseException:
            await self._release(lease)
            raise
        await self._complete(lease)

    async def _acquire(self, lease: _Lease) -> bool:
        try:
            # An abandoned command could reach Redis after the release.
            answer = await wait_uncancelled(self._run(_ACQUIRE, lease, self._lease, self._retention, RENEWAL_GAIN))
        except asyncio.CancelledError:
            await self._release(lease)
            raise
        if answer >= 0:  # milliseconds
            raise ClaimHeld(lease.event, retry_after=max(1, math.ceil(answer / 1000)))
        return answer == -1

    @contextmanager
    def _renewed(self, lease: _Lease) -> Iterator[None]:
        renewals: list[asyncio.Task[None]] = []
        # Few handlers take so long that they need a task for it.
        begin = asyncio.get_running_loop().call_later(
            self._pause, lambda: renewals.append(asyncio.create_task(self._renew(lease)))
        )
        try:
            yield
        finally:
            begin.cancel()
            for task in renewals:
                task.cancel()

    async def _renew(self, lease: _Lease) -> None:
        is_ours = True
        while is_ours:
            try:
                is_ours = await self._run(_RENEW, lease, self._lease) == 1
            except Exception:
                _logger.warning("the lease of event %s could not be renewed; trying again", lease.event, exc_info=True)
            if is_ours:
                await asyncio.sleep(self._pause)
        _logger.warning("the lease of event %s was lost while its handler runs", lease.event)

    async def _complete(self, lease: _Lease) -> None:
        if not await wait_uncancelled(self._run(_COMPLETE, lease, self._retention)):
            advice = f"if the handler blocks the event loop, raise the lease of {self._lease}"
            raise DeliveryError(f"the lease of event {lease.event} was lost before its handler ended; {advice}")

    async def _release(self, lease: _Lease) -> None:
        try:
            await wait_uncancelled(self._run(_RELEASE, lease))
        except Exception:
            # What made the block end matters more.
            _logger.warning("event %s is given back only as its lease ends", lease.event, exc_info=True)

    def _run(self, script: str, lease: _Lease, *times: timedelta) -> asyncio.Future[int]:
        milliseconds = (time // timedelta(milliseconds=1) for time in times)
        return self._batches.run(script, lease.name, lease.owner, *milliseconds)
