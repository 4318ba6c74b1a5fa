"""Agreements and charges as values that never change. Performs no I/O. Source: Recurring API, responses."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import attrs

from vipps_async.sandbox._platform.markets import MARKETS, Market
from vipps_async.sandbox._recurring.calendar import attempts_of
from vipps_async.sandbox._recurring.lifecycle import AgreementState, ChargeState

_VISIBLE_FOR = timedelta(days=30)  # before it is due, a charge is shown to the user, and is DUE


@attrs.frozen(kw_only=True)
class AgreementEntry:
    """An entry of an agreement's history.

    Attributes:
        event: what happened.
        occurred: when, by the sandbox's clock.
        actor: who did it.
    """

    event: str
    occurred: datetime
    actor: str | None = None


@attrs.frozen(kw_only=True)
class ChargeEntry:
    """An entry of a charge's history.

    Attributes:
        event: what happened.
        occurred: when, by the sandbox's clock.
        amount: of this step alone, in minor units.
        idempotency_key: of the request that caused it, or one of the sandbox's own.
        transaction_id: of the movement of money, where there is one.
    """

    event: str
    occurred: datetime
    amount: int
    idempotency_key: str
    transaction_id: str | None = None


@attrs.frozen(kw_only=True)
class LedgerCharge:
    """A charge at one moment; the ledger replaces it whenever something happens.

    Attributes:
        id: the order id, or one of the sandbox's own.
        agreement_id: whose it is.
        state: where it is in its life.
        type: ``INITIAL``, ``RECURRING`` or ``UNSCHEDULED``.
        transaction_type: ``DIRECT_CAPTURE`` or ``RESERVE_CAPTURE``.
        amount: in minor units, as the totals.
        currency: the agreement's.
        description: what the user reads.
        due: the day on which it is first tried to take it.
        retry_days: for how many days after that.
        processing_mode: ``MULTIPLE_ATTEMPTS`` or ``SINGLE_ATTEMPT``.
        external_id: the merchant's own.
        transaction_id: of the payment, once it is due.
        captured: running total; refunds do not reduce it.
        refunded: running total.
        cancelled: running total of what was released.
        failure_reason: why it failed.
        attempts: how often it was tried to take it.
        reserved_at: when it was reserved.
        created_at: when it was created.
        history: oldest first.
    """

    id: str
    agreement_id: str
    state: ChargeState
    type: str
    transaction_type: str
    amount: int
    currency: str
    description: str
    due: date
    retry_days: int = 0
    processing_mode: str = "MULTIPLE_ATTEMPTS"
    external_id: str | None = None
    transaction_id: str | None = None
    captured: int = 0
    refunded: int = 0
    cancelled: int = 0
    failure_reason: str | None = None
    attempts: int = 0
    reserved_at: datetime | None = None
    created_at: datetime
    history: tuple[ChargeEntry, ...] = ()

    @property
    def market(self) -> Market:
        """Where it is taken."""
        return MARKETS[self.currency]

    @property
    def remaining(self) -> int:
        """The amount that was neither captured nor released."""
        return self.amount - self.captured - self.cancelled

    @property
    def visible_from(self) -> datetime:
        """When it becomes due to be shown."""
        return self.market.at(self.due - _VISIBLE_FOR)

    @property
    def next_deadline(self) -> datetime | None:
        """When time does something to it, unless somebody acts before."""
        if self.type == "INITIAL" and self.state is ChargeState.PENDING:
            return None  # its agreement has a deadline
        match self.state:
            case ChargeState.PENDING:
                return self.visible_from
            case ChargeState.DUE:
                return self.created_at if self.type == "UNSCHEDULED" else self._attempts[self.attempts]
            case ChargeState.RESERVED | ChargeState.PARTIALLY_CAPTURED:
                return self.reserved_at and self.reserved_at + self.market.reserved_for
            case _:
                return None

    @property
    def is_last_attempt(self) -> bool:
        """Whether it is not tried again after the next attempt."""
        return self.type != "RECURRING" or self.attempts + 1 >= len(self._attempts)

    @property
    def _attempts(self) -> tuple[datetime, ...]:
        return attempts_of(self.due, self.retry_days, self.processing_mode, self.market)


@attrs.frozen(kw_only=True)
class LedgerAgreement:
    """An agreement at one moment; the ledger replaces it whenever something happens to it or to a charge of it.

    Attributes:
        id: its identifier.
        uuid: another one.
        state: where it is in its life.
        terms: the request that drafted it, as it was changed since.
        currency: ISO 4217, of all its charges.
        max_amount: what the user of a variable price allows in an interval, in minor units.
        token: the part of the confirmation URL that stands for it.
        confirmation_url: where the user is sent.
        created_at: by the sandbox's clock, as the next three.
        expires_at: when it expires unless the user accepts.
        started_at: when the user accepted.
        stopped_at: when it was stopped.
        phone_number: the user's.
        declines: why the user's payments fail at present, as the API tells it; ``None``: they do not.
        charge_ids: its charges, oldest first.
        revision: how often something happened to it or to a charge of it.
        history: oldest first.
    """

    id: str
    uuid: str
    state: AgreementState = AgreementState.PENDING
    terms: Mapping[str, Any]
    currency: str
    max_amount: int | None = None
    token: str = attrs.field(repr=False)
    confirmation_url: str = attrs.field(repr=False)
    created_at: datetime
    expires_at: datetime
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    phone_number: str
    declines: str | None = None
    charge_ids: tuple[str, ...] = ()
    revision: int = 0
    history: tuple[AgreementEntry, ...] = ()

    @property
    def next_deadline(self) -> datetime | None:
        """When time does something to it, unless somebody acts before."""
        return self.expires_at if self.state is AgreementState.PENDING else None

    @property
    def scopes(self) -> frozenset[str]:
        """What the user is asked to tell."""
        return frozenset((self.terms.get("scope") or "").split())

    @property
    def pricing(self) -> Mapping[str, Any]:
        """The price."""
        told: Mapping[str, Any] = self.terms["pricing"]
        return told
