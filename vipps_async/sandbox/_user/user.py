"""What the user, or time, does to a payment, and what stands in the way of paying.

Sources: ePayment API, Express and create payment; knowledge base, test environment.
"""

from collections.abc import Callable
from datetime import datetime

import attrs

from vipps_async.sandbox import _person
from vipps_async.sandbox._clock import Clock
from vipps_async.sandbox._ledger.ledger import ActionRefused, Ledger, UnknownReference
from vipps_async.sandbox._ledger.lifecycle import Action, State
from vipps_async.sandbox._ledger.payments import Command, LedgerPayment
from vipps_async.sandbox._ledger.problems import Refused
from vipps_async.sandbox._ledger.triggers import UNKNOWN_FOR, UNKNOWN_OUTCOME, why_declined
from vipps_async.sandbox._requests.express import Groups, groups_of
from vipps_async.sandbox._user.profiles import approval_of
from vipps_async.sandbox._user.shipping_callback import ANSWER_WITHIN, NotShipped, ask

_UNDER_WAY = "its approval is under way"


def _why_under_way(payment: LedgerPayment, now: datetime) -> str | None:
    return _UNDER_WAY if payment.is_processing(now) else None


def _why_too_young(payment: LedgerPayment, now: datetime) -> str | None:
    least = payment.request.get("minimumUserAge")
    return f"the user is younger than {least}" if _person.is_younger(least, now) else None


def _why_not_there(payment: LedgerPayment, _: datetime) -> str | None:
    countries = payment.request.get("shipping", {}).get("allowedCountries")
    home = _person.ADDRESS["country"]
    return f"nothing is shipped to {home}" if countries and home not in countries else None


def _why_declined(payment: LedgerPayment, _: datetime) -> str | None:
    return why_declined(payment.amount, payment.currency)


_OBSTACLES: tuple[Callable[[LedgerPayment, datetime], str | None], ...] = (
    _why_under_way,
    _why_too_young,
    _why_not_there,
    _why_declined,
)


@attrs.frozen(kw_only=True)
class User:
    """The person who pays.

    Attributes:
        clock: the present.
        ledger: the payments.
    """

    clock: Clock
    ledger: Ledger

    async def act(self, reference: str, action: Action) -> LedgerPayment:
        """Approve or reject a payment, or let its time run out; return it afterwards.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: its state forbids the action, or the attempt to pay failed and it stays as it was.
        """
        payment = self._find(reference)
        if action is Action.APPROVE and payment.state is State.CREATED:
            return await self._approve(payment)
        return self._perform(reference, Command(action=action))

    def _find(self, reference: str) -> LedgerPayment:
        payment = self.ledger.payments.get(reference)
        if payment is None:
            raise UnknownReference(reference)
        return payment

    async def _approve(self, payment: LedgerPayment) -> LedgerPayment:
        now, reference = self.clock.now(), payment.reference
        obstacle = next((reason for why in _OBSTACLES if (reason := why(payment, now))), None)
        if obstacle:
            raise ActionRefused(reference, Action.APPROVE, obstacle)
        command = approval_of(payment, await self._shipping(payment))
        if payment.amount == UNKNOWN_OUTCOME:
            return self.ledger.hold(reference, until=now + UNKNOWN_FOR, outcome=command)
        return self._perform(reference, command)

    async def _shipping(self, payment: LedgerPayment) -> Groups:
        if "dynamicOptions" not in payment.request.get("shipping", {}):
            return groups_of(payment.request)
        self.ledger.hold(payment.reference, until=self.clock.now() + ANSWER_WITHIN)
        try:
            return await ask(payment, _person.ADDRESS)
        except NotShipped as error:
            reason = f"the shipping callback offers nothing: {error}"
            raise ActionRefused(payment.reference, Action.APPROVE, reason) from error
        finally:
            if payment.reference in self.ledger.payments:  # unless all was forgotten meanwhile
                self.ledger.hold(payment.reference, until=None)

    def _perform(self, reference: str, command: Command) -> LedgerPayment:
        payment, now = self._find(reference), self.clock.now()
        try:
            return self.ledger.perform(reference, command, now=now)
        except Refused as refused:
            reason = _UNDER_WAY if payment.is_processing(now) else f"it is {payment.state}"
            raise ActionRefused(reference, command.action, reason) from refused
