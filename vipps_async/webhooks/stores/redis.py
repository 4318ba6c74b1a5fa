"""A store in Redis, for any number of processes and machines; effects are at least once."""

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import attrs

from vipps_async._redis import check_client
from vipps_async.errors import ClaimHeld, ConfigurationError, DeliveryError
from vipps_async.webhooks.stores.base import Claim

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

_T = TypeVar("_T")
_logger = logging.getLogger("vipps_async.webhooks")

# An event's one key holds "held <owner>" while it is claimed, "done <owner>" from then on. The owner is a claim, not a
# process. Redis clients repeat a command whose reply was lost, so each script takes its own earlier work as success.
# Nothing is written without PX, so that no key stays for ever: Redis documentation, SET and "Distributed Locks".
_TAKE = """
local said = redis.call('GET', KEYS[1])
if not said or said == 'held ' .. ARGV[1] then
  redis.call('SET', KEYS[1], 'held ' .. ARGV[1], 'PX', ARGV[2])
  return -1 -- new
end
if string.sub(said, 1, 5) == 'done ' then return -2 end -- duplicate
return math.max(redis.call('PTTL', KEYS[1]), 0) -- held, so many milliseconds more
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= 'held ' .. ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_MARK = """
local said = redis.call('GET', KEYS[1])
if said == 'done ' .. ARGV[1] then return 1 end
if said ~= 'held ' .. ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'done ' .. ARGV[1], 'PX', ARGV[2])
return 1
"""
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) ~= 'held ' .. ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@attrs.define
class _Lease:
    event: str
    name: bytes
    owner: str = attrs.field(factory=lambda: secrets.token_hex(8))
    is_over: bool = False


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
        retention: how long an event is remembered; a little longer than Vipps MobilePay redelivers.
        lease: after how long the claim of a process that died is free. It is renewed every third of this while a
            handler runs, so a handler may take longer; it must not block the event loop for as long.
        prefix: what every key in Redis starts with; receivers that share it share their events.

    Raises:
        ConfigurationError: *retention* or *lease* is below 1 ms, *client* not asyncio's, or the library not installed.
    """

    def __init__(
        self,
        client: "Redis",
        *,
        retention: timedelta = timedelta(days=8),
        lease: timedelta = timedelta(seconds=30),
        prefix: str = "vipps:event:",
    ) -> None:
        if min(retention, lease) < timedelta(milliseconds=1):
            raise ConfigurationError(f"retention={retention} and lease={lease} must be a millisecond or more")
        check_client(client, name="RedisStore", extra="redis")
        self._retention, self._lease, self._prefix = retention, lease, prefix
        scripts = (_TAKE, _RENEW, _MARK, _GIVE_BACK)
        self._take, self._renew, self._mark, self._give_back = map(client.register_script, scripts)

    @property
    def retention(self) -> timedelta:
        """How long an event is remembered."""
        return self._retention

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[Claim]:
        """Claim the event *key*; `EventStore.claim` describes how.

        Raises:
            ClaimHeld: the event is claimed, in any process; ``retry_after`` is when it is free if that process died.
            DeliveryError: the block was left cleanly, but the lease had been lost, so that nothing was marked.
            redis.exceptions.RedisError: Redis did not do it, by the client's timeouts and retries.
            TimeoutError: Redis did not do it within *lease*.
        """
        # JSON can hold lone surrogates.
        lease = _Lease(key, f"{self._prefix}{key}".encode(errors="surrogatepass"))
        if not await self._is_new(lease):
            yield Claim(is_duplicate=True)
            return
        heartbeat = asyncio.create_task(self._keep_renewing(lease))
        try:
            yield Claim(is_duplicate=False)
        except BaseException:
            await _finished(self._end(lease, heartbeat, self._give_back_or_log))
            raise
        await _finished(self._end(lease, heartbeat, self._mark_done))

    async def _is_new(self, lease: _Lease) -> bool:
        try:
            # An abandoned command could reach Redis after the give-back.
            answer = await _finished(self._run(self._take, lease, self._lease))
        except asyncio.CancelledError:
            await _finished(self._give_back_or_log(lease))
            raise
        if answer >= 0:  # milliseconds
            raise ClaimHeld(lease.event, retry_after=max(1, math.ceil(answer / 1000)))
        return answer == -1

    async def _end(
        self, lease: _Lease, heartbeat: asyncio.Task[None], end: Callable[[_Lease], Awaitable[None]]
    ) -> None:
        lease.is_over = True
        heartbeat.cancel()
        await asyncio.wait({heartbeat})
        await end(lease)

    async def _keep_renewing(self, lease: _Lease) -> None:
        pause = self._lease.total_seconds() / 3
        is_ours = True
        # Cancelling is not enough: a client that fails while it is cancelled raises its own error instead.
        while is_ours and not lease.is_over:
            await asyncio.sleep(pause)
            try:
                # Bounded, so that one stuck attempt leaves time for the next.
                async with asyncio.timeout(pause):
                    is_ours = await self._run(self._renew, lease, self._lease) == 1
            except Exception:
                _logger.warning("the lease of event %s could not be renewed; trying again", lease.event, exc_info=True)
        if not is_ours:
            _logger.warning("the lease of event %s was lost while its handler runs", lease.event)

    async def _mark_done(self, lease: _Lease) -> None:
        if not await self._run(self._mark, lease, self._retention):
            advice = f"if the handler blocks the event loop, raise the lease of {self._lease}"
            raise DeliveryError(f"the lease of event {lease.event} was lost before its handler ended; {advice}")

    async def _give_back_or_log(self, lease: _Lease) -> None:
        try:
            await self._run(self._give_back, lease)
        except Exception:
            # What made the block end matters more.
            _logger.warning("event %s is given back only as its lease ends", lease.event, exc_info=True)

    async def _run(self, script: "AsyncScript", lease: _Lease, expiry: timedelta | None = None) -> int:
        milliseconds = () if expiry is None else (expiry // timedelta(milliseconds=1),)
        async with asyncio.timeout(self._lease.total_seconds()):
            return int(await script(keys=[lease.name], args=[lease.owner, *milliseconds]))


async def _finished(work: Awaitable[_T]) -> _T:
    """Await *work* to its end even if this task is cancelled meanwhile, which then counts after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
