"""Fixtures for every test: a sandbox, and a client that talks to it."""

import io
import logging
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.support.servers.postgres import provide_postgres_server
from tests.support.servers.redis import provide_redis_persistent_server, provide_redis_server, provide_redis_tls_server
from tests.support.tracebacks import everything_of
from vipps_async import RetryPolicy, VippsClient
from vipps_async.sandbox import Sandbox

# Fixtures are found by where they are imported: here once, so that one server of a kind serves all tests of a process.
__all__ = [
    "provide_postgres_server",
    "provide_redis_persistent_server",
    "provide_redis_server",
    "provide_redis_tls_server",
]

# A shared machine pauses at times, and then any example takes too long.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

QUICK = RetryPolicy(initial_delay=0.01, max_delay=0.05, attempt_timeout=2.0)


@pytest_asyncio.fixture
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A sandbox that speaks the current API; a strict one for tests that are marked so."""
    async with Sandbox(retry_delays=[0.02], strict="strict" in request.keywords) as server:
        yield server


@pytest_asyncio.fixture
async def vipps(sandbox: Sandbox) -> AsyncIterator[VippsClient]:
    """A client of the sandbox that retries without delay."""
    async with VippsClient(sandbox.credentials, environment=sandbox.environment, timeout=5, retry=QUICK) as client:
        yield client


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time zone is not UTC."""
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Every log record of every logger at DEBUG, with the traceback's variables."""

    class Telling(logging.Formatter):
        def formatException(self, ei: object) -> str:  # noqa: N802 - logging's own name
            assert isinstance(ei, tuple)
            return everything_of(ei[1])

    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Telling("%(name)s %(message)s %(args)r"))
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)
