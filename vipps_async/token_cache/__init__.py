"""One access token for many processes: where they share it, encrypted.

::

    async with VippsClient(credentials, token_cache=RedisTokenCache(Redis.from_url("rediss://…"))) as vipps:
        ...

`TokenCache` is what any other place has to do.
"""

from vipps_async.token_cache._base import CachedValue, TokenCache
from vipps_async.token_cache._redis import RedisTokenCache

__all__ = ["CachedValue", "RedisTokenCache", "TokenCache"]
