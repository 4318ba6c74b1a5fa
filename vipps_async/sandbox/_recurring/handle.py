"""The handle by which a test acts on the agreements of a sandbox: `Sandbox.recurring`."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from vipps_async.sandbox._recurring.operations import RecurringApi
from vipps_async.sandbox._recurring.records import LedgerAgreement, LedgerCharge


@attrs.frozen
class RecurringHandle:
    """The agreements of a sandbox and their charges, and what their users do.

    Each action raises `UnknownReference` (a `LookupError`) for an agreement that there is not, and `ActionRefused` (a
    `ValueError`) where its state forbids the action. Amounts are minor units of the agreement's currency.
    """

    _api: RecurringApi = attrs.field(repr=False)
    _expire_due: Callable[[], None] = attrs.field(repr=False)

    @property
    def agreements(self) -> Mapping[str, LedgerAgreement]:
        """Every agreement by its id; read-only, and each value is the agreement at the time of looking."""
        return self._api.ledger.agreements

    @property
    def charges(self) -> Mapping[str, LedgerCharge]:
        """Every charge by its id, likewise."""
        return self._api.ledger.charges

    async def accept(self, agreement_id: str, *, max_amount: int | None = None) -> LedgerAgreement:
        """Accept an agreement as its user does in the app; its initial charge is paid first.

        Args:
            agreement_id: one that is PENDING.
            max_amount: what the user of a variable price allows; by default what is suggested.

        Raises:
            ActionRefused: the initial charge could not be paid, which ends the agreement.
        """
        return self._act(agreement_id, "accept", maxAmount=max_amount)

    async def decline(self, agreement_id: str) -> LedgerAgreement:
        """Decline an agreement as its user does in the app."""
        return self._act(agreement_id, "decline")

    async def expire(self, agreement_id: str) -> LedgerAgreement:
        """Let the time of one agreement run out."""
        return self._act(agreement_id, "expire")

    async def stop(self, agreement_id: str, *, actor: Literal["USER", "ADMIN"] = "USER") -> LedgerAgreement:
        """Stop an agreement as its user does in the app.

        Args:
            agreement_id: one that is ACTIVE.
            actor: ``"ADMIN"`` for a user whose profile was deleted.
        """
        return self._act(agreement_id, "stop", actor=actor)

    async def set_maximum(self, agreement_id: str, max_amount: int) -> LedgerAgreement:
        """Change what the user of a variable price allows in an interval."""
        return self._act(agreement_id, "set-maximum", maxAmount=max_amount)

    async def decline_charges(
        self,
        agreement_id: str,
        reason: Literal[
            "user_action_required", "charge_amount_too_high", "non_technical_error", "technical_error"
        ] = "user_action_required",
    ) -> LedgerAgreement:
        """Have every attempt to take a charge fail from now on, as with a card that expired.

        Args:
            agreement_id: the agreement's.
            reason: as the API tells it.
        """
        return self._act(agreement_id, "decline-charges", reason=reason)

    async def pay_charges(self, agreement_id: str) -> LedgerAgreement:
        """Have attempts to take a charge succeed again."""
        return self._act(agreement_id, "pay-charges")

    def _act(self, agreement_id: str, action: str, **details: Any) -> LedgerAgreement:
        self._expire_due()
        return self._api.user.act(agreement_id, action, details)
