"""The payments of one sales unit by reference, each step published as an event. Performs no I/O, awaits nothing.

An operation is one synchronous step, so that concurrent requests cannot mix.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

import attrs

from vipps_async.errors import VippsError
from vipps_async.sandbox._accounting import perform
from vipps_async.sandbox._lifecycle import Action, EventName, State
from vipps_async.sandbox._payments import Command, LedgerEvent, LedgerPayment
from vipps_async.sandbox._problems import Refused, error


class UnknownReference(VippsError, LookupError):
    """No payment in the sandbox has this reference."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"the sandbox has no payment {reference!r}")


class ActionRefused(VippsError, ValueError):
    """The payment's state does not allow the action; the message names both."""

    def __init__(self, reference: str, action: Action, state: State) -> None:
        super().__init__(f"cannot {action} payment {reference!r}: it is {state}")


class Ledger:
    """All payments, and the only way to change one.

    Args:
        publish: called with the payment and its newest event after each step.
        psp_reference: makes a new ``pspReference`` for an event that follows the creation.
    """

    def __init__(
        self, *, publish: Callable[[LedgerPayment, LedgerEvent], None], psp_reference: Callable[[], str]
    ) -> None:
        self._publish = publish
        self._psp_reference = psp_reference
        self._payments: dict[str, LedgerPayment] = {}
        self._references: dict[str, str] = {}
        self._expiries: list[tuple[datetime, str]] = []

    @property
    def payments(self) -> Mapping[str, LedgerPayment]:
        """A read-only view, in the order of creation."""
        return MappingProxyType(self._payments)

    def latest(self, reference: str) -> Iterator[LedgerPayment]:
        """Yield the payments whose reference contains *reference*, newest first."""
        return (payment for payment in reversed(self._payments.values()) if reference in payment.reference)

    def open(self, payment: LedgerPayment) -> LedgerPayment:
        """Enter a new payment.

        Raises:
            Refused: 4150, its reference is taken.
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
        heapq.heappush(self._expiries, (payment.expires_at, payment.reference))
        return self._enter(attrs.evolve(payment, events=(event,)))

    def find(self, reference: str) -> LedgerPayment:
        """Return the payment.

        Raises:
            Refused: 5090, there is none.
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
            Refused: there is no such payment, its state table or a money rule forbids it.
        """
        return self._enter(perform(self.find(reference), command, psp_reference=self._psp_reference(), now=now))

    def act(self, reference: str, command_of: Callable[[LedgerPayment], Command], *, now: datetime) -> LedgerPayment:
        """Do what somebody beside the API wants done, the user in the app or a test; return the payment afterwards.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: its state forbids the action.
        """
        payment = self._payments.get(reference)
        if payment is None:
            raise UnknownReference(reference)
        command = command_of(payment)
        try:
            return self.perform(reference, command, now=now)
        except Refused as refused:
            raise ActionRefused(reference, command.action, payment.state) from refused

    def expire_due(self, *, now: datetime) -> None:
        """Expire every payment on which nobody acted in time."""
        while self._expiries and self._expiries[0][0] <= now:
            due, reference = heapq.heappop(self._expiries)
            if self._payments[reference].state is State.CREATED:
                # By the deadline and not by when it was noticed, so that the event log tells what a user saw.
                self.perform(reference, Command(action=Action.EXPIRE), now=due)

    def clear(self) -> None:
        """Forget every payment."""
        self._payments.clear()
        self._references.clear()
        self._expiries.clear()

    def _enter(self, payment: LedgerPayment) -> LedgerPayment:
        self._payments[payment.reference] = payment
        self._publish(payment, payment.events[-1])
        return payment
