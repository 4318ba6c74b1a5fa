"""A token cache in Redis, for any number of processes and machines."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vipps_async._drivers import CallersRedis
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
            In a cluster, and in another event loop than the first, a process has a token of its own.
        prefix: what every key in Redis starts with.

    Raises:
        ConfigurationError: *client* is not asyncio's or is a `RedisCluster`, or the library is not installed.
    """

    def __init__(self, client: "Redis", *, prefix: str = "vipps:token:") -> None:
        self._client, self._prefix = CallersRedis(client, name="RedisTokenCache", extra="tokens"), prefix

    async def get(self, name: str) -> CachedValue | None:
        """Return what *name* holds, if it holds anything."""
        value, milliseconds = await self._run(_GET, name)
        if value is None:
            return None
        return CachedValue(value.encode() if isinstance(value, str) else value, timedelta(milliseconds=milliseconds))

    async def set(self, name: str, value: bytes, *, lifetime: timedelta) -> None:
        """Have *name* hold *value*, whatever it held."""
        client = await self._client.of_one_server()
        await client.set(self._prefix + name, value, px=_milliseconds(lifetime))

    async def add(self, name: str, value: bytes, *, lifetime: timedelta) -> bool:
        """Have *name* hold *value* if it holds nothing; return whether it holds *value* now."""
        return bool(await self._run(_ADD, name, value, _milliseconds(lifetime)))

    async def delete(self, name: str, value: bytes) -> None:
        """Have *name* hold nothing, if it holds *value*."""
        await self._run(_DELETE, name, value)

    async def _run(self, script: str, name: str, *values: bytes | int) -> Any:
        client: Any = await self._client.of_one_server()  # its stubs take no bytes
        return await client.eval(script, 1, self._prefix + name, *values)


def _milliseconds(lifetime: timedelta) -> int:
    # Redis refuses an expiry of none.
    return max(1, lifetime // timedelta(milliseconds=1))
