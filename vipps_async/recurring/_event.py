"""Events of agreements and charges. Source: Webhooks API, Recurring events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async._events import Document, EventFamily, netstrings
from vipps_async._wire.bare_amounts import with_amounts
from vipps_async._wire.converter import wire
from vipps_async._wire.open_enum import OpenEnum
from vipps_async._wire.serializable import Serializable
from vipps_async.money import Amount
from vipps_async.recurring._enums import Actor, ChargeType, FailureReason

_AGREEMENT, _CHARGE = "recurring.agreement-", "recurring.charge-"
_DECIDES = wire(decides=True)
_TOTALS = ("amountCaptured", "amountCanceled", "amountRefunded")


class AgreementEventType(OpenEnum):
    """The type of an event of an agreement."""

    ACTIVATED = "recurring.agreement-activated.v1"
    REJECTED = "recurring.agreement-rejected.v1"
    STOPPED = "recurring.agreement-stopped.v1"
    EXPIRED = "recurring.agreement-expired.v1"

    @property
    def event_type(self) -> str:
        """The type to register a webhook for: itself."""
        return self._value_

    @property
    def event_class(self) -> "type[AgreementEvent]":
        """The class of the events of this type."""
        return AgreementEvent


class ChargeEventType(OpenEnum):
    """The type of an event of a charge."""

    RESERVED = "recurring.charge-reserved.v1"
    CAPTURED = "recurring.charge-captured.v1"
    CANCELED = "recurring.charge-canceled.v1"
    REFUNDED = "recurring.charge-refunded.v1"
    FAILED = "recurring.charge-failed.v1"
    CREATION_FAILED = "recurring.charge-creation-failed.v1"

    @property
    def event_type(self) -> str:
        """The type to register a webhook for: itself."""
        return self._value_

    @property
    def event_class(self) -> "type[ChargeEvent]":
        """The class of the events of this type."""
        return ChargeEvent


@attrs.frozen(kw_only=True)
class AgreementEvent(Serializable):
    """Something happened to an agreement. It is a hint: read the agreement for what is so now.

    Attributes:
        agreement_id: the agreement's.
        event_type: `AgreementEventType`; a type that this package does not know is kept, and equals its text.
        occurred: when it happened.
        actor: who did it; on STOPPED.
        msn: merchant serial number.
        agreement_uuid: another identifier of the agreement.
        agreement_external_id: the merchant's own, if it has one.
        raw: the document as it came.
    """

    agreement_id: str
    event_type: AgreementEventType
    occurred: datetime
    actor: Actor | None = attrs.field(default=None, metadata=wire(also="Actor"))
    msn: str | None = attrs.field(default=None, metadata=_DECIDES)
    agreement_uuid: str | None = attrs.field(default=None, metadata=wire(also="agreementUUID"))
    agreement_external_id: str | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @property
    def type(self) -> str:
        """The event type."""
        return self.event_type

    @property
    def dedup_key(self) -> str:
        """The key by which two deliveries are the same event: each type happens to an agreement once."""
        return netstrings(self.msn or "", self.agreement_id, self.event_type)

    @property
    def subject(self) -> str:
        """The agreement's id, by which its charges' events are ordered too."""
        return self.agreement_id

    @property
    def success(self) -> bool:
        """True: each of them tells what happened."""
        return True

    @property
    def occurred_at(self) -> datetime:
        """When it happened: `occurred`."""
        return self.occurred


@attrs.frozen(kw_only=True)
class ChargeEvent(Serializable):
    """Something happened to a charge. It is a hint: read the charge for what is so now.

    Attributes:
        agreement_id: whose charge it is.
        charge_id: the charge's, which is its ``order_id`` where it was given one.
        event_type: `ChargeEventType`; a type that this package does not know is kept, and equals its text.
        amount: what the charge is over.
        amount_captured: captured in all, with this event.
        amount_canceled: released in all.
        amount_refunded: given back in all.
        occurred: when it happened.
        charge_type: INITIAL, RECURRING or UNSCHEDULED.
        transaction_id: of the movement of money, where there is one.
        charge_external_id: the merchant's own, if it has one.
        failure_reason: why it failed.
        msn: merchant serial number.
        raw: the document as it came.
    """

    agreement_id: str
    charge_id: str
    event_type: ChargeEventType
    amount: Amount
    amount_captured: Amount
    amount_canceled: Amount
    amount_refunded: Amount
    occurred: datetime
    charge_type: ChargeType | None = None
    transaction_id: str | None = attrs.field(default=None, metadata=_DECIDES)
    charge_external_id: str | None = None
    failure_reason: FailureReason | None = None
    msn: str | None = attrs.field(default=None, metadata=_DECIDES)
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @property
    def type(self) -> str:
        """The event type."""
        return self.event_type

    @property
    def dedup_key(self) -> str:
        """The key by which two deliveries are the same event.

        A charge may be captured and refunded in parts. A capture's transaction tells it from others, and so does what
        is captured in all, which grows; whether each refund has a transaction of its own nobody says.
        """
        of_this = (self.msn or "", self.agreement_id, self.charge_id, self.event_type)
        return netstrings(*of_this, *self._part())

    @property
    def subject(self) -> str:
        """The agreement's id: the first charge of an agreement and its activation are handled in order."""
        return self.agreement_id

    @property
    def success(self) -> bool:
        """True: each of them tells what happened, a failure included."""
        return True

    @property
    def occurred_at(self) -> datetime:
        """When it happened: `occurred`."""
        return self.occurred

    def _part(self) -> tuple[str, ...]:
        moment = self.occurred.isoformat()
        if self.event_type is ChargeEventType.CAPTURED:
            return self.transaction_id or moment, str(self.amount_captured.value)
        if self.event_type is ChargeEventType.REFUNDED:
            return self.transaction_id or "", moment, str(self.amount_refunded.value)
        if self.event_type is ChargeEventType.CREATION_FAILED:
            return (moment,)  # there is no charge, so that it may be asked for, and fail, again
        return ()


def _begins(document: Document, beginning: str) -> bool:
    kind = document.get("eventType")
    return isinstance(kind, str) and kind.startswith(beginning)


def _adapt_charge(document: Document) -> Any:
    totals = {name: document.get(name) or 0 for name in _TOTALS}  # nothing is 0, or left out
    return with_amounts({**document, **totals}, "amount", *_TOTALS)


AGREEMENTS = EventFamily(
    model=AgreementEvent,
    types=tuple(AgreementEventType),
    recognise=lambda document: _begins(document, _AGREEMENT),
)
CHARGES = EventFamily(
    model=ChargeEvent,
    types=tuple(ChargeEventType),
    recognise=lambda document: _begins(document, _CHARGE),
    adapt=_adapt_charge,
)
