"""A receipt as the user sees it in the app. Amounts are whole minor units of the receipt's currency.

Source: ePayment API, Receipt.
"""

from collections.abc import Iterable
from typing import Any

import attrs

from vipps_async._wire import validators
from vipps_async.epayment import _rules as rules
from vipps_async.epayment._enums import BarcodeFormat, QuantityUnit
from vipps_async.errors import InvalidRequest

_optional_money = attrs.validators.optional(validators.whole(0))
_optional_text = attrs.validators.optional(validators.text(0))
_optional_flag = attrs.validators.optional(validators.flag)


def _check_sum(line: Any, total: str, excluding_tax: str, tax: str) -> None:
    expected = getattr(line, excluding_tax) + getattr(line, tax)
    if getattr(line, total) != expected:
        rule = f"must be {excluding_tax} and {tax} together, which is {expected}"
        raise InvalidRequest(total, getattr(line, total), rule)


@attrs.frozen(kw_only=True)
class UnitInfo:
    """Quantity and price of one unit.

    Args:
        unit_price: price of one unit, tax included and discount not.
        quantity: decimal number as text, ``"2"`` or ``"0.822"``; shown only.
        quantity_unit: `QuantityUnit`, pieces by default.
    """

    unit_price: int = attrs.field(validator=validators.whole(0))
    quantity: str = attrs.field(validator=rules.quantity)
    quantity_unit: QuantityUnit | None = attrs.field(
        default=None, converter=attrs.converters.optional(QuantityUnit), validator=validators.known
    )


@attrs.frozen(kw_only=True)
class OrderLine:
    """One line of the order.

    Args:
        name: what the product is called.
        id: the product's identifier.
        total_amount: tax and discount included.
        total_amount_excluding_tax: discount included.
        total_tax_amount: the tax; what makes up the difference of the two.
        tax_rate: hundredths of a percent, 2500 is 25 %; a line has this or *tax_percentage*, 0 where it is free of tax.
        tax_percentage: whole percent; the API prefers *tax_rate*.
        unit_info: quantity and unit price; one piece by default.
        discount: discount included in the total.
        product_url: link to the product.
        is_return: the line is a return, and counts negative.
        is_shipping: the line is the shipping.

    Raises:
        InvalidRequest: a field is malformed, the line has no tax rate, or its amounts do not add up.
    """

    name: str = attrs.field(validator=validators.text(1))
    id: str = attrs.field(validator=validators.text(1))
    total_amount: int = attrs.field(validator=validators.whole(-(2**63)))
    total_amount_excluding_tax: int = attrs.field(validator=validators.whole(-(2**63)))
    total_tax_amount: int = attrs.field(validator=validators.whole(-(2**63)))
    tax_rate: int | None = attrs.field(default=None, validator=attrs.validators.optional(validators.whole(0, 10_000)))
    tax_percentage: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.whole(0, 100))
    )
    unit_info: UnitInfo | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.instance_of(UnitInfo))
    )
    discount: int | None = attrs.field(default=None, validator=_optional_money)
    product_url: str | None = attrs.field(default=None, validator=_optional_text)
    is_return: bool | None = attrs.field(default=None, validator=_optional_flag)
    is_shipping: bool | None = attrs.field(default=None, validator=_optional_flag)

    def __attrs_post_init__(self) -> None:
        if self.tax_rate is None and self.tax_percentage is None:
            raise InvalidRequest("tax_rate", None, "the API requires it, or tax_percentage; 0 for a line free of tax")
        _check_sum(self, "total_amount", "total_amount_excluding_tax", "total_tax_amount")


@attrs.frozen(kw_only=True)
class PaymentSources:
    """Other sources by which the order was paid.

    Args:
        gift_card: minor units paid by gift card.
        card: minor units paid by card.
        voucher: minor units paid by voucher.
        cash: minor units paid in cash.
    """

    gift_card: int | None = attrs.field(default=None, validator=_optional_money)
    card: int | None = attrs.field(default=None, validator=_optional_money)
    voucher: int | None = attrs.field(default=None, validator=_optional_money)
    cash: int | None = attrs.field(default=None, validator=_optional_money)


@attrs.frozen(kw_only=True)
class Barcode:
    """A barcode shown on the receipt.

    Args:
        format: `BarcodeFormat`, or its text.
        data: what it encodes.
    """

    format: BarcodeFormat = attrs.field(converter=BarcodeFormat, validator=validators.known)
    data: str = attrs.field(validator=validators.text(1))


@attrs.frozen(kw_only=True)
class ShippingInfo:
    """Shipping as part of the bottom line; the API prefers an order line with *is_shipping*.

    Args:
        amount: minor units, tax and discount included.
        amount_excluding_tax: minor units.
        tax_amount: minor units; what makes up the difference of the two.
        tax_percentage: whole percent, 0 to 100.

    Raises:
        InvalidRequest: a field is malformed, or the amounts do not add up.
    """

    amount: int = attrs.field(validator=validators.whole(0))
    amount_excluding_tax: int = attrs.field(validator=validators.whole(0))
    tax_amount: int = attrs.field(validator=validators.whole(0))
    tax_percentage: int = attrs.field(validator=validators.whole(0, 100))

    def __attrs_post_init__(self) -> None:
        _check_sum(self, "amount", "amount_excluding_tax", "tax_amount")


@attrs.frozen(kw_only=True)
class BottomLine:
    """The receipt's summary.

    Args:
        currency: ISO 4217, the payment's own.
        tip_amount: the tip.
        pos_id: number of the till's terminal.
        payment_sources: what else the order was paid with.
        barcode: a barcode to show.
        receipt_number: the merchant's number of the receipt.
        gift_card_amount: deprecated by the API in favour of *payment_sources*.
        total_amount: deprecated by the API, which adds the order lines up.
        total_tax: likewise.
        total_discount: likewise.
        shipping_amount: deprecated by the API in favour of an order line.
        shipping_info: likewise.
        terminal_id: deprecated by the API in favour of *pos_id*.
    """

    currency: str = attrs.field(validator=validators.text(3, 3))
    tip_amount: int | None = attrs.field(default=None, validator=_optional_money)
    pos_id: str | None = attrs.field(default=None, validator=_optional_text)
    payment_sources: PaymentSources | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.instance_of(PaymentSources))
    )
    barcode: Barcode | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.instance_of(Barcode))
    )
    receipt_number: str | None = attrs.field(default=None, validator=_optional_text)
    gift_card_amount: int | None = attrs.field(default=None, validator=_optional_money)
    total_amount: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.whole(-(2**63)))
    )
    total_tax: int | None = attrs.field(default=None, validator=_optional_money)
    total_discount: int | None = attrs.field(default=None, validator=_optional_money)
    shipping_amount: int | None = attrs.field(default=None, validator=_optional_money)
    shipping_info: ShippingInfo | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.instance_of(ShippingInfo))
    )
    terminal_id: str | None = attrs.field(default=None, validator=_optional_text)


def _as_lines(lines: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    return validators.as_tuple("order_lines", lines)


@attrs.frozen(kw_only=True)
class Receipt:
    """The receipt of a payment.

    Args:
        order_lines: one or more.
        bottom_line: the summary.
    """

    order_lines: tuple[OrderLine, ...] = attrs.field(
        converter=_as_lines, validator=validators.each(OrderLine, at_least=1)
    )
    bottom_line: BottomLine = attrs.field(validator=validators.instance_of(BottomLine))
