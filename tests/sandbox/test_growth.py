"""What a sandbox keeps of payments whose life is over: their ledger and the answers to their keys, and nothing else."""

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest

from tests.support.sandbox.merchant import Shop
from vipps_async import Amount, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._webhooks import deliveries
from vipps_async.sandbox._webhooks import records as _records

HALF = 250  # payments
LOG = 100  # entries that a log keeps here


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox with short logs, not started yet."""
    monkeypatch.setattr(deliveries, "_REMEMBERED", LOG)
    monkeypatch.setattr(_records, "_REQUESTS", LOG)
    return Sandbox()


async def live(vipps: VippsClient, sandbox: Sandbox, reference: str) -> None:
    """Take a payment through its life."""
    await vipps.epayment.create(amount=Amount(1000, "NOK"), reference=reference, return_url="https://shop.example/")
    await sandbox.approve(reference)
    await vipps.epayment.capture(reference, Amount(600, "NOK"))
    await vipps.epayment.cancel(reference)


async def live_all(vipps: VippsClient, sandbox: Sandbox, start: int) -> dict[str, int]:
    """Take many payments through their lives, and a minute later return how much every container holds."""
    for number in range(start, start + HALF, 10):
        await asyncio.gather(*(live(vipps, sandbox, f"order-{number + each:04}") for each in range(10)))
    await sandbox.settled()
    sandbox.clock.advance(timedelta(minutes=1))  # after which the rate limits forget
    await vipps.epayment.get(f"order-{start:04}")
    return dict(containers(sandbox._state, set()))


def containers(part: Any, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Yield the name and the size of each container in *part*, and in whatever it is made of."""
    seen.add(id(part))
    names = [field.name for field in attrs.fields(type(part))] if attrs.has(type(part)) else list(vars(part))
    for name in names:
        value = getattr(part, name)
        if isinstance(value, list) and name == "apis":
            for served in value:
                yield from containers(served, seen)
        if isinstance(value, dict | list | set | deque):
            yield f"{type(part).__name__}.{name}", len(value)
        elif type(value).__module__.startswith("vipps_async.sandbox") and id(value) not in seen:
            yield from containers(value, seen)


async def test_nothing_grows_but_the_ledger(sandbox: Sandbox, shop: Shop) -> None:
    """From 250 payments to 500, only the ledger and the remembered answers grow, by so much for each payment."""
    async with sandbox, VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        await vipps.webhooks.register(shop.url, ["epayments.payment.captured.v1"])
        before = await live_all(vipps, sandbox, 0)
        after = await live_all(vipps, sandbox, HALF)
    assert (len(sandbox.requests), len(sandbox.deliveries)) == (LOG, LOG)
    grown = {name: size - before[name] for name, size in after.items() if size != before[name]}
    assert grown == {
        "Ledger._payments": HALF,
        "Ledger._references": HALF,
        "Ledger._deadlines": 2 * HALF,  # to approve, and to capture
        "IdempotencyCache._given": 3 * HALF,  # create, capture, cancel
    }
