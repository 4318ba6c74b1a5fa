"""A payment's event, from the event log or a webhook, in either dialect.

Source: ePayment API 1.8.1, PaymentEvent and WebhookEvent; draft 0.9.0, PaymentEvent and notifications.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async._events import Document, EventFamily, netstrings
from vipps_async._wire.converter import wire
from vipps_async._wire.open_enum import OpenEnum
from vipps_async._wire.serializable import Serializable
from vipps_async.epayment._enums import AuthorisationType
from vipps_async.epayment._payment import ShippingDetails, UserDetails
from vipps_async.money import Amount


class PaymentEventName(OpenEnum):
    """The name of an event of a payment."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"
    CANCELLED = "CANCELLED"
    CAPTURED = "CAPTURED"
    REFUNDED = "REFUNDED"
    AUTHORISATION_ADJUSTMENT = "AUTHORISATION_ADJUSTMENT"  # the draft's alone

    CREATION = "CREATED"
    AUTHORISATION = "AUTHORIZED"
    TERMINATION = "TERMINATED"
    CANCELLATION = "CANCELLED"
    CAPTURE = "CAPTURED"
    REFUND = "REFUNDED"

    @property
    def event_type(self) -> str:
        """The type to register a webhook for: ``epayments.payment.authorized.v1``."""
        return f"epayments.payment.{self._value_.lower()}.v1"

    @property
    def event_class(self) -> "type[PaymentEvent]":
        """The class of the events that have the name."""
        return PaymentEvent


@attrs.frozen(kw_only=True)
class PaymentEvent(Serializable):
    """Something happened to a payment.

    What informs, such as the user's details, is ``None`` where the document has nothing that fits.

    Attributes:
        reference: the payment's.
        psp_reference: this event's own, the one that settlement shows for a capture.
        name: `PaymentEventName`; a name that this package does not know is kept, and equals its text.
        amount: of this capture or refund alone, no total.
        timestamp: when it happened.
        success: whether the operation succeeded; a failed one changes no state.
        idempotency_key: of the request that caused it, if one did.
        msn: merchant serial number; webhooks of the current API only.
        user_details: on AUTHORIZED, with profile sharing and Express.
        shipping_details: on AUTHORIZED, with Express.
        sub: on AUTHORIZED, the user's identifier for the Userinfo API.
        capture_guaranteed_until: on AUTHORIZED, until when a capture is sure to succeed.
        authorisation_type: the draft API's.
        raw: the document as it came.
    """

    reference: str
    psp_reference: str
    name: PaymentEventName = attrs.field(metadata=wire(also="paymentAction"))
    amount: Amount
    timestamp: datetime = attrs.field(metadata=wire(also="processedAt"))
    # The draft does not require it; an event that does not say that it failed reports what happened.
    success: bool = attrs.field(default=True, metadata=wire(decides=True))
    idempotency_key: str | None = attrs.field(default=None, metadata=wire(decides=True))
    msn: str | None = attrs.field(default=None, metadata=wire(decides=True))
    user_details: UserDetails | None = None
    shipping_details: ShippingDetails | None = None
    sub: str | None = attrs.field(default=None, metadata=wire(also="profile.sub"))
    capture_guaranteed_until: datetime | None = None
    authorisation_type: AuthorisationType | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @property
    def dedup_key(self) -> str:
        """The key by which two deliveries are the same event: merchant, payment, `psp_reference`, name and success.

        A reference is one merchant's own, and nobody promises that a ``pspReference`` is of one payment. The draft's
        examples repeat one over a creation and an authorisation, and taking the second for a duplicate of the first
        would lose the money; so would taking a success for an earlier failure.
        """
        failure = () if self.success else ("failed",)
        return netstrings(self.msn or "", self.reference, self.psp_reference, self.name, *failure)

    @property
    def type(self) -> str:
        """The event type: ``epayments.payment.authorized.v1``, in the draft's events too."""
        return self.name.event_type

    @property
    def subject(self) -> str:
        """The payment's reference."""
        return self.reference

    @property
    def occurred_at(self) -> datetime:
        """When it happened: `timestamp`."""
        return self.timestamp


def _is_of_a_payment(document: Document) -> bool:
    # Also where something is missing: what can only be a malformed event of a payment is refused, and comes again.
    members = document.keys()
    names_one = not members.isdisjoint({"reference", "pspReference", "paymentAction"}) or {"name", "amount"} <= members
    return names_one and "eventType" not in members


def _type_of(name: str) -> str | None:
    known = PaymentEventName(name)
    return known.event_type if known.is_known else None


PAYMENTS = EventFamily(
    model=PaymentEvent,
    # The draft's adjustment cannot be registered for.
    types=tuple(name.event_type for name in PaymentEventName if name is not PaymentEventName.AUTHORISATION_ADJUSTMENT),
    recognise=_is_of_a_payment,
    type_of=_type_of,
    undecisive=frozenset({PaymentEventName.CREATED.event_type}),
)
