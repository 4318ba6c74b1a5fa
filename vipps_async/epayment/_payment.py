"""What the ePayment API answers, read from either dialect into one model. Unknown fields stay in ``raw``.

Source: ePayment API 1.8.1, get payment and adjustment responses; draft 0.9.0, payment object.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async.epayment._vocabulary import (
    AuthorisationType,
    CustomerInteraction,
    PaymentMethodType,
    PaymentState,
    UserFlow,
)
from vipps_async.money import Amount


@attrs.frozen(kw_only=True)
class Aggregate:
    """How much of a payment was authorized, captured, refunded and cancelled, as running totals.

    Attributes:
        authorized_amount: approved by the user; 0 until then.
        captured_amount: taken so far; refunds do not reduce it.
        refunded_amount: given back so far.
        cancelled_amount: released so far.
    """

    authorized_amount: Amount
    captured_amount: Amount
    refunded_amount: Amount
    cancelled_amount: Amount

    @property
    def left_to_capture(self) -> Amount:
        """Authorized minus captured minus cancelled; 0 for a payment cancelled before it was authorized."""
        left = self.authorized_amount.value - self.captured_amount.value - self.cancelled_amount.value
        return Amount(max(0, left), self.authorized_amount.currency)

    @property
    def left_to_refund(self) -> Amount:
        """Captured minus refunded, at least 0."""
        left = self.captured_amount.value - self.refunded_amount.value
        return Amount(max(0, left), self.captured_amount.currency)


@attrs.frozen(kw_only=True)
class PaymentMethodUsed:
    """What the payment is paid with.

    Attributes:
        type: wallet or card.
        card_bin: the card's first 6 digits, when known.
    """

    type: PaymentMethodType
    card_bin: str | None = None


@attrs.frozen(kw_only=True)
class Profile:
    """Who paid.

    Attributes:
        sub: the user's identifier for the Userinfo API, once the payment is authorized and if a scope was asked for.
    """

    sub: str | None = None


@attrs.frozen(kw_only=True)
class Address:
    """An address.

    Attributes:
        address_line1: street and number.
        address_line2: apartment, suite or attention line.
        city: city.
        post_code: in the country's own format.
        country: ISO 3166-1 alpha-2.
    """

    address_line1: str
    address_line2: str | None = None
    city: str
    post_code: str
    country: str


@attrs.frozen(kw_only=True)
class UserDetails:
    """The user's details, with profile sharing and Express; none of them is shown in a repr.

    Attributes:
        email: e-mail address.
        first_name: given name.
        last_name: family name.
        mobile_number: MSISDN.
        date_of_birth: ``YYYY-MM-DD``, as text.
        addresses: the user's addresses.
    """

    email: str = attrs.field(repr=False)
    first_name: str = attrs.field(repr=False)
    last_name: str = attrs.field(repr=False)
    mobile_number: str = attrs.field(repr=False)
    date_of_birth: str | None = attrs.field(default=None, repr=False)
    addresses: tuple[Address, ...] | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ShippingDetails:
    """What the user chose with Express.

    Attributes:
        address: where to.
        shipping_cost: minor units of the payment's currency.
        shipping_option_id: the merchant's identifier of the option.
        shipping_option_name: what the user read.
    """

    address: Address = attrs.field(repr=False)
    shipping_cost: int
    shipping_option_id: str
    shipping_option_name: str


@attrs.frozen(kw_only=True)
class Payment:
    """A payment as it stands.

    Attributes:
        reference: the merchant's.
        psp_reference: of the creation; captures and refunds have their own, in their events.
        state: `PaymentState`; never changes once it is not CREATED.
        amount: what the payment is over.
        aggregate: how much was authorized, captured, refunded and cancelled.
        payment_method: what it is paid with.
        profile: who paid.
        redirect_url: where the user goes on with it.
        metadata: the merchant's own pairs.
        user_details: with profile sharing and Express.
        shipping_details: with Express.
        capture_guaranteed_until: until when a capture is sure to succeed.
        authorisation_type, direct_capture, customer_interaction, user_flow, return_url, payment_description: what the
            draft API repeats of the request.
        raw: the document as it came.
    """

    reference: str
    psp_reference: str
    state: PaymentState
    amount: Amount
    aggregate: Aggregate
    payment_method: PaymentMethodUsed
    profile: Profile = Profile()
    redirect_url: str | None = None
    metadata: Mapping[str, str] | None = attrs.field(default=None, hash=False)
    user_details: UserDetails | None = None
    shipping_details: ShippingDetails | None = None
    capture_guaranteed_until: datetime | None = None
    authorisation_type: AuthorisationType | None = None
    direct_capture: bool | None = None
    customer_interaction: CustomerInteraction | None = None
    user_flow: UserFlow | None = None
    return_url: str | None = None
    payment_description: str | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class CreatedPayment:
    """The reply to a creation.

    Attributes:
        reference: the merchant's.
        redirect_url: where to send the user; ``None`` for PUSH_MESSAGE. Open it unchanged, never in a frame.
        idempotency_key: what the creation was sent with.
        payment: the whole payment, from the draft API only.
        raw: the document as it came.
    """

    reference: str
    redirect_url: str | None = None
    idempotency_key: str
    payment: Payment | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Adjustment:
    """The reply to a capture, refund or cancellation.

    Attributes:
        reference: the merchant's.
        idempotency_key: what the operation was sent with.
        psp_reference: of the payment's creation, not of this operation.
        state: the payment's.
        amount: what the payment is over.
        aggregate: the totals after the operation; look here before shipping.
        raw: the document as it came.

    The draft API only accepts an operation, and reports its result later by event: then `is_accepted_only` holds, and
    all but *reference* and *idempotency_key* is ``None``.
    """

    reference: str
    idempotency_key: str
    psp_reference: str | None = None
    state: PaymentState | None = None
    amount: Amount | None = None
    aggregate: Aggregate | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def is_accepted_only(self) -> bool:
        """Whether the result is still to come by event."""
        return self.aggregate is None
