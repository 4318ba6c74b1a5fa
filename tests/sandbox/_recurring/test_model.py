"""Any sequence of what merchants, users and time do: money adds up, what is stopped is not charged, all tell the same.

``VIPPS_FUZZ=100000`` tries a thousand sequences instead of a few.
"""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.agreements import TERMS
from tests.support.sandbox.merchant import Shop, shop
from vipps_async import Amount, RetryPolicy, VippsClient
from vipps_async.errors import ApiError, InvalidRequest, OutcomeUnknown
from vipps_async.recurring import InitialCharge, Pricing
from vipps_async.sandbox import ActionRefused, Fault, Sandbox

SEQUENCES = int(os.environ.get("VIPPS_FUZZ", "2000")) // 100
AT_ONCE = RetryPolicy(initial_delay=0.001, max_delay=0.002)
AGREEMENTS, CHARGES = range(3), range(5)
EVENTS = {"CAPTURE": "captured", "REFUND": "refunded", "CANCEL": "canceled", "RESERVE": "reserved", "FAIL": "failed"}

agreements, charges = st.sampled_from(AGREEMENTS), st.sampled_from(CHARGES)
ways = st.sampled_from(["DIRECT_CAPTURE", "RESERVE_CAPTURE"])
keys = st.sampled_from(["a", "b", "c"])
amounts = st.sampled_from([100, 20000, 30000, 49900])
Trouble = tuple[Fault, int] | None

# More failures than a client attempts: then it cannot know the outcome, and asks again with the key.
troubles = st.none() | st.tuples(
    st.sampled_from([Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATED, Fault.STATUS_503]), st.integers(1, 5)
)


class Subscriptions(RuleBasedStateMachine):
    """A sandbox, a merchant, its users, and a shop that is told of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.ids: dict[int, str] = {}
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.shop: Shop = await self.stack.enter_async_context(shop())
        self.sandbox = await self.stack.enter_async_context(Sandbox(rate_limits=False, copies=2))
        await self.sandbox.add_webhook(self.shop.url)
        client = VippsClient(self.sandbox.credentials, environment=self.sandbox.environment, retry=AT_ONCE)
        self.vipps = await self.stack.enter_async_context(client)

    def teardown(self) -> None:
        """Close everything, once all that happened is told."""
        self.runner.run(self.sandbox.settled())
        self._compare_with_events()
        self.runner.run(self.stack.aclose())
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        """One agreement is active, and one has a first charge that is reserved."""
        for number in (0, 1):
            self.draft(number, is_variable=False, first="RESERVE_CAPTURE" if number else None)
            self.act(number, "accept")

    @rule(
        number=agreements, is_variable=st.booleans(), first=st.sampled_from([None, "DIRECT_CAPTURE", "RESERVE_CAPTURE"])
    )
    def draft(self, number: int, *, is_variable: bool, first: str | None) -> None:
        """Draft an agreement, again in the same words if it was drafted before."""
        terms = {**TERMS, "external_id": f"member-{number}"}
        if is_variable:
            terms["pricing"] = Pricing.variable(Amount(49900, "NOK"))
        if first:
            terms["initial_charge"] = InitialCharge(
                amount=Amount(20000, "NOK"),
                description="First",
                transaction_type=first,
                order_id=f"first-{number}-{first[0]}",
            )
        drafted = self._outcome(self.vipps.recurring.agreements.create, **terms)
        if drafted is not None:
            self.ids[number] = drafted.agreement_id

    @rule(number=agreements, action=st.sampled_from(["accept", "decline", "stop", "decline_charges", "pay_charges"]))
    def act(self, number: int, action: str) -> None:
        """Have a user do something."""
        if number in self.ids:
            try:
                self.runner.run(getattr(self.sandbox.recurring, action)(self.ids[number]))
            except ActionRefused:
                event(f"{action}: refused")

    @rule(
        number=agreements,
        order=charges,
        amount=amounts,
        how=ways,
        trouble=troubles,
    )
    def charge(self, number: int, order: int, amount: int, how: str, trouble: Trouble) -> None:
        """Create a charge, perhaps for the second time."""
        if number not in self.ids:
            return
        due = (self.sandbox.clock.now() + timedelta(days=2)).date()
        self._trouble("create-charge", trouble)
        self._outcome(
            self.vipps.recurring.charges.create,
            self.ids[number],
            amount=Amount(amount, "NOK"),
            description="Use",
            transaction_type=how,
            due=due,
            retry_days=1,
            order_id=f"order-{order}",
        )

    @rule(order=charges, amount=st.none() | amounts, key=keys, trouble=troubles)
    def capture(self, order: int, amount: int | None, key: str, trouble: Trouble) -> None:
        """Capture a part, or all that remains."""
        self._change(
            "capture", order, trouble, *([] if amount is None else [Amount(amount, "NOK")]), idempotency_key=key
        )

    @rule(order=charges, amount=amounts, key=keys, trouble=troubles)
    def refund(self, order: int, amount: int, key: str, trouble: Trouble) -> None:
        """Refund a part."""
        self._change("refund", order, trouble, Amount(amount, "NOK"), description="Sorry", idempotency_key=key)

    @rule(order=charges, trouble=troubles)
    def cancel(self, order: int, trouble: Trouble) -> None:
        """Cancel what is not captured."""
        self._change("cancel", order, trouble)

    @rule(number=agreements, trouble=troubles)
    def stop(self, number: int, trouble: Trouble) -> None:
        """Have the merchant stop an agreement."""
        if number in self.ids:
            self._trouble("update-agreement", trouble)
            self._outcome(self.vipps.recurring.agreements.stop, self.ids[number])

    @rule(hours=st.sampled_from([1, 24, 24 * 3, 24 * 200]))
    def wait(self, hours: int) -> None:
        """Let time go by."""
        self.runner.run(self._advance(timedelta(hours=hours)))

    async def _advance(self, by: timedelta) -> None:
        self.sandbox.clock.advance(by)

    @invariant()
    def totals_hold(self) -> None:
        """No more is captured and released than was charged, no more refunded than captured; histories add up to it."""
        for charge in self.sandbox.recurring.charges.values():
            assert charge.captured + charge.cancelled <= charge.amount
            assert charge.refunded <= charge.captured
            sums = Counter[str]()
            for entry in charge.history:
                sums[entry.event] += entry.amount
            assert (charge.captured, charge.refunded) == (sums["CAPTURE"], sums["REFUND"])
            assert charge.cancelled == sums["CANCEL"]

    @invariant()
    def what_is_stopped_is_not_charged(self) -> None:
        """Once an agreement is stopped, nothing new is reserved or taken; what was reserved is the merchant's."""
        for agreement in self.sandbox.recurring.agreements.values():
            if agreement.stopped_at is None:
                continue
            for identifier in agreement.charge_ids:
                charge = self.sandbox.recurring.charges[identifier]
                later = [entry.event for entry in charge.history if entry.occurred > agreement.stopped_at]
                assert "RESERVE" not in later
                assert "CAPTURE" not in later or charge.reserved_at is not None

    def _change(self, name: str, order: int, trouble: Trouble, *amounts: Amount, **options: Any) -> None:
        charge = self.sandbox.recurring.charges.get(f"order-{order}")
        if charge is not None:
            self._trouble(f"{name}-charge", trouble)
            self._outcome(
                getattr(self.vipps.recurring.charges, name), charge.agreement_id, charge.id, *amounts, **options
            )

    def _trouble(self, operation: str, trouble: Trouble) -> None:
        if trouble is not None:
            self.sandbox.fail(operation, trouble[0], times=trouble[1])

    def _outcome(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return self.runner.run(self._repeated(call, arguments, options))
        except ApiError as error:
            event(f"{error.operation}: {error.code}")
        except InvalidRequest as error:
            event(f"{error.field}: {error.rule.partition(',')[0]}")
        finally:
            self.sandbox.clear_faults()

    async def _repeated(self, call: Any, arguments: Any, options: Any) -> Any:
        while True:
            try:
                return await call(*arguments, **options)
            except OutcomeUnknown as unknown:
                options = {**options, "idempotency_key": unknown.idempotency_key}

    def _compare_with_events(self) -> None:
        """What the shop was told, each event once, is what the histories say, with the same totals."""
        facts = ("chargeId", "eventType", "occurred", "amountCaptured", "amountRefunded")
        told = {tuple(body[fact] for fact in facts): body for body in self.shop.bodies if "chargeId" in body}
        counted = Counter((charge, kind) for charge, kind, *_ in told)
        for charge in self.sandbox.recurring.charges.values():
            for entry, kind in EVENTS.items():
                count = sum(each.event == entry for each in charge.history)
                assert counted[charge.id, f"recurring.charge-{kind}.v1"] == count
            last = [body for body in told.values() if body["chargeId"] == charge.id]
            for total, member in (("captured", "amountCaptured"), ("refunded", "amountRefunded")):
                assert max((body[member] for body in last), default=0) == getattr(charge, total)


@pytest.mark.timeout(400 + SEQUENCES)  # a sequence that fails is made small first, which takes minutes
def test_any_sequence_of_what_happens() -> None:
    """However answers are lost and keys repeated."""
    slow = [HealthCheck.too_slow]  # another test may take the machine
    chosen = settings(max_examples=SEQUENCES, stateful_step_count=30, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(Subscriptions, settings=chosen)
