"""Any sequence of operations, by several clients at once: the sandbox does what a plain model of it does.

``VIPPS_FUZZ=100000`` tries a thousand sequences instead of a few.
"""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.sandbox.model import BY_USER, Books, Log, Operation, Outcome
from vipps_async import Amount, RetryPolicy, VippsClient
from vipps_async.errors import ApiError, OutcomeUnknown
from vipps_async.sandbox import ActionRefused, Fault, Sandbox, UnknownReference

SEQUENCES = int(os.environ.get("VIPPS_FUZZ", "2000")) // 100
CLIENTS = 3
AT_ONCE = RetryPolicy(initial_delay=0.001, max_delay=0.002)

PAYMENTS = ["order-0001", "order-0002", "order-0003"]
NAMES = ["create", *BY_USER, "approve", *["capture"] * 3, "refund", "refund", "cancel"]


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Something that somebody does, perhaps with a key that was used before, and perhaps for the same."""
    name, reference = draw(st.sampled_from(NAMES)), draw(st.sampled_from(PAYMENTS))
    amount, key = draw(st.sampled_from([1000, 600, 400])), draw(st.sampled_from([f"key-{n}" for n in range(8)]))
    amounts = {"create": amount, "capture": amount, "refund": amount}
    return Operation(name=name, reference=reference, amount=amounts.get(name, 0), key="" if name in BY_USER else key)


# More failures than a client attempts: then it cannot know the outcome, and is asked again.
troubles = st.tuples(
    st.sampled_from([Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATED, Fault.HTML_200, Fault.STATUS_503]),
    st.integers(1, 5),
)


class Payments(RuleBasedStateMachine):
    """A sandbox, several clients of it, and the books that the model keeps."""

    strict = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.books = Books()
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.sandbox = await self.stack.enter_async_context(Sandbox(rate_limits=False, strict=self.strict))
        options: Any = {"environment": self.sandbox.environment, "retry": AT_ONCE}
        clients = [VippsClient(self.sandbox.credentials, **options) for _ in range(CLIENTS)]
        self.clients = [await self.stack.enter_async_context(client) for client in clients]

    def teardown(self) -> None:
        """Close everything."""
        self.runner.run(self.stack.aclose())
        self.runner.close()

    @initialize()
    def open_two(self) -> None:
        """One payment is authorized and one is not; the third does not exist yet."""
        for name, reference in [("create", PAYMENTS[0]), ("create", PAYMENTS[1]), ("approve", PAYMENTS[0])]:
            self.at_once([Operation(name=name, reference=reference, amount=1000, key=reference)], None)

    @rule(asked=st.lists(operations(), min_size=1, max_size=CLIENTS), trouble=st.none() | troubles)
    def at_once(self, asked: list[Operation], trouble: tuple[Fault, int] | None) -> None:
        """Each client does something at the same time, the first of them perhaps in trouble."""
        if trouble is not None and asked[0].name not in BY_USER:
            self.sandbox.fail(asked[0].name, trouble[0], times=trouble[1])
        outcomes, logs = self.runner.run(self._do_all(asked))
        for operation, outcome in zip(asked, outcomes, strict=True):
            event(f"{operation.name}: {outcome if isinstance(outcome, str) else 'done'}")
        explanations = [books for books in self.books.explanations(asked, outcomes) if books.logs == logs]
        assert explanations, f"no order explains {outcomes} and {logs}"
        self.books = explanations[0]

    @invariant()
    def totals_hold(self) -> None:
        """No more is captured and released than was reserved, no more refunded than captured; the log adds up to it."""
        for payment in self.sandbox.payments.values():
            reserved = payment.amount if payment.state == "TERMINATED" else payment.authorized_amount
            assert payment.captured_amount + payment.cancelled_amount <= reserved
            assert payment.refunded_amount <= payment.captured_amount
            logged = Counter[str]()
            for entry in payment.events:
                logged[entry.name] += entry.amount
            assert payment.authorized_amount == logged["AUTHORIZED"]
            assert payment.captured_amount == logged["CAPTURED"]
            assert payment.refunded_amount == logged["REFUNDED"]
            assert payment.cancelled_amount == logged["CANCELLED"] + logged["TERMINATED"]

    async def _do_all(self, asked: list[Operation]) -> tuple[list[Outcome], dict[str, Log]]:
        outcomes = await asyncio.gather(*map(self._outcome, self.clients, asked))
        self.sandbox.clear_faults()
        touched = {operation.reference for operation in asked} & set(self.sandbox.payments)
        return outcomes, {**self.books.logs, **{reference: await self._log(reference) for reference in touched}}

    async def _outcome(self, client: VippsClient, operation: Operation) -> Outcome:
        while True:
            try:
                return await self._do(client, operation)
            except OutcomeUnknown:
                continue
            except ApiError as error:
                return str(error.code)
            except ActionRefused:
                return operation.name
            except UnknownReference:
                return "5090"

    async def _do(self, client: VippsClient, operation: Operation) -> Outcome:
        reference, amount = operation.reference, Amount(operation.amount, "NOK")
        if operation.name in BY_USER:
            payment = await getattr(self.sandbox, operation.name)(reference)
            return (
                *(payment.state.value, payment.authorized_amount, payment.captured_amount),
                *(payment.refunded_amount, payment.cancelled_amount),
            )
        if operation.name == "create":
            await client.epayment.create(
                amount=amount, reference=reference, return_url="https://shop.example/", idempotency_key=operation.key
            )
            return "CREATED", 0, 0, 0, 0
        amounts = [] if operation.name == "cancel" else [amount]
        adjusted = await getattr(client.epayment, operation.name)(reference, *amounts, idempotency_key=operation.key)
        totals = adjusted.aggregate
        return (
            *(adjusted.state.value, totals.authorized_amount.value, totals.captured_amount.value),
            *(totals.refunded_amount.value, totals.cancelled_amount.value),
        )

    async def _log(self, reference: str) -> Log:
        log = await self.clients[0].epayment.events(reference)
        assert len({entry.psp_reference for entry in log}) == len(log)
        return tuple((entry.name.value, entry.amount.value, entry.idempotency_key) for entry in log)


class PaymentsByTheDocuments(Payments):
    """The same with a sandbox that holds requests to the documents."""

    strict = True


@pytest.mark.parametrize("machine", [Payments, PaymentsByTheDocuments])
@pytest.mark.timeout(400 + SEQUENCES)  # a sequence that fails is made small first, which takes minutes
def test_any_sequence_of_operations_by_several_clients(machine: type[Payments]) -> None:
    """Every outcome and event log is one that the model has too, however answers are lost and keys repeated."""
    slow = [HealthCheck.too_slow]  # another test may take the machine
    chosen = settings(max_examples=SEQUENCES, stateful_step_count=30, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(machine, settings=chosen)
