"""Receipts and shipping options that break a rule are not built."""

from typing import Any

import pytest

from tests.support.rules import NOT_WHOLE, Rule, assert_refused, refused, taken, text_of
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
    "tax_rate": 0,
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

CALLED_RULE = (
    "must be https:// with a host that the internet knows, on port 80, 443 or 8080, and without credentials; "
    "within private networks http:// and any port will do; 2500 characters at most"
)
QUANTITY_RULE = 'must be a decimal number as text of at most 10 characters, such as "2" or "0.822"'
TOKEN_RULE = "must be 1 to 50 characters of a-z, A-Z, 0-9 and -"
LIST_RULE = "must be a list or a tuple"
FLAG_RULE = "must be True or False"
MONEY_RULE = f"must be a whole number, an int from 0 to {2**63 - 1}"
SIGNED_RULE = f"must be a whole number, an int from {-(2**63)} to {2**63 - 1}"
PRIORITY_RULE = f"must be a whole number, an int from {-(2**31)} to {2**31 - 1}"
PERCENT_RULE = "must be a whole number, an int from 0 to 100"
NAME_RULE = text_of("1 or more characters")
TEXT_RULE = text_of("0 or more characters")

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
    Rule(
        OrderLine,
        "name",
        NAME_RULE,
        ["x", "Socks\nred\tand\r\nblue", "🧦\u200d"],
        ["", None, "Socks\x00", "\x1b[31m", "\x7f", "\x85"],
    ),
    Rule(OrderLine, "id", NAME_RULE, ["x"], ["", 5]),
    Rule(OrderLine, "total_amount", SIGNED_RULE, [1], [2**63, *NOT_WHOLE]),
    Rule(OrderLine, "total_amount_excluding_tax", SIGNED_RULE, [1], NOT_WHOLE),
    Rule(OrderLine, "total_tax_amount", SIGNED_RULE, [0], NOT_WHOLE),
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
        Rule(ShippingInfo, field, MONEY_RULE, [VALID[ShippingInfo][field]], [-1, *NOT_WHOLE])
        for field in ("amount", "amount_excluding_tax", "tax_amount")
    ),
    Rule(ShippingInfo, "tax_percentage", PERCENT_RULE, [0, 100], [-1, 101]),
    Rule(BottomLine, "currency", text_of("3 characters"), ["DKK"], ["DK", "DKKK", "NO\x1b", None]),
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
    Rule(
        DynamicOptions,
        "callback_url",
        CALLED_RULE,
        ["https://a.b:8080", "https://a.b:443/x?y=1", "http://127.0.0.1:9/x", "http://sandbox:1"],
        [
            *("http://shop.example", "https://a.b:8443", "https://a.b:0", "acme://shipping", "https://u:p@a.b/", None),
            *("https://169.254.169.254/", "https://a..b/", "https://a.b/" + "x" * 2489, "https://a.b/\x1b", ""),
        ],
    ),
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


def line(**changes: Any) -> OrderLine:
    """Return an order line that is valid but for the changes."""
    return OrderLine(**{**LINE, **changes})


@pytest.mark.parametrize(
    ("total", "excluding_tax", "tax"), [(1000, 800, 200), (-1000, -800, -200), (0, 0, 0), (5, 6, -1)]
)
def test_a_line_that_adds_up_is_taken(total: int, excluding_tax: int, tax: int) -> None:
    """The total is what excludes the tax and the tax together, of returns and discounts too."""
    taken = line(total_amount=total, total_amount_excluding_tax=excluding_tax, total_tax_amount=tax)
    assert taken.total_amount == total
    if total >= excluding_tax >= 0:
        assert ShippingInfo(amount=total, amount_excluding_tax=excluding_tax, tax_amount=tax, tax_percentage=25)


@pytest.mark.parametrize("total", [0, 999, 1001, 800, 2**63 - 1])
def test_a_line_that_does_not_add_up_is_refused(total: int) -> None:
    """Another total is refused, of an order line as of shipping, and the message has the sum."""
    with pytest.raises(InvalidRequest) as refusal:
        line(total_amount=total, total_amount_excluding_tax=800, total_tax_amount=200)
    assert (refusal.value.field, refusal.value.value) == ("total_amount", total)
    assert refusal.value.rule == "must be total_amount_excluding_tax and total_tax_amount together, which is 1000"
    with pytest.raises(InvalidRequest, match="amount_excluding_tax and tax_amount together, which is 1000"):
        ShippingInfo(amount=total, amount_excluding_tax=800, tax_amount=200, tax_percentage=25)


def test_a_line_has_a_tax_rate_in_either_unit() -> None:
    """The rate or the percentage is enough, 0 too; a line without both is refused as the API refuses it."""
    assert line(tax_rate=None, tax_percentage=0)
    assert line(tax_rate=1500)
    assert line(tax_rate=2500, tax_percentage=25)
    with pytest.raises(
        InvalidRequest, match="the API requires it, or tax_percentage; 0 for a line free of tax"
    ) as refusal:
        line(tax_rate=None)
    assert refusal.value.field == "tax_rate"


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
