"""A charge as the Recurring API tells it. Unknown fields stay in ``raw``.

Source: Recurring API v3, charge responses.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import attrs

from vipps_async._wire.serializable import Serializable
from vipps_async.money import Amount
from vipps_async.recurring._enums import (
    ChargeAction,
    ChargeStatus,
    ChargeType,
    FailureReason,
    ProcessingMode,
    TransactionType,
)


@attrs.frozen(kw_only=True)
class ChargeSummary(Serializable):
    """The running totals of a charge.

    Attributes:
        captured: taken so far; refunds do not reduce it.
        refunded: given back so far.
        cancelled: released so far.
    """

    captured: Amount
    refunded: Amount
    cancelled: Amount

    @property
    def left_to_refund(self) -> Amount:
        """Captured minus refunded, at least 0."""
        return Amount(max(0, self.captured.value - self.refunded.value), self.captured.currency)


@attrs.frozen(kw_only=True)
class ChargeHistoryEntry(Serializable):
    """Something that happened to a charge.

    Attributes:
        occurred: when.
        event: what.
        amount: of this step alone.
        success: whether it succeeded.
        idempotency_key: of the request that caused it, or one of the service's own.
        transaction_id: of the movement of money, where the document tells it.
    """

    occurred: datetime
    event: ChargeAction
    amount: Amount
    success: bool = True
    idempotency_key: str | None = None
    transaction_id: str | None = None


@attrs.frozen(kw_only=True)
class Charge(Serializable):
    """A charge as it stands.

    Attributes:
        id: its identifier: the ``order_id``, or ``chr-…``.
        agreement_id: whose charge it is.
        status: `ChargeStatus`.
        amount: what it is over.
        summary: how much of it was captured, refunded and cancelled; look here before refunding.
        type: INITIAL, RECURRING or UNSCHEDULED.
        transaction_type: whether it is captured when it is paid.
        transaction_id: of the payment, once it is due.
        description: what the user reads.
        due: the day on which it was, or will be, first tried to take it.
        retry_days: for how many days after that.
        processing_mode: how often it is tried.
        external_id: the merchant's own.
        external_agreement_id: the agreement's ``external_id``.
        failure_reason: why it failed.
        failure_description: the same in words.
        history: what happened to it, oldest first.
        raw: the document as it came.
    """

    id: str
    agreement_id: str
    status: ChargeStatus
    amount: Amount
    summary: ChargeSummary
    type: ChargeType | None = None
    transaction_type: TransactionType | None = None
    transaction_id: str | None = None
    description: str | None = None
    due: date | None = None
    retry_days: int | None = None
    processing_mode: ProcessingMode | None = None
    external_id: str | None = None
    external_agreement_id: str | None = None
    failure_reason: FailureReason | None = None
    failure_description: str | None = None
    history: tuple[ChargeHistoryEntry, ...] = ()
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @property
    def left_to_capture(self) -> Amount:
        """What is reserved and neither captured nor released; 0 for one that is not reserved."""
        is_reserved = self.status in {ChargeStatus.RESERVED, ChargeStatus.PARTIALLY_CAPTURED}
        left = self.amount.value - self.summary.captured.value - self.summary.cancelled.value
        return Amount(max(0, left) if is_reserved else 0, self.amount.currency)


@attrs.frozen(kw_only=True)
class CreatedCharge(Serializable):
    """The reply to the creation of a charge.

    Attributes:
        charge_id: the charge's: its ``order_id``, or ``chr-…``.
        agreement_id: whose charge it is.
        idempotency_key: what it was created with.
        raw: the document as it came.
    """

    charge_id: str
    agreement_id: str
    idempotency_key: str
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class ChangedCharge(Serializable):
    """What a capture, refund or cancellation did; the charge's totals are read with `Charges.get`.

    Attributes:
        agreement_id: whose charge it is.
        charge_id: the charge's.
        amount: what was captured or refunded; ``None`` for a cancellation, which is of all that remains.
        idempotency_key: what the operation was sent with.
    """

    agreement_id: str
    charge_id: str
    amount: Amount | None
    idempotency_key: str


@attrs.frozen(kw_only=True)
class ChargeVerdict(Serializable):
    """What became of one of many charges.

    Attributes:
        agreement_id: whose charge it is.
        order_id: the charge's id, if it is created.
        is_accepted: whether it passed the first check, or is there already. It can fail still, which its
            ``CREATION_FAILED`` event tells.
        errors: what the API said against it.
        idempotency_key: what it was sent with, which it shares with others.
    """

    agreement_id: str
    order_id: str
    is_accepted: bool
    errors: tuple[str, ...]
    idempotency_key: str
