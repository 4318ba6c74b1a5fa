"""A client in one event loop after another, in several at once, and after a fork."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.support.payments import PRICE, requests_of
from vipps_async import VippsClient
from vipps_async.errors import VippsError, WrongEventLoop
from vipps_async.sandbox import Sandbox, run_in_thread

F = TypeVar("F", bound=Callable[..., Any])


@pytest.fixture
def elsewhere() -> Iterator[Sandbox]:
    """A sandbox in a thread of its own."""
    with run_in_thread() as sandbox:
        yield sandbox


def client_of(sandbox: Sandbox) -> VippsClient:
    """A client that no event loop has used yet."""
    return VippsClient(sandbox.credentials, environment=sandbox.environment, timeout=5)


async def create(vipps: VippsClient, reference: str) -> str:
    """Create a payment; return its reference."""
    created = await vipps.epayment.create(amount=PRICE, reference=reference, return_url="https://shop.example/")
    return created.reference


# asyncio's own complaint, of sockets whose loop is gone: nothing can close them any more.
sockets_are_left = [
    pytest.mark.filterwarnings("ignore:unclosed <socket|unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <(socket|function _SelectorTransport)"),
]


def marked(function: F) -> F:
    """Ignore what `sockets_are_left` says."""
    for mark in sockets_are_left:
        function = mark(function)
    return function


@marked
def test_a_client_works_in_one_loop_after_another(elsewhere: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A client of a module serves each `asyncio.run`, with one token; aiohttp finds nothing that was left open."""
    vipps = client_of(elsewhere)
    for number in range(3):
        assert asyncio.run(create(vipps, f"order-{number:04}")) == f"order-{number:04}"
    asyncio.run(vipps.close())
    gc.collect()
    assert len(requests_of(elsewhere, "token")) == 1
    assert "Unclosed" not in caplog.text


def test_threads_at_once_are_served_or_refused_by_name(elsewhere: Sandbox) -> None:
    """While one loop has the client, another's call is refused before it is sent, and the error says what to do."""
    vipps = client_of(elsewhere)
    ends: list[str | VippsError] = []
    first, others = threading.Event(), threading.Event()

    async def hold() -> None:
        await create(vipps, "order-0000")
        first.set()
        await asyncio.to_thread(others.wait)
        ends.append(await create(vipps, "order-0001"))
        await vipps.close()

    def other(number: int) -> None:
        try:
            ends.append(asyncio.run(create(vipps, f"order-{number:04}")))
        except VippsError as error:
            ends.append(error)

    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    assert first.wait(10)
    threads = [threading.Thread(target=other, args=(number,)) for number in range(2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    others.set()
    holder.join(10)
    assert [type(end) for end in ends] == [WrongEventLoop] * 3 + [str]
    assert "asyncio.run_coroutine_threadsafe" in str(ends[0])
    assert sorted(elsewhere.payments) == ["order-0000", "order-0001"]


@marked
def test_closing_after_its_loop_died_raises_nothing(elsewhere: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever closes a client may do so in any event loop, at any time, and again."""
    vipps = client_of(elsewhere)
    asyncio.run(create(vipps, "order-0000"))
    asyncio.run(vipps.close())
    asyncio.run(vipps.close())
    gc.collect()
    assert "Unclosed" not in caplog.text


FORKS = """
import asyncio, os, sys
from vipps_async import Amount, VippsClient

vipps = VippsClient.from_env()

async def create(reference):
    await vipps.epayment.create(amount=Amount(1000, "NOK"), reference=reference, return_url="https://shop.example/")

loop = asyncio.new_event_loop()
loop.run_until_complete(create("order-0000"))
child = os.fork()
if child == 0:
    asyncio.run(create("order-0001"))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(create("order-0002"))
loop.run_until_complete(vipps.close())
loop.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_works_and_leaves_its_parent_s_connections(elsewhere: Sandbox) -> None:
    """A client that was used before a fork works in the child, and goes on working in the parent."""
    keys = elsewhere.credentials
    settings = {
        "VIPPS_CLIENT_ID": keys.client_id,
        "VIPPS_CLIENT_SECRET": keys.client_secret,
        "VIPPS_SUBSCRIPTION_KEY": keys.subscription_key,
        "VIPPS_MERCHANT_SERIAL_NUMBER": keys.merchant_serial_number,
        "VIPPS_ENVIRONMENT": elsewhere.base_url,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS], env={**os.environ, **settings}, check=False, timeout=30
    )
    assert done.returncode == 0
    assert sorted(elsewhere.payments) == ["order-0000", "order-0001", "order-0002"]
