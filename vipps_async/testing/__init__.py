"""The pytest plugin: a sandbox, a client of it and signed deliveries, made anew for every test or once for a session.

The fixtures are plain functions, and the sandbox has a thread of its own: they serve tests without an event loop as
well as those that pytest-asyncio, pytest-aiohttp or anyio (on asyncio) runs.

pytest imports this module wherever the package is installed, so what a fixture needs is imported when it is used.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vipps_async.client import VippsClient
    from vipps_async.sandbox import Sandbox
    from vipps_async.testing.events import EventSource


_RETRY_DELAYS = (0.05,)  # seconds: no test should wait for the documented ones


def _running(request: pytest.FixtureRequest) -> "AbstractContextManager[Sandbox]":
    from vipps_async.sandbox import run_in_thread  # noqa: PLC0415 - see above

    return run_in_thread(**{"retry_delays": _RETRY_DELAYS, **getattr(request, "param", {})})


@pytest.fixture
def vipps_sandbox(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """A running `Sandbox`, to be used in any event loop; a test without one awaits its coroutines with `asyncio.run`.

    It tries deliveries that fail again after 50 ms. Other settings of `Sandbox` are given by indirect parametrization:
    ``@pytest.mark.parametrize("vipps_sandbox", [{"dialect": "draft"}], indirect=True)``.
    """
    with _running(request) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def vipps_sandbox_session(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """One running `Sandbox` for all tests of a session, otherwise as `vipps_sandbox` is.

    What a test leaves in it is there for the next one: a fixture that each test uses can await its `reset`.
    """
    with _running(request) as sandbox:
        yield sandbox


@pytest.fixture
def vipps_client(vipps_sandbox: "Sandbox") -> "Iterator[VippsClient]":
    """A `VippsClient` of `vipps_sandbox`, to be used in any event loop; it tries again within 0.1 s."""
    from vipps_async.testing._client import client_of  # noqa: PLC0415 - see above

    with client_of(vipps_sandbox) as client:
        yield client


@pytest.fixture
def vipps_event() -> "EventSource":
    """Makes deliveries of events, signed with ``vipps_event.secret`` for a webhook at ``vipps_event.url``."""
    from vipps_async.testing.events import EventSource  # noqa: PLC0415 - see above

    return EventSource()
