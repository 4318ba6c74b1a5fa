"""Fixtures for the token cache's tests: a shop, and an empty Redis server."""

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from tests.support.servers.redis import RedisServer
from tests.support.token_cache.shop import Shop, open_shop
from vipps_async.sandbox import Sandbox


@pytest_asyncio.fixture
async def shop(sandbox: Sandbox) -> Shop:
    """A shop with one payment."""
    return await open_shop(sandbox)


@pytest_asyncio.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    async with redis_server.client() as connected:
        await connected.flushall()
        yield connected
