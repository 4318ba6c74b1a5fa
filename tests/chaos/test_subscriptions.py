"""Months of a gym's charges, whose runs are killed all the time, and whose events come twice and in disorder.

The short form runs with all tests; the long one takes minutes and runs with ``VIPPS_CHAOS=long``. `VIPPS_CHAOS_SEED`
repeats the choices of a run that failed.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.chaos.test_chaos import in_long_form_only
from tests.support.agreements import TERMS
from tests.test_examples import free_port, load
from vipps_async.sandbox import DeliveryFault, Sandbox

ROOT = Path(__file__).parents[2]
MONTH = timedelta(days=30)


@attrs.frozen
class Plan:
    """How much chaos: so many members for so many months, and so many charge runs that are killed."""

    members: int
    months: int
    kills: int
    longest: float  # seconds that a run lives at most, if it is killed


SHORT = Plan(members=30, months=2, kills=4, longest=1.5)
LONG = Plan(members=1000, months=12, kills=50, longest=8.0)


@attrs.define
class Gym:
    """A sandbox, the gym's server in this process, and its charge runs in others."""

    plan: Plan
    path: Path
    choices: random.Random
    sandbox: Any = None
    gym: Any = None
    kills: int = 0
    stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def open(self) -> None:
        """Open it, with members who have accepted."""
        self.sandbox = await self.stack.enter_async_context(
            Sandbox(rate_limits=False, copies=2, retry_delays=[0.05], seed=self.choices.randrange(2**32))
        )
        opened = load("subscriptions").open_gym(self.sandbox, self.path, free_port())
        self.gym = await self.stack.enter_async_context(opened)
        self.sandbox.fail_delivery(DeliveryFault.REORDER, probability=0.2, seconds=0.05)
        self.sandbox.fail_delivery(DeliveryFault.CONCURRENT, probability=0.2)
        for number in range(self.plan.members):
            await self._join(f"member-{number:04}")
        await self.gym.books.commit()

    async def _join(self, member: str) -> None:
        drafted = await self.gym.vipps.recurring.agreements.create(**TERMS, external_id=member)
        await self.gym.books.execute(
            "INSERT INTO members (member, agreement, next_due) VALUES (?, ?, ?)",
            [member, drafted.agreement_id, (self.gym.today() + timedelta(days=2)).isoformat()],
        )
        await self.gym.books.commit()
        await self.sandbox.recurring.accept(drafted.agreement_id)

    async def live(self) -> None:
        """Let months go by: each has a charge run that is killed some times before it comes to its end."""
        await self.sandbox.settled(120)
        for month in range(self.plan.months):
            wanted = self.plan.kills * (month + 1) // self.plan.months
            while self.kills < wanted:
                await self._run(killed_within=self.plan.longest)
            await self._run()
            await self._disturb()
            self.sandbox.clock.advance(MONTH)
            await self.sandbox.settled(300)

    async def _disturb(self) -> None:
        """Have some users' payments fail this month, others' succeed again, and a few leave."""
        recurring = self.sandbox.recurring
        active = [each for each in recurring.agreements.values() if each.state == "ACTIVE"]
        for agreement in self.choices.sample(active, k=len(active) // 10):
            await (recurring.pay_charges if agreement.declines else recurring.decline_charges)(agreement.id)
        for agreement in self.choices.sample(active, k=max(1, len(active) // 200)):
            await recurring.stop(agreement.id)

    async def compare(self) -> dict[str, int]:
        """Check that the books hold what the sandbox does, each due charge once; return how many of each state."""
        rows = await self.gym.books.execute_fetchall(
            "SELECT order_id, agreement, captured, failure, due FROM charges JOIN members USING (member) WHERE is_sent"
        )
        charges = self.sandbox.recurring.charges
        refused = {order_id for order_id, *_ in rows} - set(charges)
        stopped = {each.id for each in self.sandbox.recurring.agreements.values() if each.state == "STOPPED"}
        for order_id, agreement, captured, failure, _ in rows:
            if order_id in refused:
                assert (agreement in stopped, failure, captured) == (True, "charge-creation-failed", 0)
            else:
                charge = charges[order_id]
                assert (charge.agreement_id, charge.captured, charge.failure_reason) == (agreement, captured, failure)
        assert len(charges) == len(rows) - len(refused)
        dues = [(agreement, due) for _, agreement, _, _, due in rows]
        assert len(dues) == len({*dues})
        counted = Counter(charge.state for charge in charges.values())
        assert {*counted} <= {"CHARGED", "FAILED", "CANCELLED"}
        return {**counted, "refused": len(refused)}

    async def _run(self, *, killed_within: float | None = None) -> None:
        today: date = self.gym.today()
        keys = self.sandbox.credentials
        environ = {
            "VIPPS_ENVIRONMENT": self.sandbox.base_url,
            "VIPPS_CLIENT_ID": str(keys.client_id),
            "VIPPS_CLIENT_SECRET": str(keys.client_secret),
            "VIPPS_SUBSCRIPTION_KEY": str(keys.subscription_key),
            "VIPPS_MERCHANT_SERIAL_NUMBER": keys.merchant_serial_number,
            "PYTHONPATH": str(ROOT),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.charge_run", str(self.path), today.isoformat()),
            env={**os.environ, **environ},
        )
        if killed_within is None:
            assert await process.wait() == 0
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.choices.uniform(0.2, killed_within))
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        self.kills += await process.wait() == -signal.SIGKILL


@pytest.mark.timeout(0)
@pytest.mark.parametrize("plan", [SHORT, pytest.param(LONG, marks=in_long_form_only)], ids=["short", "long"])
async def test_every_due_charge_is_made_once(plan: Plan, tmp_path: Path) -> None:
    """And the gym's books are the sandbox's, whatever dies."""
    seed = int(os.environ.get("VIPPS_CHAOS_SEED", secrets.randbelow(10**6)))
    gym = Gym(plan, tmp_path / "gym.db", random.Random(seed))  # noqa: S311 - choices of a test
    began = time.monotonic()
    async with gym.stack:
        await gym.open()
        await gym.live()
        counted = await gym.compare()
    print(f"seed {seed}: {gym.kills} kills, {counted}, {time.monotonic() - began:.0f} s")
    assert gym.kills >= plan.kills
    assert counted["CHARGED"] > plan.members * plan.months // 2
