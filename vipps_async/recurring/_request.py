"""Requests that draft and change agreements, and create and change charges, valid or not built.

Source: Recurring API v3, request schemas and guide.
"""

from collections.abc import Iterable
from datetime import date

import attrs

from vipps_async._wire import canonical, validators
from vipps_async._wire.urls import normal_url
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount
from vipps_async.recurring import _rules as rules
from vipps_async.recurring._enums import BlockedSource, ChargeType, PricingType, ProcessingMode, TransactionType
from vipps_async.recurring._pricing import Campaign, Interval, Pricing

_optional = attrs.validators.optional
_DESCRIPTION = validators.text(1, 100)
_EXTERNAL_ID = _optional(validators.text(1, 64))


def _as_url(url: str | None) -> str | None:
    return None if url is None else normal_url(url)


def _as_scope(scope: str | Iterable[str] | None) -> str | None:
    if scope is None:
        return None
    words = (scope,) if isinstance(scope, str) else validators.as_tuple("scope", scope)
    if not all(isinstance(word, str) for word in words):
        raise InvalidRequest("scope", scope, "must be words such as name, email and phoneNumber")
    return canonical.words(" ".join(words))


@attrs.frozen(kw_only=True)
class InitialCharge:
    """What is paid when the user accepts an agreement.

    Args:
        amount: how much, in the agreement's currency.
        description: 1 to 100 characters, shown to the user.
        transaction_type: DIRECT_CAPTURE, or RESERVE_CAPTURE to capture it later, before the agreement is stopped.
        order_id: 1 to 64 characters of a-z, A-Z, 0-9 and -, which becomes the charge's id; unique for the merchant
            serial number.
        external_id: 1 to 64 characters, for settlement and the user's receipt.

    Raises:
        InvalidRequest: an argument breaks one of these rules.
    """

    amount: Amount = attrs.field(converter=rules.check_amount)
    description: str = attrs.field(validator=_DESCRIPTION)
    transaction_type: TransactionType = attrs.field(converter=TransactionType, validator=validators.known)
    order_id: str | None = attrs.field(default=None, validator=_optional(rules.order_id))
    external_id: str | None = attrs.field(default=None, validator=_EXTERNAL_ID)


@attrs.frozen(kw_only=True)
class _PaymentMethod:
    blocked_sources: tuple[BlockedSource, ...] = attrs.field(validator=validators.each_known)


def _without(sources: Iterable[str] | None) -> _PaymentMethod | None:
    if sources is None:
        return None
    blocked = map(BlockedSource, validators.as_tuple("blocked_sources", sources))
    return _PaymentMethod(blocked_sources=tuple(blocked))


@attrs.frozen(kw_only=True)
class DraftAgreement:
    """The body that drafts an agreement; `Agreements.create` describes each field."""

    pricing: Pricing = attrs.field(validator=validators.instance_of(Pricing))
    interval: Interval | None = attrs.field(default=None, validator=_optional(validators.instance_of(Interval)))
    product_name: str = attrs.field(validator=validators.text(1, 45))
    product_description: str | None = attrs.field(default=None, validator=_optional(validators.text(1, 100)))
    merchant_redirect_url: str = attrs.field(converter=normal_url, validator=rules.page(2048))
    merchant_agreement_url: str | None = attrs.field(
        default=None, converter=_as_url, validator=_optional(rules.page(1024))
    )
    phone_number: str | None = attrs.field(default=None, validator=_optional(validators.msisdn), repr=False)
    initial_charge: InitialCharge | None = attrs.field(
        default=None, validator=_optional(validators.instance_of(InitialCharge))
    )
    campaign: Campaign | None = attrs.field(default=None, validator=_optional(validators.instance_of(Campaign)))
    scope: str | None = attrs.field(default=None, converter=_as_scope, validator=_optional(validators.text(1)))
    payment_method: _PaymentMethod | None = attrs.field(default=None, converter=_without)
    is_app: bool | None = attrs.field(default=None, validator=_optional(validators.flag))
    skip_landing_page: bool | None = attrs.field(default=None, validator=_optional(validators.flag))
    external_id: str | None = attrs.field(default=None, validator=_EXTERNAL_ID)

    def __attrs_post_init__(self) -> None:
        self._check_pricing()
        if self.campaign is not None and not self.campaign.is_whole:
            raise InvalidRequest("campaign", self.campaign.type, "make it by Campaign.until(…) or one of its kin")
        if self.campaign is not None and self.pricing.type is not PricingType.LEGACY:
            raise InvalidRequest("campaign", self.campaign.type, "goes with Pricing.legacy(…) only")
        if self.skip_landing_page and self.phone_number is None:
            raise InvalidRequest("phone_number", None, "skip_landing_page requires the number that is asked")
        if self.pricing.currency == "NOK" and self.merchant_agreement_url is None:
            rule = "Norwegian merchants give the page on which this agreement can be managed and stopped"
            raise InvalidRequest("merchant_agreement_url", None, rule)
        for field, amount in (
            ("initial_charge", None if self.initial_charge is None else self.initial_charge.amount),
            ("campaign", None if self.campaign is None else self.campaign.price),
        ):
            if amount is not None and amount.currency != self.pricing.currency:
                rule = f"an agreement has one currency, here {self.pricing.currency}"
                raise InvalidRequest(f"{field}.currency", amount.currency, rule)

    @property
    def tells_whose(self) -> bool:
        """Whether it has something by which the drafts of two users differ."""
        order_id = None if self.initial_charge is None else self.initial_charge.order_id
        urls = (self.merchant_redirect_url, self.merchant_agreement_url or "")
        return bool(self.external_id or self.phone_number or order_id or any("?" in url for url in urls))

    def _check_pricing(self) -> None:
        price = self.pricing.amount or self.pricing.suggested_max_amount
        if price is None and self.pricing.type is not PricingType.FLEXIBLE:
            raise InvalidRequest("pricing", self.pricing.type, "make it by Pricing.legacy(…) or Pricing.variable(…)")
        if price is not None and price.currency != self.pricing.currency:
            rule = f"an agreement has one currency, here {self.pricing.currency}"
            raise InvalidRequest("pricing.currency", price.currency, rule)
        if self.pricing.currency not in _CURRENCIES:
            raise InvalidRequest("pricing.currency", self.pricing.currency, f"must be one of {', '.join(_CURRENCIES)}")


_CURRENCIES = ("NOK", "DKK", "EUR")


@attrs.frozen(kw_only=True)
class PricingUpdate:
    """The new price of an agreement: the one that its type has."""

    amount: Amount | None = None
    suggested_max_amount: Amount | None = None


@attrs.frozen(kw_only=True)
class IntervalUpdate:
    """The new interval of an agreement, or that it has none any more."""

    type: str
    period: Interval | None = None


@attrs.frozen(kw_only=True)
class UpdateAgreement:
    """The body that changes an agreement; `Agreements.update` describes each field."""

    product_name: str | None = attrs.field(default=None, validator=_optional(validators.text(1, 45)))
    product_description: str | None = attrs.field(default=None, validator=_optional(validators.text(1, 100)))
    merchant_agreement_url: str | None = attrs.field(
        default=None, converter=_as_url, validator=_optional(rules.page(1024))
    )
    external_id: str | None = attrs.field(default=None, validator=_EXTERNAL_ID)
    pricing: PricingUpdate | None = None
    interval: IntervalUpdate | None = None

    def __attrs_post_init__(self) -> None:
        if all(value is None for value in attrs.asdict(self, recurse=False).values()):
            raise InvalidRequest("update", None, "name what is to change")


@attrs.frozen(kw_only=True)
class StopAgreement:
    """The body that stops an agreement, which takes no other member."""

    status: str = "STOPPED"


@attrs.frozen(kw_only=True)
class AcceptAgreement:
    """The body that accepts an agreement in the user's place."""

    phone_number: str = attrs.field(validator=validators.msisdn, repr=False)


@attrs.frozen(kw_only=True)
class CreateCharge:
    """The body that creates a charge; `Charges.create` describes each field."""

    amount: Amount = attrs.field(converter=rules.check_amount)
    description: str = attrs.field(validator=_DESCRIPTION)
    transaction_type: TransactionType = attrs.field(converter=TransactionType, validator=validators.known)
    type: ChargeType = attrs.field(converter=ChargeType, validator=validators.known)
    due: date | None = attrs.field(default=None, validator=_optional(validators.day))
    retry_days: int | None = attrs.field(default=None, validator=_optional(validators.whole(0, 14)))
    processing_mode: ProcessingMode | None = attrs.field(
        default=None, converter=attrs.converters.optional(ProcessingMode), validator=validators.known
    )
    order_id: str | None = attrs.field(default=None, validator=_optional(rules.order_id))
    external_id: str | None = attrs.field(default=None, validator=_EXTERNAL_ID)

    def __attrs_post_init__(self) -> None:
        if self.type is ChargeType.INITIAL:
            raise InvalidRequest("type", self.type, "an initial charge is drafted with its agreement: initial_charge=…")
        scheduled = {"due": self.due, "retry_days": self.retry_days}
        if self.type is ChargeType.UNSCHEDULED:
            for field, value in {**scheduled, "processing_mode": self.processing_mode}.items():
                if value is not None:
                    raise InvalidRequest(field, value, "an UNSCHEDULED charge is taken at once, and once")
            return
        for field, value in scheduled.items():
            if value is None:
                raise InvalidRequest(field, None, "is required, unless the charge is UNSCHEDULED")
        if self.processing_mode is ProcessingMode.SINGLE_ATTEMPT and self.retry_days:
            raise InvalidRequest("retry_days", self.retry_days, "must be 0 with SINGLE_ATTEMPT")


@attrs.frozen(kw_only=True)
class NewCharge:
    """One of many charges that `Charges.create_many` creates.

    Args:
        agreement_id: whose charge it is.
        order_id: 1 to 64 characters of a-z, A-Z, 0-9 and -, unique for the merchant serial number; it becomes the
            charge's id, and is by what a repeated run creates nothing twice.
        amount: how much, in the agreement's currency.
        description: 1 to 100 characters, shown to the user; 45 are shown for sure.
        due: the day on which it is first tried to take it, from tomorrow to two years ahead.
        retry_days: for how many days after *due* it is tried again, 0 to 14; at least 2 are recommended.
        transaction_type: DIRECT_CAPTURE or RESERVE_CAPTURE.
        processing_mode: MULTIPLE_ATTEMPTS, or SINGLE_ATTEMPT with no retry days.
        external_id: 1 to 64 characters, for settlement and the user's receipt.

    Raises:
        InvalidRequest: an argument breaks one of these rules.
    """

    agreement_id: str = attrs.field(converter=rules.check_agreement_id)
    order_id: str = attrs.field(validator=rules.order_id)
    amount: Amount = attrs.field(converter=rules.check_amount)
    description: str = attrs.field(validator=_DESCRIPTION)
    due: date = attrs.field(validator=validators.day)
    retry_days: int = attrs.field(validator=validators.whole(0, 14))
    transaction_type: TransactionType = attrs.field(converter=TransactionType, validator=validators.known)
    processing_mode: ProcessingMode | None = attrs.field(
        default=None, converter=attrs.converters.optional(ProcessingMode), validator=validators.known
    )
    external_id: str | None = attrs.field(default=None, validator=_EXTERNAL_ID)

    def __attrs_post_init__(self) -> None:
        if self.processing_mode is ProcessingMode.SINGLE_ATTEMPT and self.retry_days:
            raise InvalidRequest("retry_days", self.retry_days, "must be 0 with SINGLE_ATTEMPT")


@attrs.frozen(kw_only=True)
class CaptureCharge:
    """The body that captures."""

    amount: Amount = attrs.field(converter=rules.check_amount)


@attrs.frozen(kw_only=True)
class RefundCharge:
    """The body that refunds."""

    amount: Amount = attrs.field(converter=rules.check_amount)
    description: str = attrs.field(validator=_DESCRIPTION)
