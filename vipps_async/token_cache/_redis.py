"""A token cache in Redis, for any number of processes and machines."""

from datetime import timedelta
from typing import TYPE_CHECKING

from vipps_async._redis import check_client
from vipps_async.token_cache._base import CachedValue

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Read together, since a value must not get the expiry of the one that replaces it.
_GET = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"
# Redis clients repeat a command whose reply was lost, so a value that is there already counts as added.
_ADD = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_DELETE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisTokenCache:
    """Shares a client's access token among processes through a Redis server.

    Processes with the same credentials and environment use one token, and one of them renews it for all. In Redis the
    token is encrypted with a key that only those credentials give, and every key expires. While Redis is away, slow or
    full, each process has a token of its own, and no call fails.

    Args:
        client: ``redis.asyncio.Redis``, which decides about password, TLS, timeouts and retries; it is not closed here.
        prefix: what every key in Redis starts with.

    Raises:
        ConfigurationError: *client* is not asyncio's, or the library not installed.
    """

    def __init__(self, client: "Redis", *, prefix: str = "vipps:token:") -> None:
        check_client(client, name="RedisTokenCache", extra="tokens")
        self._client, self._prefix = client, prefix
        self._get, self._add, self._delete = map(client.register_script, (_GET, _ADD, _DELETE))

    async def get(self, name: str) -> CachedValue | None:
        """Return what *name* holds, if it holds anything."""
        value, milliseconds = await self._get(keys=[self._prefix + name])
        if value is None:
            return None
        return CachedValue(value.encode() if isinstance(value, str) else value, timedelta(milliseconds=milliseconds))

    async def set(self, name: str, value: bytes, *, lifetime: timedelta) -> None:
        """Have *name* hold *value*, whatever it held."""
        await self._client.set(self._prefix + name, value, px=_milliseconds(lifetime))

    async def add(self, name: str, value: bytes, *, lifetime: timedelta) -> bool:
        """Have *name* hold *value* if it holds nothing; return whether it holds *value* now."""
        return bool(await self._add(keys=[self._prefix + name], args=[value, _milliseconds(lifetime)]))

    async def delete(self, name: str, value: bytes) -> None:
        """Have *name* hold nothing, if it holds *value*."""
        await self._delete(keys=[self._prefix + name], args=[value])


def _milliseconds(lifetime: timedelta) -> int:
    # Redis refuses an expiry of none.
    return max(1, lifetime // timedelta(milliseconds=1))
