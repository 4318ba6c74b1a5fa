"""A shop with one payment to read, whose clients, here or in other processes, may share a token."""

import time
from datetime import timedelta
from typing import Any

import attrs
from redis.asyncio import Redis

from tests.support.payments import REFERENCE, create, requests_of
from vipps_async import VippsClient
from vipps_async._http.token import AccessToken
from vipps_async._wire.secret import Secret
from vipps_async.sandbox import Sandbox
from vipps_async.token_cache import RedisTokenCache, TokenCache
from vipps_async.token_cache._seal import Seal


@attrs.frozen
class Shop:
    """One payment in a sandbox."""

    sandbox: Sandbox

    @property
    def fetches(self) -> int:
        """How many tokens were asked for since the payment was made."""
        return len(requests_of(self.sandbox, "token")) - 1

    @property
    def refusals(self) -> int:
        """How many reads were answered 401."""
        return sum(request.status == 401 for request in requests_of(self.sandbox, "get"))

    @property
    def seal(self) -> Seal:
        """The seal of its clients."""
        return Seal(self.sandbox.credentials, self.sandbox.environment)

    def client(self, cache: TokenCache | None, **options: Any) -> VippsClient:
        """Return a new client."""
        settings = {"credentials": self.sandbox.credentials, "environment": self.sandbox.environment}
        return VippsClient(**{**settings, **options}, token_cache=cache)

    async def read_once(self, cache: TokenCache | None, **options: Any) -> None:
        """Read the payment with a client that was not there before, and is not afterwards."""
        async with self.client(cache, **options) as vipps:
            await vipps.epayment.get(REFERENCE)

    async def leave_token_to_renew(self, redis: Redis) -> str:
        """Have the cache hold a token that is good for ten minutes, and whose renewal is due; return it."""
        issued = self.sandbox._state.gateway.tokens.issue(now=self.sandbox.clock.now())["access_token"]
        bearer, now = {"Authorization": Secret(f"Bearer {issued}")}, time.monotonic()
        token = AccessToken(bearer, renew_at=now, expires_at=now + 3600)
        await RedisTokenCache(redis).set(
            self.seal.name, self.seal.seal(token, old=None), lifetime=timedelta(minutes=10)
        )
        return issued


async def open_shop(sandbox: Sandbox) -> Shop:
    """Make the payment; the token that it took is of no use any more."""
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        await create(vipps)
    sandbox.revoke_tokens()
    return Shop(sandbox)
