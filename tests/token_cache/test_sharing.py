"""Which token is taken, when one is fetched, and what the cache holds afterwards: the decisions, by a moved clock."""

from datetime import timedelta

import attrs
import pytest

from tests.support.raw_server import KEYS
from tests.support.token_cache.caches import InMemory, break_down
from tests.support.token_cache.shop import Shop
from vipps_async import Environment
from vipps_async._http.token import AccessToken
from vipps_async.token_cache._seal import Seal
from vipps_async.token_cache._sharing import SharedFetch


class Issuer:
    """Fetches tokens that live for an hour, numbered, by a clock that runs on by *step* seconds at each look."""

    def __init__(self, *, now: float = 0.0, step: float = 10.0) -> None:
        self.issued = 0
        self.now = now
        self._step = step

    def clock(self) -> float:
        """The time."""
        self.now += self._step
        return self.now

    async def __call__(self, _: AccessToken | None, __: float) -> AccessToken:
        """Issue the next token."""
        self.issued += 1
        return AccessToken.from_reply(
            {"access_token": f"token-{self.issued}", "expires_in": 3600}, asked_at=self.clock()
        )


WITHIN = 30.0
SEAL = Seal(KEYS, Environment.TEST)


async def test_a_cache_of_one_s_own_shares_a_token(shop: Shop) -> None:
    """Clients share a token through any object with the four methods, which then holds that token alone."""
    cache = InMemory()
    for _ in range(3):
        await shop.read_once(cache)
    assert shop.fetches == 1
    assert list(cache.held) == [shop.seal.name]


async def test_a_lock_that_nobody_gives_back_is_not_waited_for_long() -> None:
    """Even a lock that never expires only keeps a process waiting for some seconds."""
    cache, issuer = InMemory(), Issuer()
    await cache.add(f"{SEAL.name}:lock", b"somebody's", lifetime=timedelta(days=1))
    token = await SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)(None, WITHIN)
    assert token.headers == {"Authorization": "Bearer token-1"}
    assert cache.held[f"{SEAL.name}:lock"].value == b"somebody's"


async def test_a_renewal_ahead_of_time_waits_while_the_old_token_is_good() -> None:
    """A process that need not hurry leaves the renewal to the lock's holder until its own token has died."""
    cache, issuer = InMemory(), Issuer(step=500.0)
    shared = SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)
    old = await shared(None, WITHIN)
    await cache.add(f"{SEAL.name}:lock", b"somebody's", lifetime=timedelta(days=1))
    new = await shared(old, WITHIN)
    assert new.headers != old.headers
    assert new.expires_at - 3600 > old.expires_at


async def test_a_token_to_renew_stays_until_it_is_replaced() -> None:
    """A process that starts amid a renewal ahead of time, even one that fails, finds the token that is good still."""
    cache, issuer = InMemory(), Issuer()
    shared = SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)
    old = await shared(None, WITHIN)
    with pytest.raises(OSError, match="cannot connect"):
        await SharedFetch(break_down, cache=cache, seal=SEAL, clock=issuer.clock)(old, WITHIN)
    assert (await shared(None, WITHIN)).headers == old.headers
    assert issuer.issued == 1


async def test_a_token_that_is_set_just_before_the_lock_goes_is_used() -> None:
    """Who finds no token, and then gets the lock, looks again before it fetches."""

    class SetMeanwhile(InMemory):
        async def add(self, name: str, value: bytes, *, lifetime: timedelta) -> bool:
            await self.set(SEAL.name, SEAL.seal(before, old=None), lifetime=timedelta(hours=1))
            return await super().add(name, value, lifetime=lifetime)

    cache, issuer = SetMeanwhile(), Issuer()
    before = await issuer(None, WITHIN)
    token = await SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)(None, WITHIN)
    assert (token.headers, issuer.issued) == (before.headers, 1)
    assert list(cache.held) == [SEAL.name]


async def test_an_entry_lives_by_the_cache_s_clock() -> None:
    """What a token has left is what the cache says, whatever the clocks of the machines that share it show."""
    cache, issuer = InMemory(), Issuer()
    await SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)(None, WITHIN)
    cache.held[SEAL.name] = attrs.evolve(cache.held[SEAL.name], expires_in=timedelta(seconds=1000))
    there = Issuer(now=1_000_000.0)
    token = await SharedFetch(there, cache=cache, seal=SEAL, clock=there.clock)(None, WITHIN)
    assert there.issued == 0
    # It was looked at once to know how long to wait at most, and once before the cache was asked.
    assert (token.renew_at, token.expires_at) == (1_000_020.0 + 1000 - 300, 1_000_020.0 + 1000)


async def test_only_the_refused_token_is_removed() -> None:
    """A refusal removes the token that was refused, and leaves the one that was fetched in its place."""
    cache, issuer = InMemory(), Issuer()
    shared = SharedFetch(issuer, cache=cache, seal=SEAL, clock=issuer.clock)
    first = await shared(None, WITHIN)
    second = await shared(first.refused(), WITHIN)
    assert issuer.issued == 2
    held = cache.held[SEAL.name]
    assert (await shared(first.refused(), WITHIN)).headers == second.headers
    assert cache.held[SEAL.name] is held
    with pytest.raises(OSError, match="cannot connect"):
        await SharedFetch(break_down, cache=cache, seal=SEAL, clock=issuer.clock)(second.refused(), WITHIN)
    assert cache.held == {}
