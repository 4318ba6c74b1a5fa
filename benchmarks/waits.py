"""What waiting for a payment costs: memory while nothing happens, and requests until it does."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median, quantiles

from benchmarks.idling import WAITS
from benchmarks.pairs import Row
from vipps_async import Amount, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.testing.events import EventSource
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

ROUNDS = 7
APPROVED_AFTER = 60.0  # seconds


def growth(what: str) -> int:
    """Return how many bytes a process grows by for waits of that kind."""
    command = [sys.executable, "-m", "benchmarks.idling", what]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - a program of ours


async def compare_memory() -> list[Row]:
    """Compare waits for payments with tasks that read one and sleep."""
    rounds = [{what: growth(what) / WAITS for what in ("time", "payments", "signal")} for _ in range(ROUNDS)]
    return [
        _memory_row("without the signal of events", rounds, "payments"),
        _memory_row("with the signal of events", rounds, "signal"),
    ]


def _memory_row(work: str, rounds: Sequence[Mapping[str, float]], what: str) -> Row:
    lower, _, upper = quantiles([grown[what] / grown["time"] for grown in rounds])
    base, waits = (median(grown[kind] for grown in rounds) for kind in ("time", what))
    figures: Row = {"base bytes each": base, "bytes each": waits, "ratio": waits / base}
    return {"work": work, "at most": 2, **figures, "spread": (lower, upper)}


async def compare_polls() -> list[Row]:
    """Wait for two payments side by side, one with the events' signal, and count the reads of each."""
    source = EventSource()
    receiver = WebhookReceiver(url=source.url, secrets=[source.secret], store=MemoryStore())
    async with AsyncExitStack() as opened:
        sandbox = await opened.enter_async_context(Sandbox())
        vipps = await opened.enter_async_context(VippsClient(sandbox.credentials, environment=sandbox.environment))
        signals = {"bare-wait": None, "with-signal": receiver}
        async with asyncio.TaskGroup() as group:
            for reference, signal in signals.items():
                await vipps.epayment.create(
                    amount=Amount(1000, "NOK"), reference=reference, return_url="https://shop.example/return"
                )
                group.create_task(vipps.epayment.wait(reference, timeout=APPROVED_AFTER + 30, signal=signal))
            await asyncio.sleep(APPROVED_AFTER)
            for reference in signals:
                await sandbox.approve(reference)
                await receiver.handle(source("AUTHORIZED", reference=reference).request)
        without, with_signal = (
            sum(request.operation == "epayment.get" and reference in request.path for request in sandbox.requests)
            for reference in signals
        )
    figures: Row = {"base reads": without, "reads": with_signal, "ratio": with_signal / without}
    return [{"work": f"approved after {APPROVED_AFTER:.0f} s", "at most": 0.1, **figures}]
