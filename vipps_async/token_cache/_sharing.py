"""One renewal among all processes that share a cache; a cache that fails is done without."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar

from vipps_async._http.token import AccessToken, Fetch
from vipps_async._loops.per_loop import cancellations
from vipps_async.config import Credentials, Environment
from vipps_async.errors import ConfigurationError
from vipps_async.token_cache._base import TokenCache
from vipps_async.token_cache._seal import Seal

T = TypeVar("T")

_logger = logging.getLogger("vipps_async")

_CACHE_TIMEOUT = 2.0  # seconds for one operation; a call's deadline is running
_LOCK_LIFETIME = timedelta(seconds=3)  # how long a process that died keeps the others waiting
_LOCK_RENEWED_EVERY = 1.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25


def shared_fetch(
    cache: TokenCache | None, credentials: Credentials, environment: Environment
) -> Callable[[Fetch], Fetch]:
    """Return what makes a fetch share its tokens through *cache*, or leaves it as it is if there is none.

    Raises:
        ConfigurationError: *cache* is no cache, or the cryptography library not installed.
    """
    if cache is None:
        return lambda fetch: fetch
    if not isinstance(cache, TokenCache):
        raise ConfigurationError(f"token_cache takes a cache such as RedisTokenCache(client), not {type(cache)}")
    return partial(SharedFetch, cache=cache, seal=Seal(credentials, environment))


class SharedFetch:
    """Gets tokens from the cache, or from *fetch* while it holds the lock.

    Args:
        fetch: fetches a token of this process's own.
        cache: what the processes share.
        seal: encrypts what goes there.
        clock: monotonic seconds.
    """

    def __init__(
        self, fetch: Fetch, *, cache: TokenCache, seal: Seal, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._seal = seal
        self._lock = f"{seal.name}:lock"
        self._clock = clock

    async def __call__(self, old: AccessToken | None, within: float) -> AccessToken:
        """Return a token other than *old*; no failure of the cache is raised.

        Args:
            old: the token to replace. If it was refused, it is removed from the cache too.
            within: seconds that it may take. Half of them are for another process's fetch; then this one fetches.

        Raises:
            VippsError: whatever ended the fetch.
        """
        owner = secrets.token_hex(8).encode()
        try:
            token = await self._find(old, owner, self._clock() + within / 2)
        except Exception as error:  # noqa: BLE001 - whatever a cache raises, the call goes on
            _warn(error)
            return await self._fetch(old, within)
        try:
            if token is None:
                token = await self._fetched(old, owner, within)
                await _tried(self._keep(token, old))
            return token
        finally:
            await _tried(self._unlock(owner))

    async def _find(self, old: AccessToken | None, owner: bytes, give_up_at: float) -> AccessToken | None:
        """Return another process's token, or ``None`` if it is this one's turn to fetch, or was not for too long."""
        if old is not None:
            give_up_at = max(give_up_at, old.expires_at)  # nobody waits for a renewal ahead of time
        pause = _FIRST_PAUSE
        while (token := await self._read(old)) is None:
            if await self._locked(owner):
                return await self._read(old)  # again: it can have been set before the last holder's lock went
            if self._clock() >= give_up_at:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return token

    async def _fetched(self, old: AccessToken | None, owner: bytes, within: float) -> AccessToken:
        # The lock is short, since its holder may die, and so renewed, since the endpoint may be slow.
        is_fetched = asyncio.Event()
        renewal = asyncio.create_task(self._renew_lock(owner, is_fetched), name="vipps_async token lock")
        try:
            return await self._fetch(old, within)
        finally:
            # Told, not cancelled: what a cache waits for can lose a cancellation, as asyncio.wait_for in Python 3.11.
            is_fetched.set()
            await asyncio.wait([renewal])

    async def _renew_lock(self, owner: bytes, is_fetched: asyncio.Event) -> None:
        while not is_fetched.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(is_fetched.wait(), _LOCK_RENEWED_EVERY)
                return
            await _tried(self._locked(owner))

    async def _locked(self, owner: bytes) -> bool:
        return await _bounded(self._cache.add(self._lock, owner, lifetime=_LOCK_LIFETIME))

    async def _unlock(self, owner: bytes) -> None:
        await self._cache.delete(self._lock, owner)

    async def _read(self, old: AccessToken | None) -> AccessToken | None:
        now = self._clock()
        cached = await _bounded(self._cache.get(self._seal.name))
        if cached is None:
            return None
        shared = self._seal.open(cached.value, expires_at=now + cached.expires_in.total_seconds())
        if shared is None:
            _logger.warning("the token cache holds what these credentials did not seal; it is removed")
        if shared is None or (old is not None and old.is_refused and shared.token.headers == old.headers):
            await _bounded(self._cache.delete(self._seal.name, cached.value))
            return None
        return shared.token if shared.can_replace(old) and shared.token.is_usable(now) else None

    async def _keep(self, token: AccessToken, old: AccessToken | None) -> None:
        lifetime = timedelta(seconds=token.expires_at - self._clock())
        await self._cache.set(self._seal.name, self._seal.seal(token, old=old), lifetime=lifetime)


async def _bounded(operation: Awaitable[T]) -> T:
    before = cancellations()
    try:
        async with asyncio.timeout(_CACHE_TIMEOUT):
            return await operation
    except asyncio.CancelledError as error:
        if cancellations() != before:
            raise
        raise RuntimeError("cancelled, which nobody asked for") from error


async def _tried(operation: Awaitable[object]) -> None:
    try:
        await _bounded(operation)
    except Exception as error:  # noqa: BLE001 - whatever a cache raises, the call goes on
        _warn(error)


def _warn(error: Exception) -> None:
    # Its type alone: what its text, or a traceback's variables, hold is not known here.
    _logger.warning("the token cache failed (%s); this process goes on without it", type(error).__qualname__)
