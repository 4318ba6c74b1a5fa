from collections.abc import AsyncIterator

import pytest

from tests.support.sandbox.merchant import Merchant, Shop, at, shop
from vipps_async.sandbox import Sandbox


@pytest.fixture
async def merchant(sandbox: Sandbox) -> AsyncIterator[Merchant]:
    """A merchant that is signed in at the sandbox."""
    async with at(sandbox) as signed_in:
        yield signed_in


@pytest.fixture
async def unlimited() -> AsyncIterator[Merchant]:
    """A merchant that may call about one payment as often as it likes."""
    async with Sandbox(retry_delays=[0.02], rate_limits=False) as running, at(running) as signed_in:
        yield signed_in


@pytest.fixture
async def draft(request: pytest.FixtureRequest) -> AsyncIterator[Merchant]:
    """A merchant that is signed in at a sandbox of the draft; a strict one for tests that are marked so."""
    strict = "strict" in request.keywords
    async with Sandbox(dialect="draft", retry_delays=[0.02], strict=strict) as running, at(running) as signed_in:
        yield signed_in


@pytest.fixture(name="shop")
async def running_shop() -> AsyncIterator[Shop]:
    """A server that takes deliveries."""
    async with shop() as opened:
        yield opened
