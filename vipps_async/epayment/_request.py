"""Requests that create and change a payment, valid or not built. Source: ePayment API 1.8.1, and draft 0.9.0."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from vipps_async._wire import canonical, validators
from vipps_async._wire.urls import normal_url
from vipps_async.epayment import _rules as rules
from vipps_async.epayment._enums import (
    AuthorisationType,
    BlockedSource,
    CustomerInteraction,
    PaymentMethodType,
    QrImageFormat,
    UserFlow,
)
from vipps_async.epayment._receipt import Receipt
from vipps_async.epayment._shipping import Shipping
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount

_optional = attrs.validators.optional


@attrs.frozen(kw_only=True)
class Customer:
    """The customer who is to pay, given in exactly one way.

    Args:
        phone_number: MSISDN as text: ``"4712345678"``.
        personal_qr: the whole content of the user's personal QR code, 5 to 255 characters.
        customer_token: from a ``user.checked-in.v1`` event.

    Raises:
        InvalidRequest: none or several are given, or one is malformed.
    """

    phone_number: str | None = attrs.field(default=None, validator=_optional(validators.msisdn), repr=False)
    personal_qr: str | None = attrs.field(default=None, validator=_optional(validators.text(5, 255)), repr=False)
    customer_token: str | None = attrs.field(default=None, validator=_optional(validators.text(1)), repr=False)

    def __attrs_post_init__(self) -> None:
        given = [value for value in (self.phone_number, self.personal_qr, self.customer_token) if value is not None]
        if len(given) != 1:
            raise InvalidRequest("customer", self, "takes exactly one of phone_number, personal_qr, customer_token")


def _as_sources(sources: Iterable[str] | None) -> tuple[BlockedSource, ...] | None:
    return None if sources is None else tuple(map(BlockedSource, validators.as_tuple("blocked_sources", sources)))


@attrs.frozen(kw_only=True)
class PaymentMethod:
    """The payment method, and the sources that are not taken.

    Args:
        type: `PaymentMethodType`, or its text; CARD goes with WEB_REDIRECT only.
        blocked_sources: sources that are not taken; WALLET in Denmark and Finland only.
    """

    type: PaymentMethodType = attrs.field(
        default=PaymentMethodType.WALLET, converter=PaymentMethodType, validator=validators.known
    )
    blocked_sources: tuple[BlockedSource, ...] | None = attrs.field(
        default=None, converter=_as_sources, validator=validators.each_known
    )


@attrs.frozen(kw_only=True)
class QrFormat:
    """The form of the QR code of a payment.

    Args:
        format: `QrImageFormat`, or its text.
        size: width and height in pixels, 100 to 2000; PNG only.
    """

    format: QrImageFormat = attrs.field(default=QrImageFormat.SVG, converter=QrImageFormat, validator=validators.known)
    size: int | None = attrs.field(default=None, validator=_optional(validators.whole(100, 2000)))


@attrs.frozen(kw_only=True)
class AirlineData:
    """Data that card schemes require of an airline ticket.

    Args:
        agency_invoice_number: 1 to 6 characters.
        airline_code: IATA accounting code, 3 digits.
        airline_designator_code: IATA airline code, 2 characters.
        passenger_name: 1 to 49 characters.
        ticket_number: 1 to 150 characters.
    """

    agency_invoice_number: str = attrs.field(validator=validators.text(1, 6))
    airline_code: str = attrs.field(validator=validators.text(3, 3))
    airline_designator_code: str = attrs.field(validator=validators.text(2, 2))
    passenger_name: str = attrs.field(validator=validators.text(1, 49))
    ticket_number: str | None = attrs.field(default=None, validator=_optional(validators.text(1, 150)))


@attrs.frozen(kw_only=True)
class IndustryData:
    """Data that an industry has to give with a payment."""

    airline_data: AirlineData | None = attrs.field(
        default=None, validator=_optional(validators.instance_of(AirlineData))
    )


def _as_url(url: str | None) -> str | None:
    return None if url is None else normal_url(url)


@attrs.frozen(kw_only=True)
class MerchantLegalLinks:
    """Pages that the user accepts in the app, Express included.

    Args:
        terms_of_sale_url: ``https://…`` or a custom scheme.
        privacy_policy_url: the same.
    """

    terms_of_sale_url: str | None = attrs.field(default=None, converter=_as_url, validator=_optional(validators.url))
    privacy_policy_url: str | None = attrs.field(default=None, converter=_as_url, validator=_optional(validators.url))


@attrs.frozen(kw_only=True)
class ProfileScope:
    """The details of the user to ask for, separated by spaces."""

    scope: str = attrs.field(validator=validators.text(1))

    @classmethod
    def of(cls, scope: str | Iterable[str]) -> "ProfileScope":
        """Take a scope as text, or as its words; those of a set, which has no order, in the alphabet's."""
        words = (scope,) if isinstance(scope, str) else validators.as_tuple("profile_scope", scope)
        if not all(isinstance(word, str) for word in words):
            raise InvalidRequest("profile_scope", scope, "must be words such as name, email and phoneNumber")
        return cls(scope=canonical.words(" ".join(words)))


_WALLET = PaymentMethod()


def _as_method(method: "PaymentMethod | str") -> PaymentMethod:
    if method is PaymentMethodType.WALLET:
        return _WALLET  # what nearly all payments have
    return method if isinstance(method, PaymentMethod) else PaymentMethod(type=method)


def _as_profile(scope: str | Iterable[str] | None) -> ProfileScope | None:
    return None if scope is None else ProfileScope.of(scope)


@attrs.frozen(kw_only=True)
class CreatePayment:
    """The body that creates a payment; `EPayment.create` describes each field."""

    amount: Amount = attrs.field(converter=rules.check_payment_amount)
    payment_method: PaymentMethod = attrs.field(converter=_as_method)
    reference: str = attrs.field(converter=rules.check_reference)
    user_flow: UserFlow = attrs.field(converter=UserFlow, validator=validators.known)
    return_url: str | None = attrs.field(default=None, converter=_as_url, validator=_optional(validators.url))
    payment_description: str | None = attrs.field(default=None, validator=_optional(validators.text(3, 100)))
    customer: Customer | None = attrs.field(default=None, validator=_optional(validators.instance_of(Customer)))
    customer_interaction: CustomerInteraction | None = attrs.field(
        default=None, converter=attrs.converters.optional(CustomerInteraction), validator=validators.known
    )
    profile: ProfileScope | None = attrs.field(default=None, converter=_as_profile)
    metadata: Mapping[str, str] | None = attrs.field(
        default=None, converter=canonical.metadata, validator=_optional(rules.metadata)
    )
    expires_at: datetime | None = attrs.field(default=None, validator=_optional(validators.aware))
    receipt: Receipt | None = attrs.field(default=None, validator=_optional(validators.instance_of(Receipt)))
    receipt_url: str | None = attrs.field(default=None, converter=_as_url, validator=_optional(validators.url))
    minimum_user_age: int | None = attrs.field(default=None, validator=_optional(validators.whole(0, 100)))
    qr_format: QrFormat | None = attrs.field(default=None, validator=_optional(validators.instance_of(QrFormat)))
    shipping: Shipping | None = attrs.field(default=None, validator=_optional(validators.instance_of(Shipping)))
    industry_data: IndustryData | None = attrs.field(
        default=None, validator=_optional(validators.instance_of(IndustryData))
    )
    merchant_legal_links: MerchantLegalLinks | None = attrs.field(
        default=None, validator=_optional(validators.instance_of(MerchantLegalLinks))
    )
    authorisation_type: AuthorisationType | None = attrs.field(
        default=None, converter=attrs.converters.optional(AuthorisationType), validator=validators.known
    )
    direct_capture: bool | None = attrs.field(default=None, validator=_optional(validators.flag))

    def __attrs_post_init__(self) -> None:
        self._check_flow()
        if self.expires_at is not None and self.receipt is None:
            raise InvalidRequest("expires_at", self.expires_at, "a long-living payment requires a receipt")
        self._check_currency()

    def _check_flow(self) -> None:
        flow, card = self.user_flow, self.payment_method.type is PaymentMethodType.CARD
        if flow is UserFlow.WEB_REDIRECT and self.return_url is None:
            raise InvalidRequest("return_url", None, "WEB_REDIRECT requires the URL that the user returns to")
        if flow is UserFlow.PUSH_MESSAGE and self.customer is None:
            raise InvalidRequest("customer", None, "PUSH_MESSAGE requires a Customer")
        if flow is not UserFlow.QR and self.qr_format is not None:
            raise InvalidRequest("qr_format", self.qr_format, "goes with user_flow QR only")
        if card and flow is not UserFlow.WEB_REDIRECT:
            raise InvalidRequest("user_flow", flow, "payment method CARD goes with WEB_REDIRECT only")

    def _check_currency(self) -> None:
        others = {self.receipt.bottom_line.currency} if self.receipt else set()
        others |= self.shipping.currencies if self.shipping else set()
        if others - {self.amount.currency}:
            foreign = ", ".join(sorted(others - {self.amount.currency}))
            raise InvalidRequest("currency", foreign, f"a payment has one currency, here {self.amount.currency}")


@attrs.frozen(kw_only=True)
class Modification:
    """The body that captures or refunds."""

    modification_amount: Amount = attrs.field(converter=rules.check_modification_amount)
    modification_reference: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(rules.check_modification_reference)
    )


@attrs.frozen(kw_only=True)
class Cancellation:
    """The body that cancels."""

    cancel_transaction_only: bool = attrs.field(validator=validators.flag)


@attrs.frozen(kw_only=True)
class Approval:
    """The body that force-approves."""

    customer: Customer | None = attrs.field(default=None, validator=_optional(validators.instance_of(Customer)))
    token: str | None = attrs.field(default=None, validator=_optional(rules.token), repr=False)
