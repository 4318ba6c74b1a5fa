"""Real processes share one token: one renewal among all of them, whatever becomes of the one that makes it."""

import asyncio

import attrs
from redis.asyncio import Redis

from tests.support.payments import REFERENCE
from tests.support.servers.redis import RedisServer
from tests.support.token_cache.processes import Job, Team
from tests.support.token_cache.shop import Shop
from vipps_async.sandbox import Fault

SIZE = 8


def team_of(shop: Shop, redis_server: RedisServer, size: int = SIZE) -> Team:
    """Processes that read the shop's payment."""
    sandbox = shop.sandbox
    environ = {f"VIPPS_{name.upper()}": str(value) for name, value in attrs.asdict(sandbox.credentials).items()}
    job = Job(environ=environ, base_url=sandbox.base_url, redis_url=redis_server.url, reference=REFERENCE)
    return Team(job, size)


async def test_processes_that_start_at_once_fetch_one_token(
    shop: Shop, redis_server: RedisServer, redis: Redis
) -> None:
    """Eight processes whose first calls begin together make one token request in all, and so do eight after them."""
    for _ in range(2):
        async with team_of(shop, redis_server) as team:
            assert await team.call() == {"Payment": 3 * SIZE}
    assert (shop.fetches, shop.refusals) == (1, 0)


async def test_a_refused_token_is_renewed_once(shop: Shop, redis_server: RedisServer, redis: Redis) -> None:
    """Eight processes whose common token is revoked make one token request in all, and no call fails."""
    async with team_of(shop, redis_server) as team:
        await team.call()
        for renewals in (1, 2):
            shop.sandbox.revoke_tokens()
            assert await team.call() == {"Payment": 3 * SIZE}
            assert shop.fetches == 1 + renewals


async def test_a_renewal_ahead_of_time_is_made_once(shop: Shop, redis_server: RedisServer, redis: Redis) -> None:
    """When the common token comes near its end, one of eight processes fetches the next, which serves them all."""
    old = await shop.leave_token_to_renew(redis)
    async with team_of(shop, redis_server) as team:
        while not shop.fetches:
            assert await team.call() == {"Payment": 3 * SIZE}
        # By now each has asked for a renewal: its second calls found a token that was due.
        await team.call()
        while await redis.exists(f"vipps:token:{shop.seal.name}:lock"):
            await asyncio.sleep(0.01)
        assert shop.refusals == 0
        shop.sandbox._state.gateway.tokens.revoke(old)
        assert await team.call() == {"Payment": 3 * SIZE}
    assert shop.fetches == 1


async def test_nobody_waits_for_a_renewal_ahead_of_time(shop: Shop, redis_server: RedisServer, redis: Redis) -> None:
    """While the renewal hangs, all processes go on with the token that is good still."""
    await shop.leave_token_to_renew(redis)
    shop.sandbox.fail("token", Fault.STALLED, times=None)
    async with team_of(shop, redis_server) as team:
        while not shop.fetches:
            assert await team.call() == {"Payment": 3 * SIZE}
        assert await team.call() == {"Payment": 3 * SIZE}
    assert shop.refusals == 0


async def test_a_process_that_is_killed_while_it_renews_is_replaced(
    shop: Shop, redis_server: RedisServer, redis: Redis
) -> None:
    """When the process that fetches the token for all is killed, one of the others fetches it."""
    shop.sandbox.fail("token", Fault.STALLED)
    async with team_of(shop, redis_server, size=4) as team:
        doomed, *others = team.members
        doomed_calls = asyncio.create_task(doomed.call())
        while not shop.fetches:
            await asyncio.sleep(0.01)
        doomed.kill()
        ends = await asyncio.gather(*(other.call() for other in others))
        assert ends == [{"Payment": 3}] * 3
        assert shop.fetches == 2
        await asyncio.wait([doomed_calls])
        assert isinstance(doomed_calls.exception(), EOFError)
