"""A request that breaks a rule is not built: the refusal names the field, the value and the rule."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import NOT_WHOLE, Rule, assert_refused, refused, taken, text_of
from vipps_async import (
    AirlineData,
    Amount,
    BottomLine,
    Customer,
    DynamicOptions,
    MerchantLegalLinks,
    OrderLine,
    PaymentMethod,
    QrFormat,
    Receipt,
    Shipping,
    ShippingGroup,
    ShippingOption,
)
from vipps_async._wire.converter import unstructure
from vipps_async.epayment._request import Cancellation, CreatePayment, Modification
from vipps_async.errors import InvalidRequest

NOK = Amount(1000, "NOK")
LINE = OrderLine(name="Socks", id="1", total_amount=1, total_amount_excluding_tax=1, total_tax_amount=0, tax_rate=0)
RECEIPT = Receipt(order_lines=[LINE], bottom_line=BottomLine(currency="NOK"))
WEB: dict[str, Any] = {
    "amount": NOK,
    "payment_method": "WALLET",
    "reference": "acme-shop-1",
    "user_flow": "WEB_REDIRECT",
    "return_url": "https://shop.example",
}
AIRLINE = {
    "agency_invoice_number": "1",
    "airline_code": "074",
    "airline_designator_code": "KL",
    "passenger_name": "FLYER",
}
VALID: dict[type, dict[str, Any]] = {
    CreatePayment: WEB,
    Modification: {"modification_amount": NOK},
    AirlineData: AIRLINE,
}

REFERENCE_RULE = "must be 8 to 64 characters of a-z, A-Z, 0-9 and -"
URL_RULE = "must be https:// or a custom scheme, 2500 characters at most; http:// stays within private networks"
MSISDN_RULE = "must be an MSISDN as text: country code and number, 9 to 15 digits, no + and no spaces"
METADATA_RULE = (
    "must be a mapping of at most 5 texts, keys up to 100 and values up to 500 characters, none of them a control "
    "character"
)
AWARE_RULE = "must be a datetime with a time zone, such as datetime.now(timezone.utc) + timedelta(days=1)"
LIST_RULE = "must be a list or a tuple"
FLAG_RULE = "must be True or False"


class Nowhere(tzinfo):
    """A time zone that does not know how far it is from UTC, so that a time in it is naive."""

    def utcoffset(self, _: datetime | None) -> None:
        """Return nothing, as the other two do."""

    dst = utcoffset

    def tzname(self, _: datetime | None) -> None:
        """Return nothing."""


RULES: list[Rule] = [
    Rule(
        CreatePayment,
        "reference",
        REFERENCE_RULE,
        ["a" * 8, "A-9" * 21 + "z"],
        ["a" * 7, "a" * 65, "a_______", "å" * 8, "1234567\n", "", None, 12345678],
    ),
    Rule(
        CreatePayment,
        "return_url",
        URL_RULE,
        ["acme://back", "http://localhost/x", "https://a.b/" + "x" * 2488],
        ["http://shop.example", "https://a.b/" + "x" * 2489, "shop.example", "https://a..b/", "", 5],
    ),
    Rule(CreatePayment, "receipt_url", URL_RULE, ["https://a.b"], ["http://shop.example", ""]),
    Rule(
        CreatePayment,
        "payment_description",
        text_of("3 to 100 characters"),
        ["abc", "x" * 100],
        ["ab", "x" * 101, "", 500, "\ud800abc", "Socks\x1b[31m", "Socks\x00"],
    ),
    Rule(
        CreatePayment,
        "customer",
        "must be of type Customer",
        [Customer(phone_number="4712345678")],
        ["4712345678", {"phoneNumber": "4712345678"}],
    ),
    Rule(
        CreatePayment,
        "customer_interaction",
        "must be one of CUSTOMER_PRESENT, CUSTOMER_NOT_PRESENT",
        ["CUSTOMER_PRESENT"],
        ["PRESENT", ""],
    ),
    Rule(
        CreatePayment,
        "user_flow",
        "must be one of WEB_REDIRECT, NATIVE_REDIRECT, PUSH_MESSAGE, QR",
        ["NATIVE_REDIRECT", "QR"],
        ["web_redirect", "SMS"],
    ),
    Rule(
        CreatePayment,
        "metadata",
        METADATA_RULE,
        [{}, {"k" * 100: "v" * 500}, dict.fromkeys("abcde", "")],
        [
            *(dict.fromkeys("abcdef", ""), {"k" * 101: ""}, {"": "v" * 501}, {"a": 1}, {1: "a"}, [("a", "b")]),
            *({"a": "\ud800"}, {"\udfff": "a"}, {"a": "\x00"}, {"\x1b": "a"}),
        ],
    ),
    Rule(
        CreatePayment,
        "expires_at",
        AWARE_RULE,
        [],
        [
            *(datetime(2026, 9, 26), "2026-09-26T17:32:28Z", 1700000000),  # noqa: DTZ001 - the point
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),  # which is beyond what Python knows in UTC
            datetime(2026, 9, 26, tzinfo=Nowhere()),
        ],
    ),
    Rule(CreatePayment, "receipt", "must be of type Receipt", [RECEIPT], [{"orderLines": []}]),
    Rule(
        CreatePayment,
        "minimum_user_age",
        "must be a whole number, an int from 0 to 100",
        [0, 100],
        [-1, 101, *NOT_WHOLE],
    ),
    Rule(CreatePayment, "qr_format", "must be of type QrFormat", [], ["IMAGE/PNG"]),
    Rule(CreatePayment, "shipping", "must be of type Shipping", [], [{}]),
    Rule(CreatePayment, "merchant_legal_links", "must be of type MerchantLegalLinks", [], [{}]),
    Rule(CreatePayment, "industry_data", "must be of type IndustryData", [], [{}]),
    Rule(CreatePayment, "authorisation_type", "must be one of PRE_AUTH, FINAL_AUTH", ["PRE_AUTH"], ["PREAUTH"]),
    Rule(CreatePayment, "direct_capture", FLAG_RULE, [True, False], [1, 0, "true"]),
    Rule(Modification, "modification_reference", REFERENCE_RULE, ["a" * 8], ["short", "å" * 8, 5]),
    Rule(Cancellation, "cancel_transaction_only", FLAG_RULE, [True, False], [None, 1, "true"]),
    Rule(
        Customer,
        "phone_number",
        MSISDN_RULE,
        ["1" * 9, "1" * 15],
        ["1" * 8, "1" * 16, "+4712345678", "47 12345678", "٤٧١٢٣٤٥٦٧٨", "4712345678\n", "", 4712345678],
    ),
    Rule(Customer, "personal_qr", text_of("5 to 255 characters"), ["x" * 5, "x" * 255], ["x" * 4, "x" * 256, 5]),
    Rule(Customer, "customer_token", text_of("1 or more characters"), ["x"], ["", 5]),
    Rule(PaymentMethod, "type", "must be one of WALLET, CARD", ["CARD"], ["CARD_PASSTHROUGH", "wallet"]),
    Rule(PaymentMethod, "blocked_sources", LIST_RULE, [["COMMERCIAL_CARDS"], [], None], ["COMMERCIAL_CARDS", 5]),
    Rule(
        QrFormat,
        "format",
        "must be one of IMAGE/SVG+XML, IMAGE/PNG, TEXT/TARGETURL",
        ["IMAGE/PNG"],
        ["image/png", "PDF"],
    ),
    Rule(QrFormat, "size", "must be a whole number, an int from 100 to 2000", [100, 2000], [99, 2001, *NOT_WHOLE]),
    Rule(
        AirlineData,
        "agency_invoice_number",
        text_of("1 to 6 characters"),
        ["1", "123456"],
        ["", "1234567", None],
    ),
    Rule(AirlineData, "airline_code", text_of("3 characters"), ["074"], ["74", "0744"]),
    Rule(AirlineData, "airline_designator_code", text_of("2 characters"), ["KL"], ["K", "KLM"]),
    Rule(AirlineData, "passenger_name", text_of("1 to 49 characters"), ["x" * 49], ["", "x" * 50]),
    Rule(AirlineData, "ticket_number", text_of("1 to 150 characters"), ["x" * 150], ["", "x" * 151]),
]


@taken(RULES)
def test_a_value_within_its_rule_is_taken(rule: Rule, value: Any) -> None:
    """The rule's edges, and what lies within them, are taken."""
    assert rule.model(**{**VALID.get(rule.model, {}), rule.field: value})


@refused(RULES)
def test_a_value_outside_its_rule_is_refused(rule: Rule, value: Any) -> None:
    """What lies beyond the rule is refused by field, value and rule."""
    assert_refused(rule, value, VALID.get(rule.model, {}))


@pytest.mark.parametrize("value", [1.9, True, "12", None, -1, 2**70, 1000, {"value": 1000, "currency": "NOK"}])
def test_only_an_amount_is_an_amount(value: Any) -> None:
    """A number, a text and a dictionary are no amount of a payment, a capture or a refund."""
    rule = 'must be an Amount, such as Amount(1000, "NOK") for 10.00 NOK'
    for build in (lambda: CreatePayment(**{**WEB, "amount": value}), lambda: Modification(modification_amount=value)):
        with pytest.raises(InvalidRequest) as refusal:
            build()
        assert (refusal.value.field, refusal.value.value, refusal.value.rule) == ("amount", value, rule)


@pytest.mark.parametrize(("smallest", "currency"), [(100, "NOK"), (1, "DKK"), (1, "EUR")], ids=["NOK", "DKK", "EUR"])
def test_a_payment_has_a_smallest_and_a_largest_amount(smallest: int, currency: str) -> None:
    """1.00 NOK, 0.01 DKK, 0.01 EUR and 65 million minor units are payments; one less and one more are not."""
    for value in (smallest, 65_000_000):
        assert CreatePayment(**{**WEB, "amount": Amount(value, currency)}).amount == Amount(value, currency)
    for value in (0, smallest - 1, 65_000_001):
        with pytest.raises(InvalidRequest) as refusal:
            CreatePayment(**{**WEB, "amount": Amount(value, currency)})
        assert (refusal.value.field, refusal.value.value) == ("amount.value", value)
        assert refusal.value.rule == f"must be {smallest} to 65000000 minor units of {currency}"


@pytest.mark.parametrize("value", [0, 65_000_001])
def test_a_change_of_nothing_and_of_too_much_is_refused(value: int) -> None:
    """Captures and refunds are of 1 to 65 million minor units; a small rest in NOK can be captured."""
    with pytest.raises(InvalidRequest, match=r"amount\.value=\d+ was refused .* must be 1 to 65000000"):
        Modification(modification_amount=Amount(value, "NOK"))
    assert Modification(modification_amount=Amount(1, "NOK")).modification_amount.value == 1


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"return_url": None}, "return_url", "WEB_REDIRECT requires the URL that the user returns to"),
        ({"user_flow": "PUSH_MESSAGE"}, "customer", "PUSH_MESSAGE requires a Customer"),
        ({"qr_format": QrFormat()}, "qr_format", "goes with user_flow QR only"),
        ({"payment_method": "CARD", "user_flow": "QR"}, "user_flow", "payment method CARD goes with WEB_REDIRECT only"),
        (
            {"expires_at": datetime(2026, 9, 26, tzinfo=UTC)},
            "expires_at",
            "a long-living payment requires a receipt",
        ),
        (
            {"amount": Amount(1000, "DKK"), "receipt": RECEIPT},
            "currency",
            "a payment has one currency, here DKK",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused(changes: dict[str, Any], field: str, rule: str) -> None:
    """A flow without what it requires, a format without its flow, and two currencies are refused."""
    with pytest.raises(InvalidRequest) as refusal:
        CreatePayment(**{**WEB, **changes})
    assert (refusal.value.field, refusal.value.rule) == (field, rule)


def test_the_flows_need_only_what_they_require() -> None:
    """QR and NATIVE_REDIRECT go without a return URL, CARD with WEB_REDIRECT, a QR format with QR."""
    bare = {name: value for name, value in WEB.items() if name not in {"return_url", "user_flow"}}
    assert CreatePayment(**bare, user_flow="QR", qr_format=QrFormat(format="IMAGE/PNG", size=100))
    assert CreatePayment(**bare, user_flow="NATIVE_REDIRECT")
    assert CreatePayment(**{**WEB, "payment_method": PaymentMethod(type="CARD")})


def test_shipping_is_in_the_payment_s_currency() -> None:
    """A fixed option in another currency is refused; options that are asked for later have none yet."""
    option = ShippingOption(id="home", amount=Amount(1, "EUR"), name="Home")
    fixed = Shipping(fixed_options=[ShippingGroup(type="MAILBOX", brand="POSTEN", options=[option])])
    with pytest.raises(InvalidRequest, match=r"currency='EUR' was refused .*: a payment has one currency, here NOK"):
        CreatePayment(**WEB, shipping=fixed)
    dynamic = Shipping(dynamic_options=DynamicOptions(callback_url="https://shop.example/shipping"))
    assert CreatePayment(**WEB, shipping=dynamic)
    assert CreatePayment(**{**WEB, "amount": Amount(1, "EUR")}, shipping=fixed)


@pytest.mark.parametrize("countries", [["NO", "no"], ["NOR"], [47], "NO"], ids=repr)
def test_countries_are_codes(countries: Any) -> None:
    """Two capital letters each, in a list."""
    dynamic = DynamicOptions(callback_url="https://shop.example/shipping")
    with pytest.raises(InvalidRequest, match="allowed_countries"):
        Shipping(dynamic_options=dynamic, allowed_countries=countries)


def test_countries_and_legal_links_are_sent() -> None:
    """In the API's names."""
    dynamic = DynamicOptions(callback_url="https://shop.example/shipping")
    links = MerchantLegalLinks(terms_of_sale_url="https://shop.example/terms", privacy_policy_url="shop-app://privacy")
    shipping = Shipping(dynamic_options=dynamic, allowed_countries=["NO", "SE"])
    sent = unstructure(CreatePayment(**WEB, shipping=shipping, merchant_legal_links=links))
    assert sent["shipping"]["allowedCountries"] == ["NO", "SE"]
    assert sent["merchantLegalLinks"] == {
        "termsOfSaleUrl": "https://shop.example/terms",
        "privacyPolicyUrl": "shop-app://privacy",
    }


@pytest.mark.parametrize("url", ["http://shop.example/terms", "javascript:alert(1)", ""])
def test_legal_links_are_urls(url: str) -> None:
    """That a browser or an app opens."""
    with pytest.raises(InvalidRequest, match="terms_of_sale_url"):
        MerchantLegalLinks(terms_of_sale_url=url)


WAYS = {"phone_number": "4712345678", "personal_qr": "https://qr.vipps.no/p/1", "customer_token": "secret-token"}


@given(st.sets(st.sampled_from(sorted(WAYS))))
def test_a_customer_is_given_in_exactly_one_way(ways: set[str]) -> None:
    """One of the three is taken; none and several are refused."""
    given = {way: WAYS[way] for way in ways}
    if len(ways) == 1:
        assert Customer(**given)
        return
    with pytest.raises(InvalidRequest) as refusal:
        Customer(**given)
    assert refusal.value.rule == "takes exactly one of phone_number, personal_qr, customer_token"
    assert "secret-token" not in str(refusal.value)


def test_a_scope_without_words_is_refused() -> None:
    """An empty scope, as text or as words, is refused."""
    scopes: list[str | list[str]] = ["", []]
    for scope in scopes:
        with pytest.raises(InvalidRequest, match=r"scope=.*must be text of 1 or more characters"):
            CreatePayment(**WEB, profile=scope)


@pytest.mark.parametrize("scope", ["\ud800", ["name", "\ud800"], 5, [1], ["name", None]], ids=repr)
def test_a_scope_of_another_type_is_refused(scope: Any) -> None:
    """A scope that is neither text nor several, and one with a word that is no text, are refused."""
    with pytest.raises(InvalidRequest) as refusal:
        CreatePayment(**WEB, profile=scope)
    assert "scope" in refusal.value.field


def test_a_source_that_cannot_be_blocked_is_named() -> None:
    """Of several blocked sources the unknown one is named."""
    with pytest.raises(InvalidRequest, match=r"blocked_sources='CASH' was refused .*: must be one of COMMERCIAL_CARDS"):
        PaymentMethod(blocked_sources=["COMMERCIAL_CARDS", "CASH"])


@pytest.mark.parametrize("way", WAYS)
def test_who_pays_stays_out_of_reprs(way: str) -> None:
    """However the customer is given, it is in no repr of a request."""
    assert WAYS[way] not in repr(CreatePayment(**WEB, customer=Customer(**{way: WAYS[way]})))


def test_a_shipping_callback_s_token_stays_out_of_reprs_and_refusals() -> None:
    """The token of a shipping callback is in no repr of a request, and when it is refused it is not shown."""
    dynamic = DynamicOptions(callback_url="https://shop.example/shipping", callback_authorization_token="secret-token")
    assert "secret-token" not in repr(CreatePayment(**WEB, shipping=Shipping(dynamic_options=dynamic)))
    with pytest.raises(InvalidRequest) as refusal:
        DynamicOptions(callback_url="https://shop.example/shipping", callback_authorization_token="secret_token")
    assert "secret_token" not in str(refusal.value)
    assert "secret_token" not in repr(refusal.value)
