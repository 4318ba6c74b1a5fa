"""Shipping options of an Express payment. Source: ePayment API, Shipping."""

import re
from collections.abc import Iterable
from typing import Any

import attrs

from vipps_async._wire import validators
from vipps_async._wire.urls import normal_url
from vipps_async.epayment import _rules as rules
from vipps_async.epayment._enums import ShippingBrand, ShippingType
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount

_COUNTRY = re.compile("[A-Z]{2}")
_optional_text = attrs.validators.optional(validators.text(0))
_optional_flag = attrs.validators.optional(validators.flag)
_optional_whole = attrs.validators.optional(validators.whole(-(2**31), 2**31 - 1))


@attrs.frozen(kw_only=True)
class ShippingOption:
    """One way to have the order shipped.

    Args:
        id: the merchant's identifier of the option; comes back as `ShippingDetails.shipping_option_id`.
        amount: its price, in the payment's currency; added to what the user pays.
        name: what the user reads.
        is_default: whether it is chosen at first.
        priority: order in the app, low numbers first.
        meta: more text, such as the store's address.
        estimated_delivery: delivery time as text: ``"1-2 days"``.
    """

    id: str = attrs.field(validator=validators.text(1))
    amount: Amount = attrs.field(validator=validators.instance_of(Amount))
    name: str = attrs.field(validator=validators.text(1))
    is_default: bool | None = attrs.field(default=None, validator=_optional_flag)
    priority: int | None = attrs.field(default=None, validator=_optional_whole)
    meta: str | None = attrs.field(default=None, validator=_optional_text)
    estimated_delivery: str | None = attrs.field(default=None, validator=_optional_text)


def _as_options(options: Iterable[ShippingOption]) -> tuple[ShippingOption, ...]:
    return validators.as_tuple("options", options)


@attrs.frozen(kw_only=True)
class ShippingGroup:
    """The options of one carrier and type of delivery.

    Args:
        type: `ShippingType`, or its text.
        brand: `ShippingBrand`, or its text.
        options: the options.
        is_default: whether the group is chosen at first.
        priority: order in the app, low numbers first.
    """

    type: ShippingType = attrs.field(converter=ShippingType, validator=validators.known)
    brand: ShippingBrand = attrs.field(converter=ShippingBrand, validator=validators.known)
    options: tuple[ShippingOption, ...] = attrs.field(
        converter=_as_options, validator=validators.each(ShippingOption, at_least=1)
    )
    is_default: bool | None = attrs.field(default=None, validator=_optional_flag)
    priority: int | None = attrs.field(default=None, validator=_optional_whole)


@attrs.frozen(kw_only=True)
class DynamicOptions:
    """The endpoint that Vipps MobilePay asks for the options once it knows the user's address.

    Args:
        callback_url: ``https://…`` on port 80, 443 or 8080; a sandbox calls ``http://`` and any port within a private
            network too.
        callback_authorization_token: sent back in ``Authorization``; 1 to 50 letters, digits and ``-``.
    """

    callback_url: str = attrs.field(converter=normal_url, validator=rules.called_url)
    callback_authorization_token: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rules.callback_token), repr=False
    )


def _as_groups(groups: Iterable[ShippingGroup] | None) -> tuple[ShippingGroup, ...] | None:
    return None if groups is None else validators.as_tuple("fixed_options", groups)


def _as_countries(countries: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if countries is None else validators.as_tuple("allowed_countries", countries)


def _check_countries(_: Any, __: Any, countries: tuple[str, ...]) -> None:
    for code in countries:
        if not (isinstance(code, str) and _COUNTRY.fullmatch(code)):
            raise InvalidRequest("allowed_countries", code, "must be two capital letters: ISO 3166-1 alpha-2")


@attrs.frozen(kw_only=True)
class Shipping:
    """The shipping options of an Express payment, fixed or asked for.

    Args:
        fixed_options: groups known beforehand.
        dynamic_options: where to ask for them.
        allowed_countries: ISO 3166-1 alpha-2 codes of the countries that are shipped to; by default the country of the
            payment's currency alone.

    Raises:
        InvalidRequest: neither or both are given, or a country is no code.
    """

    fixed_options: tuple[ShippingGroup, ...] | None = attrs.field(
        default=None,
        converter=_as_groups,
        validator=attrs.validators.optional(validators.each(ShippingGroup, at_least=1)),
    )
    dynamic_options: DynamicOptions | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.instance_of(DynamicOptions))
    )
    allowed_countries: tuple[str, ...] | None = attrs.field(
        default=None, converter=_as_countries, validator=attrs.validators.optional(_check_countries)
    )

    def __attrs_post_init__(self) -> None:
        if (self.fixed_options is None) == (self.dynamic_options is None):
            raise InvalidRequest("shipping", self, "takes either fixed_options or dynamic_options")

    @property
    def currencies(self) -> set[str]:
        """The currencies of the fixed options."""
        return {option.amount.currency for group in self.fixed_options or () for option in group.options}
