"""Debian's Chromium, driven by Playwright: nothing is downloaded. One browser for all tests, a profile for each."""

import os
import shutil
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from tests.support.sandbox.merchant import Merchant, Shop, at, shop
from vipps_async import VippsClient
from vipps_async.sandbox import Sandbox

CONTAINER = "sandbox-in-a-container"  # a name that browsers do not take for this machine
PHONE: ViewportSize = {"width": 360, "height": 740}

_PATIENCE = 20_000  # milliseconds, on a busy machine
expect.set_options(timeout=_PATIENCE)


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _binary() -> str:
    found = shutil.which("chromium")
    return found or _unavailable("chromium is not installed: apt-get install chromium (Debian)")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser; Chromium's own sandbox does not work for root."""
    binary, arguments = _binary(), [f"--host-resolver-rules=MAP {CONTAINER} 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=binary, args=arguments)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Page]:
    """A tab that fails the test if a script throws or a policy is violated; closed before its sandbox stops."""
    context = await browser.new_context()
    context.set_default_timeout(_PATIENCE)
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield tab
    await context.close()
    # A sandbox that is gone, or says no, is what some tests are about.
    assert [complaint for complaint in complaints if not complaint.startswith("Failed to load resource")] == []


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that tries a failed delivery again when a test asks for it."""
    async with Sandbox(retry_delays=[3600]) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(sandbox: Sandbox) -> AsyncIterator[Merchant]:
    """A merchant that is signed in at the sandbox."""
    async with at(sandbox) as signed_in:
        yield signed_in


@pytest_asyncio.fixture(loop_scope="session", name="shop")
async def running_shop() -> AsyncIterator[Shop]:
    """A server that takes deliveries."""
    async with shop() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def vipps(sandbox: Sandbox) -> AsyncIterator[VippsClient]:
    """A client of the sandbox, in the browser's loop."""
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as client:
        yield client
