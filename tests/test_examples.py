"""The examples are run as they are published."""

import importlib.util
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.agreements import TERMS
from tests.support.payments import REFERENCE, authorize
from vipps_async import VippsClient
from vipps_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent


def load(name: str) -> Any:
    """Import an example as a module."""
    spec = importlib.util.spec_from_file_location(f"examples_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """A port that is free a moment before it is used."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def test_quickstart_takes_a_payment(capsys: pytest.CaptureFixture[str]) -> None:
    """examples/quickstart.py runs to its end and says what was captured and refunded."""
    await load("quickstart").main()
    told = capsys.readouterr().out
    assert "/landing?token=" in told
    assert "Captured 499.00 NOK" in told
    assert "Refunded 99.00 NOK" in told


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    """Serve *app*."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def test_webhook_server_ships_each_order_once() -> None:
    """examples/webhook_server.py ships an order once although its event is delivered three times."""
    url = f"http://127.0.0.1:{free_port()}"
    async with (
        Sandbox(copies=3) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        registration = await vipps.webhooks.register(f"{url}/vipps/events")
        app = load("webhook_server").make_app(registration.url, registration.secret)
        async with serving(app, int(url.rpartition(":")[2])), aiohttp.ClientSession() as browser:
            await authorize(sandbox, vipps)
            await sandbox.settled()
            async with browser.get(url) as page:
                assert await page.json() == {REFERENCE: 1}
    assert {delivery.status for delivery in sandbox.deliveries} == {200}
    assert len(sandbox.deliveries) == 2 * 3


@pytest.mark.parametrize(("button", "outcome"), [("approve", "paid"), ("reject", "not paid: you rejected the payment")])
async def test_shopper_sees_what_became_of_the_order(button: str, outcome: str) -> None:
    """In examples/shop.py a shopper pays or rejects on the landing page, and comes back to the outcome."""
    shop = load("shop")
    async with (
        Sandbox() as sandbox,
        shop.open_shop(sandbox, free_port()) as url,
        aiohttp.ClientSession() as browser,
    ):
        async with browser.get(url) as front:
            assert 'action="/pay"' in await front.text()
        async with browser.post(f"{url}/pay") as landing:
            assert landing.url.path == "/landing"
            assert "499.00" in await landing.text()
        async with browser.post(landing.url, data={"action": button}) as order:
            assert str(order.url).startswith(f"{url}/orders/")
            assert f"<strong>{outcome}</strong>" in await order.text()
        async with browser.get(f"{url}/orders/unknown") as missing:
            assert missing.status == 404


async def test_express_server_ships_within_norway(vipps: VippsClient, sandbox: Sandbox) -> None:
    """examples/express_server.py creates an Express payment, and is asked what can be shipped to its user."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    app = load("express_server").make_app(vipps, url, "a-token")
    async with serving(app, port), aiohttp.ClientSession() as browser:
        async with browser.post(f"{url}/buy/{REFERENCE}", allow_redirects=False) as answer:
            assert answer.status == 303
        payment = await sandbox.approve(REFERENCE, shipping_option="shop")
        assert payment.authorized_amount == 49900


async def test_a_gym_s_members_pay_by_the_month(tmp_path: Path) -> None:
    """examples/subscriptions.py drafts, charges month after month, once each, and lets its members leave."""
    subscriptions = load("subscriptions")
    async with (
        Sandbox(copies=2) as sandbox,
        subscriptions.open_gym(sandbox, tmp_path / "gym.db", free_port()) as gym,
        aiohttp.ClientSession() as browser,
    ):
        async with browser.post(f"{gym.url}/join") as landing:
            assert "499.00 NOK every month" in (await landing.text()).replace("\N{NO-BREAK SPACE}", " ")
        async with browser.post(landing.url, data={"action": "accept"}) as member:
            assert "<strong>ACTIVE</strong>" in await member.text()
        for _ in range(65):
            for _ in range(2):  # a day's run is run again after a crash
                await subscriptions.charge_members(gym.vipps, gym.path, gym.today())
            sandbox.clock.advance(timedelta(days=1))
        await sandbox.settled()
        async with browser.get(member.url) as page:
            assert (await page.text()).count("499.00 NOK paid") == 3
        async with browser.post(f"{member.url}/stop") as left:
            assert "<strong>STOPPED</strong>" in await left.text()
        async with browser.get(f"{gym.url}/members/unknown") as missing:
            assert missing.status == 404
        (agreement,) = sandbox.recurring.agreements.values()
        assert agreement.state == "STOPPED"
        assert [charge.captured for charge in sandbox.recurring.charges.values()] == [49900] * 3


async def test_a_charge_run_that_was_killed_is_run_on_another_day(tmp_path: Path) -> None:
    """Its charge is there, or is made then: neither twice nor never, and the others do not wait for it."""
    subscriptions = load("subscriptions")
    async with (
        Sandbox() as sandbox,
        subscriptions.open_gym(sandbox, tmp_path / "gym.db", free_port()) as gym,
    ):
        for member in ("member-1", "member-2"):
            drafted = await gym.vipps.recurring.agreements.create(**TERMS, external_id=member)
            await sandbox.recurring.accept(drafted.agreement_id)
            row = [member, drafted.agreement_id, "ACTIVE", (gym.today() + timedelta(days=1)).isoformat()]
            await gym.books.execute("INSERT INTO members VALUES (?, ?, ?, ?)", row)
        await gym.books.commit()
        await subscriptions.charge_members(gym.vipps, gym.path, gym.today())
        # Killed after the first charge was created, and before the second was sent.
        second = [*sandbox.recurring.charges][1]
        await gym.books.execute("UPDATE charges SET is_sent = 0")
        await gym.books.execute("UPDATE charges SET due = ? WHERE order_id != ?", [gym.today().isoformat(), second])
        await gym.books.commit()
        for _ in range(3):
            sandbox.clock.advance(timedelta(days=3))
            await subscriptions.charge_members(gym.vipps, gym.path, gym.today())
        await sandbox.settled()
        rows = await gym.books.execute_fetchall("SELECT is_sent, captured, failure FROM charges")
        assert [*map(tuple, rows)] == [(1, 49900, None)] * 2
        assert len(sandbox.recurring.charges) == 2
