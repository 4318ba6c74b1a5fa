"""Does to an agreement what its user, or time, does. Performs no I/O.

Sources: Recurring API, agreement states, confirmation and initial charge; knowledge base, test environment.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.consents import Consent, Consents
from vipps_async.sandbox._platform.problems import ActionRefused, UnknownReference
from vipps_async.sandbox._recurring.ceilings import SMALLEST
from vipps_async.sandbox._recurring.ledger import AgreementLedger
from vipps_async.sandbox._recurring.lifecycle import AgreementAction, AgreementState, ChargeState
from vipps_async.sandbox._recurring.records import LedgerAgreement

KIND = "agreement"
FAILURES = ("user_action_required", "charge_amount_too_high", "non_technical_error", "technical_error")
ACTORS = ("USER", "ADMIN")

_Details: TypeAlias = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class UserActions:
    """Does to agreements what their users, or time, do.

    Attributes:
        clock: the present.
        ledger: the agreements.
        consents: what users told.
    """

    clock: Clock
    ledger: AgreementLedger
    consents: Consents

    def act(self, agreement_id: str, action: str, details: _Details) -> LedgerAgreement:
        """Do something to an agreement, and return it.

        Args:
            agreement_id: the agreement's.
            action: one of `ACTIONS`.
            details: what it takes.

        Raises:
            UnknownReference: there is no such agreement.
            ActionRefused: its state forbids the action, or the initial charge could not be paid.
        """
        agreement = self.ledger.agreements.get(agreement_id)
        if agreement is None:
            raise UnknownReference(KIND, agreement_id)
        needed = _STATES.get(action)
        if needed is not None and agreement.state is not needed:
            raise ActionRefused(KIND, agreement_id, action, f"it is {agreement.state}")
        return ACTIONS[action](self, agreement, details)

    def accept(self, agreement: LedgerAgreement, details: _Details) -> LedgerAgreement:
        """Accept an agreement: its initial charge is paid first, and its event comes first."""
        now = self.clock.now()
        maximum = self._maximum(agreement, details)
        for charge in self.ledger.charges_of(agreement):
            if self.ledger.take(charge.id, now=now).state is ChargeState.FAILED:
                self.ledger.act(agreement.id, AgreementAction.EXPIRE, actor="USER", now=now)
                raise ActionRefused(KIND, agreement.id, "accept", "the initial charge could not be paid")
        accepted = self.ledger.act(agreement.id, AgreementAction.ACCEPT, actor="USER", now=now, max_amount=maximum)
        self.note_consent(accepted)
        return accepted

    def note_consent(self, agreement: LedgerAgreement) -> None:
        """Note what the user of an agreement that was accepted consented to tell, if anything."""
        if not agreement.scopes or agreement.started_at is None:
            return
        self.consents.give(
            Consent(
                sub=test_user.sub_of(agreement.phone_number),
                scopes=agreement.scopes,
                phone_number=agreement.phone_number,
                address=test_user.ADDRESS,
                given_at=agreement.started_at,
            )
        )

    def decline(self, agreement: LedgerAgreement, _: _Details) -> LedgerAgreement:
        """Decline an agreement."""
        return self.ledger.act(agreement.id, AgreementAction.DECLINE, actor="USER", now=self.clock.now())

    def expire(self, agreement: LedgerAgreement, _: _Details) -> LedgerAgreement:
        """Let the time of an agreement run out."""
        return self.ledger.act(agreement.id, AgreementAction.EXPIRE, actor="ADMIN", now=self.clock.now())

    def stop(self, agreement: LedgerAgreement, details: _Details) -> LedgerAgreement:
        """Stop an agreement, as its user does in the app, or as happens where a user's profile is deleted."""
        actor = details.get("actor") or "USER"
        return self.ledger.act(agreement.id, AgreementAction.STOP, actor=actor, now=self.clock.now())

    def set_maximum(self, agreement: LedgerAgreement, details: _Details) -> LedgerAgreement:
        """Change the maximum that the user of a variable price allows."""
        return self.ledger.change(agreement.id, max_amount=self._maximum(agreement, details))

    def decline_charges(self, agreement: LedgerAgreement, details: _Details) -> LedgerAgreement:
        """Have every attempt to take a charge fail from now on."""
        reason = details.get("reason") or FAILURES[0]
        if reason not in FAILURES:
            raise ActionRefused(
                KIND, agreement.id, "decline-charges", f"the reason must be one of {', '.join(FAILURES)}"
            )
        return self.ledger.change(agreement.id, declines=reason)

    def pay_charges(self, agreement: LedgerAgreement, _: _Details) -> LedgerAgreement:
        """Have attempts to take a charge succeed again."""
        return self.ledger.change(agreement.id, declines=None)

    def _maximum(self, agreement: LedgerAgreement, details: _Details) -> int | None:
        suggested = agreement.pricing.get("suggestedMaxAmount")
        given = details.get("maxAmount")
        if suggested is None:
            if given is not None:
                raise ActionRefused(KIND, agreement.id, "limit", "its price is not variable")
            return None
        if given is None:
            return int(suggested)
        if type(given) is not int or given < SMALLEST:
            raise ActionRefused(KIND, agreement.id, "limit", f"the maximum must be {SMALLEST} minor units or more")
        return given


ACTIONS: Mapping[str, Callable[[UserActions, LedgerAgreement, _Details], LedgerAgreement]] = MappingProxyType(
    {
        "accept": UserActions.accept,
        "decline": UserActions.decline,
        "expire": UserActions.expire,
        "stop": UserActions.stop,
        "set-maximum": UserActions.set_maximum,
        "decline-charges": UserActions.decline_charges,
        "pay-charges": UserActions.pay_charges,
    }
)
# Those that take the agreement to be in one state.
_STATES: Mapping[str, AgreementState] = MappingProxyType(
    {
        "accept": AgreementState.PENDING,
        "decline": AgreementState.PENDING,
        "expire": AgreementState.PENDING,
        "stop": AgreementState.ACTIVE,
        "set-maximum": AgreementState.ACTIVE,
    }
)
