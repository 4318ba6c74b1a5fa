"""A payment as the ePayment API tells it, read from either dialect into one model. Unknown fields stay in ``raw``.

What decides over money is strict; what informs is ``None`` where the document has nothing that fits.

Source: ePayment API 1.8.1, get payment and adjustment responses; draft 0.9.0, payment object.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from vipps_async._wire.serializable import Serializable
from vipps_async.epayment._enums import (
    AuthorisationType,
    CustomerInteraction,
    PaymentMethodType,
    PaymentState,
    UserFlow,
)
from vipps_async.money import Amount


@attrs.frozen(kw_only=True)
class Aggregate(Serializable):
    """The running totals of a payment: authorized, captured, refunded and cancelled.

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
class PaymentMethodUsed(Serializable):
    """The payment method that was used.

    Attributes:
        type: wallet or card.
        card_bin: the card's first 6 digits, when known.
    """

    type: PaymentMethodType | None = None
    card_bin: str | None = None


@attrs.frozen(kw_only=True)
class Profile(Serializable):
    """The profile of the user who paid.

    Attributes:
        sub: the user's identifier for the Userinfo API, once the payment is authorized and if a scope was asked for.
    """

    sub: str | None = None


@attrs.frozen(kw_only=True)
class Address(Serializable):
    """An address; each line is ``None`` where the API does not tell it.

    Attributes:
        address_line1: street and number.
        address_line2: apartment, suite or attention line.
        city: city.
        post_code: in the country's own format.
        country: ISO 3166-1 alpha-2.
    """

    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    post_code: str | None = None
    country: str | None = None


@attrs.frozen(kw_only=True)
class UserDetails(Serializable):
    """The user's details, with profile sharing and Express: those that the user shared, and the API tells.

    None of them is shown in a repr.

    Attributes:
        email: e-mail address.
        first_name: given name.
        last_name: family name.
        mobile_number: MSISDN.
        date_of_birth: ``YYYY-MM-DD``, as text.
        addresses: the user's addresses.
    """

    email: str | None = attrs.field(default=None, repr=False)
    first_name: str | None = attrs.field(default=None, repr=False)
    last_name: str | None = attrs.field(default=None, repr=False)
    mobile_number: str | None = attrs.field(default=None, repr=False)
    date_of_birth: str | None = attrs.field(default=None, repr=False)
    addresses: tuple[Address, ...] | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ShippingDetails(Serializable):
    """The shipping that the user chose with Express.

    Attributes:
        address: where to.
        shipping_cost: minor units of the payment's currency; what it adds up to is in `Payment.aggregate`.
        shipping_option_id: the merchant's identifier of the option.
        shipping_option_name: what the user read.
    """

    address: Address | None = attrs.field(default=None, repr=False)
    shipping_cost: int | None = None
    shipping_option_id: str | None = None
    shipping_option_name: str | None = None


@attrs.frozen(kw_only=True)
class Payment(Serializable):
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
    payment_method: PaymentMethodUsed = PaymentMethodUsed()
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
