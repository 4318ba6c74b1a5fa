"""Processes that each have a client of the same sandbox and Redis, and make calls when they are told to."""

import asyncio
import multiprocessing
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Self

import attrs
from redis.asyncio import Redis

from vipps_async import Credentials, Environment, VippsClient
from vipps_async.token_cache import RedisTokenCache

_PATIENCE = 30.0  # seconds that a start, or the calls, may take on a busy machine


@attrs.frozen(kw_only=True)
class Job:
    """What a process does: it reads *reference* at *base_url*, *calls* times at once whenever it is told to."""

    environ: dict[str, str]  # has the keys, which no pickle carries as Credentials
    base_url: str
    redis_url: str
    reference: str
    calls: int = 3


def serve(job: Job, parent: Connection) -> None:
    """Do *job* until the *parent* hangs up."""
    asyncio.run(_serve(job, parent))


async def _serve(job: Job, parent: Connection) -> None:
    async with (
        Redis.from_url(job.redis_url) as redis,
        VippsClient(
            Credentials.from_env(job.environ),
            environment=Environment(job.base_url),
            token_cache=RedisTokenCache(redis),
        ) as vipps,
    ):
        parent.send("ready")
        while await asyncio.to_thread(_is_told, parent):
            reads = (vipps.epayment.get(job.reference) for _ in range(job.calls))
            ends = await asyncio.gather(*reads, return_exceptions=True)
            parent.send(Counter(type(end).__name__ for end in ends))


def _is_told(parent: Connection) -> bool:
    try:
        parent.recv()
    except EOFError:
        return False
    return True


class Member:
    """One process."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._pipe, self._theirs = context.Pipe()
        self._process: ForkServerProcess = context.Process(target=serve, args=(job, self._theirs), daemon=True)

    async def start(self) -> None:
        """Start it, and wait until it can be told."""
        await asyncio.to_thread(self._process.start)
        self._theirs.close()
        assert await self._answer() == "ready"

    async def call(self) -> Counter[str]:
        """Have it make its calls, and return how they ended, by type."""
        self._pipe.send("call")
        answer = await self._answer()
        assert isinstance(answer, Counter)
        return answer

    def kill(self) -> None:
        """Kill it as a crash does."""
        self._process.kill()

    async def end(self) -> None:
        """Hang up, and wait for it."""
        self._pipe.close()
        await asyncio.to_thread(self._process.join, _PATIENCE)
        self._process.close()

    async def _answer(self) -> object:
        if not await asyncio.to_thread(self._pipe.poll, _PATIENCE):
            raise TimeoutError("a process does not answer")
        return self._pipe.recv()


class Team:
    """Processes with the same job; an asynchronous context manager that starts and ends them."""

    def __init__(self, job: Job, size: int) -> None:
        self.members = [Member(job) for _ in range(size)]

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(member.start() for member in self.members))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(member.end() for member in self.members))

    async def call(self) -> Counter[str]:
        """Have all make their calls at once, and return how they ended, by type."""
        return sum(await asyncio.gather(*(member.call() for member in self.members)), Counter[str]())
