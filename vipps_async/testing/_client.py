"""A client for all event loops of a test, which leaves nothing open in any."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager

import aiohttp

from vipps_async._http.retry import RetryPolicy
from vipps_async.client import VippsClient
from vipps_async.sandbox import Sandbox

_AT_ONCE = RetryPolicy(initial_delay=0.01, max_delay=0.1)


class _Sessions:
    """One aiohttp session for each event loop that asks for one."""

    def __init__(self) -> None:
        self._by_loop: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    def current(self) -> aiohttp.ClientSession:
        """Return the running loop's session."""
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            # Connections end with their requests: a test's loop ends before its fixtures, which then could close none.
            self._by_loop[loop] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        return self._by_loop[loop]

    def close(self) -> None:
        """Close the sessions; they hold no connections."""
        for session in self._by_loop.values():
            session.detach()


@contextmanager
def client_of(sandbox: Sandbox) -> Iterator[VippsClient]:
    """A client of *sandbox*."""
    with closing(_Sessions()) as sessions:
        yield VippsClient(
            sandbox.credentials, environment=sandbox.environment, session=sessions.current, retry=_AT_ONCE
        )
