"""Receipts and shipping options that break a rule are not built."""

from typing import Any

import pytest

from tests.epayment.rules import NOT_WHOLE, Rule, assert_refused, refused, taken
from vipps_async import (
    Amount,
    Barcode,
    BottomLine,
    DynamicOptions,
    OrderLine,
    PaymentSources,
    Receipt,
    Shipping,
    ShippingGroup,
    ShippingInfo,
    ShippingOption,
    UnitInfo,
)
from vipps_async.errors import InvalidRequest

LINE: dict[str, Any] = {
    "name": "Socks",
    "id": "1",
    "total_amount": 1,
    "total_amount_excluding_tax": 1,
    "total_tax_amount": 0,
}
OPTION = ShippingOption(id="home", amount=Amount(1000, "NOK"), name="Home")
GROUP: dict[str, Any] = {"type": "MAILBOX", "brand": "POSTEN", "options": [OPTION]}
VALID: dict[type, dict[str, Any]] = {
    UnitInfo: {"unit_price": 1, "quantity": "1"},
    OrderLine: LINE,
    Barcode: {"format": "EAN-13", "data": "1"},
    ShippingInfo: {"amount": 1, "amount_excluding_tax": 1, "tax_amount": 0, "tax_percentage": 0},
    BottomLine: {"currency": "NOK"},
    Receipt: {"order_lines": [OrderLine(**LINE)], "bottom_line": BottomLine(currency="NOK")},
    ShippingOption: {"id": "home", "amount": Amount(1000, "NOK"), "name": "Home"},
    ShippingGroup: GROUP,
    DynamicOptions: {"callback_url": "https://shop.example/shipping"},
    Shipping: {"fixed_options": [ShippingGroup(**GROUP)]},
}

URL_RULE = "must be https:// or a custom scheme, 2500 characters at most; http:// stays within private networks"
QUANTITY_RULE = 'must be a decimal number as text of at most 10 characters, such as "2" or "0.822"'
TOKEN_RULE = "must be 1 to 50 characters of a-z, A-Z, 0-9 and -"
LIST_RULE = "must be a list or a tuple"
FLAG_RULE = "must be True or False"
MONEY_RULE = f"must be a whole number, an int from 0 to {2**63 - 1}"
SIGNED_RULE = f"must be a whole number, an int from {-(2**63)} to {2**63 - 1}"
PRIORITY_RULE = f"must be a whole number, an int from {-(2**31)} to {2**31 - 1}"
PERCENT_RULE = "must be a whole number, an int from 0 to 100"
NAME_RULE = "must be text of 1 or more characters"
TEXT_RULE = "must be text of 0 or more characters"

RULES: list[Rule] = [
    Rule(UnitInfo, "unit_price", MONEY_RULE, [0], [-1, *NOT_WHOLE]),
    Rule(
        UnitInfo,
        "quantity",
        QUANTITY_RULE,
        ["2", "0.822", "1.12345678", "1234567890"],
        ["", "2.", ".5", "1.123456789", "12345678901", "-1", "1,5", "٢", "2\n", 2],
    ),
    Rule(UnitInfo, "quantity_unit", "must be one of PCS, KG, KM, MINUTE, LITRE, KWH", ["KWH", None], ["kg", "STK"]),
    Rule(OrderLine, "name", NAME_RULE, ["x"], ["", None]),
    Rule(OrderLine, "id", NAME_RULE, ["x"], ["", 5]),
    Rule(OrderLine, "total_amount", SIGNED_RULE, [-1, 0], [2**63, *NOT_WHOLE]),
    Rule(OrderLine, "total_amount_excluding_tax", SIGNED_RULE, [-1], NOT_WHOLE),
    Rule(OrderLine, "total_tax_amount", SIGNED_RULE, [-1], NOT_WHOLE),
    Rule(OrderLine, "tax_rate", "must be a whole number, an int from 0 to 10000", [0, 10000], [-1, 10001, 0.25]),
    Rule(OrderLine, "tax_percentage", PERCENT_RULE, [0, 100], [-1, 101, 25.0]),
    Rule(OrderLine, "unit_info", "must be of type UnitInfo", [None], [{}]),
    Rule(OrderLine, "discount", MONEY_RULE, [0], [-1, *NOT_WHOLE]),
    Rule(OrderLine, "product_url", TEXT_RULE, [""], [5]),
    Rule(OrderLine, "is_return", FLAG_RULE, [True], [1]),
    Rule(OrderLine, "is_shipping", FLAG_RULE, [False], ["no"]),
    *(
        Rule(PaymentSources, field, MONEY_RULE, [0, None], [-1, *NOT_WHOLE])
        for field in ("gift_card", "card", "voucher", "cash")
    ),
    Rule(Barcode, "format", "must be one of EAN-13, CODE 39, CODE 128", ["CODE 128"], ["QR"]),
    Rule(Barcode, "data", NAME_RULE, ["x"], ["", 5]),
    *(
        Rule(ShippingInfo, field, MONEY_RULE, [0], [-1, *NOT_WHOLE])
        for field in ("amount", "amount_excluding_tax", "tax_amount")
    ),
    Rule(ShippingInfo, "tax_percentage", PERCENT_RULE, [0, 100], [-1, 101]),
    Rule(BottomLine, "currency", "must be text of 3 characters", ["DKK"], ["DK", "DKKK", None]),
    *(
        Rule(BottomLine, field, MONEY_RULE, [0], [-1, *NOT_WHOLE])
        for field in ("tip_amount", "gift_card_amount", "total_tax", "total_discount", "shipping_amount")
    ),
    Rule(BottomLine, "total_amount", SIGNED_RULE, [-1], NOT_WHOLE),
    *(Rule(BottomLine, field, TEXT_RULE, [""], [5]) for field in ("pos_id", "receipt_number", "terminal_id")),
    Rule(BottomLine, "payment_sources", "must be of type PaymentSources", [PaymentSources()], [{}]),
    Rule(BottomLine, "barcode", "must be of type Barcode", [None], ["EAN-13"]),
    Rule(BottomLine, "shipping_info", "must be of type ShippingInfo", [None], [{}]),
    Rule(Receipt, "order_lines", LIST_RULE, [], [None, 5, "Socks"]),
    Rule(ShippingGroup, "options", LIST_RULE, [], [None, "home"]),
    Rule(Shipping, "fixed_options", LIST_RULE, [], [5, "home"]),
    Rule(Receipt, "order_lines", "must hold 1 or more OrderLine, and nothing else", [[OrderLine(**LINE)]], []),
    Rule(Receipt, "bottom_line", "must be of type BottomLine", [], [None, {}]),
    Rule(ShippingOption, "id", NAME_RULE, ["x"], [""]),
    Rule(ShippingOption, "amount", "must be of type Amount", [Amount(0, "NOK")], [0, None]),
    Rule(ShippingOption, "name", NAME_RULE, ["x"], [""]),
    Rule(ShippingOption, "is_default", FLAG_RULE, [True], [1]),
    Rule(ShippingOption, "priority", PRIORITY_RULE, [0, -1], [2**31, *NOT_WHOLE]),
    Rule(ShippingOption, "meta", TEXT_RULE, [""], [5]),
    Rule(ShippingOption, "estimated_delivery", TEXT_RULE, [""], [5]),
    Rule(
        ShippingGroup,
        "type",
        "must be one of HOME_DELIVERY, PICKUP_POINT, MAILBOX, IN_STORE, OTHER",
        ["OTHER"],
        ["DRONE"],
    ),
    Rule(ShippingGroup, "is_default", FLAG_RULE, [False], [0]),
    Rule(ShippingGroup, "priority", PRIORITY_RULE, [0], [-(2**31) - 1]),
    Rule(DynamicOptions, "callback_url", URL_RULE, ["https://a.b:8080"], ["http://shop.example", None]),
    Rule(
        DynamicOptions,
        "callback_authorization_token",
        TOKEN_RULE,
        ["a", "x" * 50],
        ["", "x" * 51, "a b", "å"],
        is_secret=True,
    ),
]


@taken(RULES)
def test_a_value_within_its_rule_is_taken(rule: Rule, value: Any) -> None:
    """The rule's edges, and what lies within them, are taken."""
    assert rule.model(**{**VALID.get(rule.model, {}), rule.field: value})


@refused(RULES)
def test_a_value_outside_its_rule_is_refused(rule: Rule, value: Any) -> None:
    """What lies beyond the rule is refused by field, value and rule."""
    assert_refused(rule, value, VALID.get(rule.model, {}))


@pytest.mark.parametrize("lines", [[], ["Socks"], [OrderLine(**LINE), None]])
def test_a_receipt_has_lines_and_nothing_else(lines: list[Any]) -> None:
    """A receipt without lines, and one with something else among them, is refused."""
    with pytest.raises(InvalidRequest) as refusal:
        Receipt(order_lines=lines, bottom_line=BottomLine(currency="NOK"))
    assert (refusal.value.field, refusal.value.value) == ("order_lines", tuple(lines))
    assert refusal.value.rule == "must hold 1 or more OrderLine, and nothing else"


@pytest.mark.parametrize("options", [[], [GROUP]])
def test_shipping_has_options_and_nothing_else(options: list[Any]) -> None:
    """A group without options, and shipping without groups or with something else among them, is refused."""
    with pytest.raises(InvalidRequest) as refusal:
        Shipping(fixed_options=options)
    assert refusal.value.rule == "must hold 1 or more ShippingGroup, and nothing else"
    with pytest.raises(InvalidRequest) as refusal:
        ShippingGroup(type="MAILBOX", brand="POSTEN", options=options)
    assert refusal.value.rule == "must hold 1 or more ShippingOption, and nothing else"


def test_shipping_is_fixed_or_asked_for() -> None:
    """Neither kind of option, and both, are refused."""
    dynamic = DynamicOptions(callback_url="https://shop.example/shipping")
    with pytest.raises(InvalidRequest, match="takes either fixed_options or dynamic_options"):
        Shipping()
    with pytest.raises(InvalidRequest, match="takes either fixed_options or dynamic_options"):
        Shipping(fixed_options=[ShippingGroup(**GROUP)], dynamic_options=dynamic)


def test_shipping_knows_its_currencies() -> None:
    """The currencies are those of all options of all groups."""
    euro = ShippingOption(id="far", amount=Amount(1, "EUR"), name="Far")
    groups = [ShippingGroup(**GROUP), ShippingGroup(type="OTHER", brand="DHL", options=[euro, OPTION])]
    assert Shipping(fixed_options=groups).currencies == {"NOK", "EUR"}


def test_lists_are_copied() -> None:
    """A list that is changed afterwards does not change the model that was made from it."""
    lines = [OrderLine(**LINE)]
    receipt = Receipt(order_lines=lines, bottom_line=BottomLine(currency="NOK"))
    lines.clear()
    assert receipt.order_lines == (OrderLine(**LINE),)
