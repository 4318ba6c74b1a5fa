"""The payments of one sales unit by reference, each step published as an event. Performs no I/O, awaits nothing.

An operation is one synchronous step, so that concurrent requests cannot mix.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

import attrs

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._epayment.accounting import perform
from vipps_async.sandbox._epayment.errors import error
from vipps_async.sandbox._epayment.lifecycle import Action, EventName, State
from vipps_async.sandbox._epayment.payments import Command, LedgerEvent, LedgerPayment
from vipps_async.sandbox._epayment.permissions import Permission

# What time does to a payment at its deadline; a reservation that was not captured is released: knowledge base,
# reservations.
_FALLS_DUE: Mapping[State, Action] = MappingProxyType({State.CREATED: Action.EXPIRE, State.AUTHORIZED: Action.CANCEL})


KIND = "payment"


class Ledger:
    """All payments, and the only way to change one.

    Args:
        publish: called with the payment and its newest event after each step.
        psp_reference: makes a new ``pspReference`` for an event that follows the creation.
        denied: what the sales unit may not do.
    """

    def __init__(
        self,
        *,
        publish: Callable[[LedgerPayment, LedgerEvent], None],
        psp_reference: Callable[[], str],
        denied: frozenset[Permission],
    ) -> None:
        self._publish = publish
        self._psp_reference = psp_reference
        self._denied = denied
        self._payments: dict[str, LedgerPayment] = {}
        self._references: dict[str, str] = {}
        self._deadlines: list[tuple[datetime, str]] = []

    @property
    def payments(self) -> Mapping[str, LedgerPayment]:
        """A read-only view, in the order of creation."""
        return MappingProxyType(self._payments)

    @property
    def market(self) -> str | None:
        """The currency of the first payment; ``None`` before there is one."""
        return next((payment.currency for payment in self._payments.values()), None)

    def latest(self, reference: str) -> Iterator[LedgerPayment]:
        """Yield the payments whose reference contains *reference*, newest first."""
        return (payment for payment in reversed(self._payments.values()) if reference in payment.reference)

    def open(self, payment: LedgerPayment) -> LedgerPayment:
        """Enter a new payment.

        Raises:
            ProblemError: 4150, its reference is taken.
        """
        if payment.reference in self._payments:
            raise error("4150")
        event = LedgerEvent(
            name=EventName.CREATED,
            reference=payment.reference,
            psp_reference=payment.psp_reference,
            amount=payment.amount,
            currency=payment.currency,
            timestamp=payment.created_at,
            idempotency_key=payment.idempotency_key,
        )
        self._references[payment.token] = payment.reference
        return self._enter(attrs.evolve(payment, events=(event,)))

    def find(self, reference: str) -> LedgerPayment:
        """Return the payment.

        Raises:
            ProblemError: 5090, there is none.
        """
        try:
            return self._payments[reference]
        except KeyError:
            raise error("5090") from None

    def find_by_token(self, token: str) -> LedgerPayment | None:
        """Return the payment that a redirect URL's token stands for."""
        reference = self._references.get(token)
        return None if reference is None else self._payments[reference]

    def perform(self, reference: str, command: Command, *, now: datetime) -> LedgerPayment:
        """Do what *command* says and return the payment afterwards.

        Raises:
            ProblemError: there is no such payment, its state table or a money rule forbids it, or a permission lacks.
        """
        payment, psp_reference = self.find(reference), self._psp_reference()
        return self._enter(perform(payment, command, psp_reference=psp_reference, now=now, denied=self._denied))

    def hold(self, reference: str, *, until: datetime | None, outcome: Command | None = None) -> LedgerPayment:
        """Keep everybody off a payment while its user's approval is under way.

        Args:
            reference: the payment.
            until: when that ends; ``None`` ends it now.
            outcome: what comes of it then, if anything.

        Raises:
            ProblemError: there is no such payment.
        """
        return self._replace(attrs.evolve(self.find(reference), processing_until=until, outcome=outcome))

    def expire_due(self, *, now: datetime) -> None:
        """Do what fell due: expire payments on which nobody acted in time, release what was not captured in time."""
        while self._deadlines and self._deadlines[0][0] <= now:
            due, reference = heapq.heappop(self._deadlines)
            payment = self._payments[reference]
            if payment.next_deadline == due:
                command = payment.outcome or Command(action=_FALLS_DUE[payment.state])
                # By the deadline and not by when it was noticed, so that the event log tells what a user saw.
                self.perform(reference, command, now=due)

    def restore(self, payments: Iterable[LedgerPayment]) -> None:
        """Enter payments as they were saved, without an event.

        Raises:
            ConfigurationError: a reference is taken; no payment is entered then.
        """
        restored = {payment.reference: payment for payment in payments}
        taken = restored.keys() & self._payments.keys()
        if taken:
            raise ConfigurationError(f"there is a payment {min(taken)!r} already: load into an empty sandbox")
        for payment in restored.values():
            self._references[payment.token] = payment.reference
            self._replace(payment)

    def clear(self) -> None:
        """Forget every payment."""
        self._payments.clear()
        self._references.clear()
        self._deadlines.clear()

    def _enter(self, payment: LedgerPayment) -> LedgerPayment:
        self._replace(payment)
        self._publish(payment, payment.events[-1])
        return payment

    def _replace(self, payment: LedgerPayment) -> LedgerPayment:
        before = self._payments.get(payment.reference)
        deadline = payment.next_deadline
        if deadline is not None and (before is None or before.next_deadline != deadline):
            heapq.heappush(self._deadlines, (deadline, payment.reference))
        self._payments[payment.reference] = payment
        return payment
