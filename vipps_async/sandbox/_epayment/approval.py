"""Does to a payment what its user, or time, does, unless something stands in the way of paying.

Sources: ePayment API, Express and create payment; knowledge base, test environment.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

import attrs

from vipps_async.sandbox._epayment.approval_details import ApprovalDetails
from vipps_async.sandbox._epayment.express import ADDRESS, Groups, NotOffered, chosen_option, groups_of
from vipps_async.sandbox._epayment.ledger import KIND, Ledger
from vipps_async.sandbox._epayment.lifecycle import Action, State
from vipps_async.sandbox._epayment.payments import Command, LedgerPayment
from vipps_async.sandbox._epayment.profiles import approval_of
from vipps_async.sandbox._epayment.shipping_callback import ANSWER_WITHIN, NotShipped, ask
from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.markets import MARKETS
from vipps_async.sandbox._platform.problems import ActionRefused, ProblemError, UnknownReference
from vipps_async.sandbox._platform.schema import explain
from vipps_async.sandbox._platform.triggers import UNKNOWN_FOR, UNKNOWN_OUTCOME, why_declined

_UNDER_WAY = "its approval is under way"


@attrs.frozen
class _Attempt:
    payment: LedgerPayment
    now: datetime
    address: Mapping[str, str]


_Obstacle: TypeAlias = Callable[[_Attempt], str | None]


def _why_over(attempt: _Attempt) -> str | None:
    state = attempt.payment.state
    return None if state is State.CREATED else f"it is {state}"


def _why_under_way(attempt: _Attempt) -> str | None:
    return _UNDER_WAY if attempt.payment.is_processing(attempt.now) else None


def _why_nowhere(attempt: _Attempt) -> str | None:
    address = attempt.address
    return explain(ADDRESS(dict(address) if isinstance(address, Mapping) else address, "address")) or None


def _why_not_there(attempt: _Attempt) -> str | None:
    shipping, country = attempt.payment.request.get("shipping"), attempt.address["country"]
    if shipping is None:
        return None
    # Where Express ships to if the merchant does not say: the country of the payment's currency.
    allowed = shipping.get("allowedCountries") or [MARKETS[attempt.payment.currency].country]
    return None if country in allowed else f"nothing is shipped to {country}, only to {', '.join(allowed)}"


def _why_not_shipped(attempt: _Attempt) -> str | None:
    return None if "shipping" in attempt.payment.request else "it ships nothing"


def _why_too_young(attempt: _Attempt) -> str | None:
    least = attempt.payment.request.get("minimumUserAge")
    return f"the user is younger than {least}" if test_user.is_younger(least, attempt.now) else None


def _why_declined(attempt: _Attempt) -> str | None:
    return why_declined(attempt.payment.amount, attempt.payment.currency)


# Each may rely on those before it.
_TO_ANYTHING: tuple[_Obstacle, ...] = (_why_over, _why_under_way, _why_nowhere, _why_not_there)
_TO_SHIPPING: tuple[_Obstacle, ...] = (*_TO_ANYTHING, _why_not_shipped)
_TO_PAYING: tuple[_Obstacle, ...] = (*_TO_ANYTHING, _why_too_young, _why_declined)


@attrs.frozen(kw_only=True)
class UserActions:
    """Does to payments what their users, or time, do.

    Attributes:
        clock: the present.
        ledger: the payments.
        strict: whether merchants' answers are held to the documents.
    """

    clock: Clock
    ledger: Ledger
    strict: bool

    async def act(self, reference: str, action: Action, choice: ApprovalDetails) -> LedgerPayment:
        """Approve or reject a payment, or let its time run out; return it afterwards.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: its state forbids the action, or the attempt to pay failed and it stays as it was.
        """
        if action is Action.APPROVE:
            return await self._approve(self._find(reference), choice)
        return self._perform(reference, Command(action=action))

    def pay(self, reference: str, *, number: str | None) -> LedgerPayment:
        """Approve a payment without its user, as the test environment does, unless the attempt to pay fails.

        Args:
            reference: the payment.
            number: of the phone of the user for whom that is done, if one was named.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: the user's money, or age, does not suffice.
            ProblemError: its state forbids it.
        """
        payment, now = self._find(reference), self.clock.now()
        self._refuse((_why_too_young, _why_declined), payment, test_user.ADDRESS)
        command = approval_of(payment, number=number)
        if payment.amount == UNKNOWN_OUTCOME and payment.state is State.CREATED and not payment.is_processing(now):
            return self.ledger.hold(reference, until=now + UNKNOWN_FOR, outcome=command)
        return self.ledger.perform(reference, command, now=now)

    async def consider(self, reference: str, address: Mapping[str, str]) -> ApprovalDetails:
        """Return what the user can choose from at *address*, which the merchant is not asked for again.

        Raises:
            UnknownReference: there is no such payment.
            ActionRefused: nothing can be shipped there.
        """
        payment = self._find(reference)
        self._refuse(_TO_SHIPPING, payment, address)
        choice = ApprovalDetails(address=address, groups=await self._offer(payment, address))
        self._find(reference)  # which may be forgotten by now
        return choice

    def _find(self, reference: str) -> LedgerPayment:
        payment = self.ledger.payments.get(reference)
        if payment is None:
            raise UnknownReference(KIND, reference)
        return payment

    async def _approve(self, payment: LedgerPayment, choice: ApprovalDetails) -> LedgerPayment:
        now, reference, address = self.clock.now(), payment.reference, choice.address
        self._refuse(_TO_PAYING, payment, address)
        groups = await self._offer(payment, address) if choice.groups is None else choice.groups
        try:
            option = chosen_option(groups, choice.shipping_option)
        except NotOffered as error:
            raise ActionRefused(KIND, reference, Action.APPROVE, str(error)) from error
        command = approval_of(payment, address=address, option=option)
        if payment.amount == UNKNOWN_OUTCOME:
            return self.ledger.hold(reference, until=now + UNKNOWN_FOR, outcome=command)
        return self._perform(reference, command)

    def _refuse(self, obstacles: tuple[_Obstacle, ...], payment: LedgerPayment, address: Mapping[str, str]) -> None:
        attempt = _Attempt(payment, self.clock.now(), address)
        reason = next((reason for why in obstacles if (reason := why(attempt))), None)
        if reason:
            raise ActionRefused(KIND, payment.reference, Action.APPROVE, reason)

    async def _offer(self, payment: LedgerPayment, address: Mapping[str, str]) -> Groups:
        if "dynamicOptions" not in payment.request.get("shipping", {}):
            return groups_of(payment.request)
        self.ledger.hold(payment.reference, until=self.clock.now() + ANSWER_WITHIN)
        try:
            return await ask(payment, address, strict=self.strict)
        except NotShipped as error:
            reason = f"the shipping callback offers nothing: {error}"
            raise ActionRefused(KIND, payment.reference, Action.APPROVE, reason) from error
        finally:
            if payment.reference in self.ledger.payments:  # unless all was forgotten meanwhile
                self.ledger.hold(payment.reference, until=None)

    def _perform(self, reference: str, command: Command) -> LedgerPayment:
        payment, now = self._find(reference), self.clock.now()
        try:
            return self.ledger.perform(reference, command, now=now)
        except ProblemError as refused:
            reason = _UNDER_WAY if payment.is_processing(now) else f"it is {payment.state}"
            raise ActionRefused(KIND, reference, command.action, reason) from refused
