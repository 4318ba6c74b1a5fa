"""The snippets of the README and of docs/ are run as they are published.

Those of docs/testing.md are tests, which tests/testing/test_wheel.py has pytest run.
"""

import ast
import asyncio
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import REGISTRY

from tests.support.diagrams import state_diagram
from tests.support.payments import PRICE, authorize
from tests.support.webhooks.asgi_sites import configure_django
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from vipps_async import PaymentEvent, PaymentEventName, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._recurring.lifecycle import AGREEMENT_TRANSITIONS, CHARGE_TRANSITIONS, AgreementState
from vipps_async.webhooks import Stage, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

ROOT = Path(__file__).parent.parent
PAGES = {page.name: page for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")) if page.name != "testing.md"}


def snippets(page: str) -> list[str]:
    """The Python snippets of a page."""
    return re.findall(r"```python\n(.*?)```", PAGES[page].read_text(), flags=re.DOTALL)


METRICS = [source for source in snippets("events.md") if "prometheus" in source or "opentelemetry" in source]
OTHERS = [(page, source) for page in PAGES for source in snippets(page) if source not in METRICS]


@pytest.fixture
def machine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment that the pages suppose: variables that lead to the sandbox, and a folder to write to."""
    keys = sandbox.credentials
    for name, value in {
        "ENVIRONMENT": sandbox.base_url,
        "CLIENT_ID": str(keys.client_id),
        "CLIENT_SECRET": str(keys.client_secret),
        "SUBSCRIPTION_KEY": str(keys.subscription_key),
        "MERCHANT_SERIAL_NUMBER": keys.merchant_serial_number,
    }.items():
        monkeypatch.setenv(f"VIPPS_{name}", value)
    monkeypatch.chdir(tmp_path)
    configure_django()


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("page", "source"), OTHERS)
async def test_published_snippet_runs(page: str, source: str, sandbox: Sandbox, vipps: VippsClient) -> None:
    """Every snippet of the README and of docs/ runs against a sandbox, in the context that its text gives it."""
    async with SQLiteStore("store.db") as store:
        context: dict[str, Any] = {
            "vipps": vipps,
            "credentials": sandbox.credentials,
            "VippsClient": VippsClient,
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
            "store": store,
        }
        if "await vipps.epayment.capture(reference, amount" in source:
            await authorize(sandbox, vipps, "order-0002")
        shopper = asyncio.create_task(_approve_what_comes(sandbox))
        code = compile(source, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, context)  # noqa: S307 - our own pages' code
        if inspect.isawaitable(result):
            await result
        shopper.cancel()
    assert len(context) > 1


async def test_documented_metrics_count_what_happens() -> None:
    """The snippets for Prometheus and OpenTelemetry report a delivery that was handled, and one that was refused."""
    reader = InMemoryMetricReader()
    set_meter_provider(MeterProvider([reader]))
    receiver = receiver_of()
    for source in METRICS:
        exec(source, {"receiver": receiver})  # noqa: S102 - our own page's code
    assert (await receiver.handle(delivery(event()))).status == 200
    assert (await receiver.handle(delivery(event(), {}))).status == 401
    for stage in ("received", "handled", "refused"):
        assert REGISTRY.get_sample_value("vipps_events_total", {"stage": stage}) == 1
    assert REGISTRY.get_sample_value("vipps_event_seconds_count", {"event": "CAPTURED"}) == 1
    document = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]  # there was something to read
    points = document["resource_metrics"][0]["scope_metrics"][0]["metrics"][0]["data"]["data_points"]
    counted = {point["attributes"]["stage"]: point["value"] for point in points}
    assert counted == {**dict.fromkeys(map(str, Stage), 0), "received": 1, "refused": 1, "handled": 1}


async def _approve_what_comes(sandbox: Sandbox) -> None:
    while True:
        for reference, payment in list(sandbox.payments.items()):
            if str(payment.state) == "CREATED":
                await sandbox.approve(reference)
        for agreement_id, agreement in list(sandbox.recurring.agreements.items()):
            if agreement.state is AgreementState.PENDING:
                await sandbox.recurring.accept(agreement_id)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("table", [AGREEMENT_TRANSITIONS, CHARGE_TRANSITIONS], ids=["agreements", "charges"])
def test_the_diagrams_are_drawn_from_the_tables(table: Any) -> None:
    """A page shows the states that the sandbox has."""
    assert f"```mermaid\n{state_diagram(table, 'PENDING')}\n```" in PAGES["recurring.md"].read_text()


def _receiver() -> WebhookReceiver:
    return WebhookReceiver(store=MemoryStore(), allow_unsigned=True)


def test_ci_runs_the_readmes_test_command() -> None:
    """.ci/run takes its command from the README, where it stands under its mark."""
    readme = (ROOT / "README.md").read_text()
    assert "<!-- the test command -->\n```sh\npython3 -m venv" in readme
