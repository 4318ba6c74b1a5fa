"""Fixtures of the ePayment tests."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from tests.conftest import QUICK
from vipps_async import VippsClient
from vipps_async.sandbox import Sandbox


@pytest.fixture(params=["current", "draft"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Sandbox, VippsClient]]:
    """A sandbox in either dialect, and its client."""
    dialect: Literal["current", "draft"] = request.param
    async with (
        Sandbox(dialect=dialect, retry_delays=[0.02]) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment, retry=QUICK) as vipps,
    ):
        yield sandbox, vipps
