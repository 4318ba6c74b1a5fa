"""Fixtures for every test: a sandbox, and a client that talks to it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from vipps_async import RetryPolicy, VippsClient
from vipps_async.sandbox import Sandbox

QUICK = RetryPolicy(initial_delay=0.01, longest_delay=0.05, attempt_timeout=0.5)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that speaks the current API."""
    async with Sandbox(retry_delays=[0.02]) as server:
        yield server


@pytest_asyncio.fixture
async def vipps(sandbox: Sandbox) -> AsyncIterator[VippsClient]:
    """A client of the sandbox that retries without delay."""
    async with VippsClient(sandbox.credentials, environment=sandbox.environment, timeout=5, retry=QUICK) as client:
        yield client
