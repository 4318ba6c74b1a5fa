"""The examples and the README's snippets are run as they are published."""

import ast
import asyncio
import importlib.util
import inspect
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support import PRICE, REFERENCE, authorize
from vipps_async import PaymentEvent, PaymentEventName, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

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


def snippets() -> list[str]:
    """The Python snippets of the README."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(snippets())))
async def test_readme_snippet_runs(
    number: int, sandbox: Sandbox, vipps: VippsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every snippet of the README runs against a sandbox, in the context that its text gives it."""
    keys = sandbox.credentials
    for name, value in {
        "ENVIRONMENT": sandbox.base_url,
        "CLIENT_ID": str(keys.client_id),
        "CLIENT_SECRET": str(keys.client_secret),
        "SUBSCRIPTION_KEY": str(keys.subscription_key),
        "MERCHANT_SERIAL_NUMBER": keys.merchant_serial_number,
    }.items():
        monkeypatch.setenv(f"VIPPS_{name}", value)
    source = snippets()[number]
    shopper = asyncio.create_task(_approve_what_comes(sandbox))
    context: dict[str, Any] = {
        "vipps": vipps,
        "PaymentEvent": PaymentEvent,
        "PaymentEventName": PaymentEventName,
        "reference": "order-0002",
        "amount": PRICE,
        "secret": "c2VjcmV0",
        "store_secret": str,
        "app": web.Application(),
        "method": "GET",
        "target": "/",
        "headers": {},
        "body": b"",
        "receiver": _receiver(),
    }
    if "await vipps.epayment.capture(reference, amount" in source:
        await authorize(sandbox, vipps, "order-0002")
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, context)  # noqa: S307 - the README's own code
    if inspect.isawaitable(result):
        await result
    shopper.cancel()
    assert len(context) > 1


async def _approve_what_comes(sandbox: Sandbox) -> None:
    while True:
        for reference, payment in list(sandbox.payments.items()):
            if str(payment.state) == "CREATED":
                await sandbox.approve(reference)
        await asyncio.sleep(0.01)


def _receiver() -> WebhookReceiver:

    return WebhookReceiver(store=MemoryStore(), allow_unsigned=True)


def test_ci_runs_the_readmes_test_command() -> None:
    """.ci/run takes its command from the README, where it stands under its mark."""
    readme = (ROOT / "README.md").read_text()
    assert "<!-- the test command -->\n```sh\npython3 -m venv" in readme
