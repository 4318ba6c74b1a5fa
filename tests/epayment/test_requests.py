"""What is sent to create and to change a payment is exactly the documented bodies."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import document, names
from vipps_async import (
    AirlineData,
    Amount,
    Barcode,
    BottomLine,
    Customer,
    DynamicOptions,
    IndustryData,
    OrderLine,
    PaymentMethod,
    PaymentSources,
    QrFormat,
    Receipt,
    Shipping,
    ShippingGroup,
    ShippingInfo,
    ShippingOption,
    UnitInfo,
)
from vipps_async._wire import json as _json
from vipps_async._wire.converter import unstructure
from vipps_async.epayment._request import Approval, Cancellation, CreatePayment, Modification

REFERENCE = "acme-shop-123-order123abc"
CREATE: dict[str, Any] = {"amount": Amount(49900, "NOK"), "payment_method": "WALLET", "reference": REFERENCE}
WEB: dict[str, Any] = {
    **CREATE,
    "user_flow": "WEB_REDIRECT",
    "return_url": f"https://example.com/redirect?reference={REFERENCE}",
}
SOCKS: dict[str, Any] = {"payment_description": "One pair of socks"}
PHONE = Customer(phone_number="4712345678")
NORDIC = Customer(phone_number="4791234567")
EXPRESS: dict[str, Any] = {**WEB, **SOCKS, "profile": ["name", "address", "email", "phoneNumber"]}
RECEIPT = Receipt(
    order_lines=[
        OrderLine(
            name="Socks",
            id="line_item_1",
            total_amount=1000,
            total_amount_excluding_tax=800,
            total_tax_amount=200,
            tax_percentage=25,
            unit_info=UnitInfo(unit_price=400, quantity="2.5", quantity_unit="KG"),
            discount=0,
            product_url="https://example.com/store/socks",
            is_return=False,
            is_shipping=False,
        ),
        OrderLine(
            name="Flip-flops",
            id="line_item_2",
            total_amount=5000,
            total_amount_excluding_tax=4000,
            total_tax_amount=1000,
            tax_percentage=25,
            unit_info=UnitInfo(unit_price=2500, quantity="3", quantity_unit="PCS"),
            discount=2500,
            product_url="https://example.com/store/flipflops",
            is_return=False,
            is_shipping=False,
        ),
    ],
    bottom_line=BottomLine(
        currency="NOK",
        tip_amount=0,
        pos_id="pos_122",
        payment_sources=PaymentSources(gift_card=0, card=0, voucher=0, cash=0),
        barcode=Barcode(format="CODE 39", data="SC0527013501"),
        receipt_number="0527013501",
    ),
)

CREATIONS: dict[str, dict[str, Any]] = {
    "draft-create-payment-request": {
        "amount": Amount(1000, "NOK"),
        "payment_method": "WALLET",
        "reference": "UNIQUE-PAYMENT-REFERENCE",
        "return_url": "https://yourwebsite.come/redirect?orderId=abcc123",
        "user_flow": "NATIVE_REDIRECT",
        "payment_description": "A simple payment",
    },
    "current-create-payment-request": {**WEB, **SOCKS, "customer": PHONE},
    "current-create-payment-request-minimal": WEB,
    "current-create-payment-request-customer-token": {
        **CREATE,
        **SOCKS,
        "user_flow": "PUSH_MESSAGE",
        "customer": Customer(customer_token="wbA8ceVRKkoYiQAVELHeFCC3Sn5dtNCvvEtVPiOT77j6wx7uR965AG6Q+q0ATP4="),
        "customer_interaction": "CUSTOMER_PRESENT",
    },
    "current-create-payment-request-express-dynamic": {
        **EXPRESS,
        "shipping": Shipping(
            dynamic_options=DynamicOptions(
                callback_url="https://example.com/shipping", callback_authorization_token="a1b2c3d4e5"
            )
        ),
    },
    "current-create-payment-request-express-fixed": {
        **EXPRESS,
        "shipping": Shipping(
            fixed_options=[
                ShippingGroup(
                    brand="POSTNORD",
                    type="HOME_DELIVERY",
                    is_default=True,
                    priority=0,
                    options=[
                        ShippingOption(
                            id="postnord-home-1",
                            amount=Amount(9900, "NOK"),
                            name="Posten home standard",
                            meta="Henrik Ibsens Gate 1, 0000 Oslo",
                            estimated_delivery="3-5 business days",
                            is_default=True,
                            priority=0,
                        )
                    ],
                )
            ]
        ),
    },
    "current-create-payment-request-long-living": {
        **CREATE,
        "amount": Amount(6000, "NOK"),
        "reference": "acme-shop-123-1234590",
        "user_flow": "WEB_REDIRECT",
        "return_url": "https://example.com/redirect?orderId=1512203",
        "payment_description": "Invoice 424244",
        "customer": NORDIC,
        "expires_at": datetime(2026, 9, 26, 17, 32, 28, tzinfo=UTC),
        "receipt": RECEIPT,
        "metadata": {"location": "Q-Park Magasin du Nord", "date": "2026-01-05 12:00 - 14:34"},
        "minimum_user_age": 18,
    },
    "current-create-payment-request-personal-qr": {
        **CREATE,
        "amount": Amount(1234, "NOK"),
        "user_flow": "PUSH_MESSAGE",
        "return_url": "https://example.com/redirect?reference=577531713174932058",
        "payment_description": "Purchase of socks",
        "customer": Customer(personal_qr="https://qr.vipps.no/p/4796844569"),
    },
    "current-create-payment-request-profile": {
        **WEB,
        **SOCKS,
        "customer": PHONE,
        "profile": "name phoneNumber email address",
    },
    "current-create-payment-request-push": {
        **CREATE,
        **SOCKS,
        "user_flow": "PUSH_MESSAGE",
        "customer": PHONE,
        "customer_interaction": "CUSTOMER_PRESENT",
    },
    "current-create-payment-request-qr": {
        **CREATE,
        **SOCKS,
        "user_flow": "QR",
        "customer_interaction": "CUSTOMER_PRESENT",
        "qr_format": QrFormat(size=1024),
    },
    "current-create-payment-request-receipt": {
        **CREATE,
        "amount": Amount(6000, "NOK"),
        "reference": "acme-shop-123-1234589",
        "user_flow": "WEB_REDIRECT",
        "return_url": "https://example.com/redirect?orderId=1512202",
        "payment_description": "Invoice# 424243, due date: 01 Jan 2025",
        "customer": NORDIC,
        "receipt": RECEIPT,
    },
}

CHANGES: dict[str, Callable[[], Any]] = {
    "draft-capture-request": lambda: Modification(
        modification_amount=Amount(1000, "NOK", type="PURCHASE"), modification_reference="UNIQUE-MODIFICATION-REFERENCE"
    ),
    "draft-refund-request": lambda: Modification(
        modification_amount=Amount(500, "NOK"), modification_reference="refund-000123-1"
    ),
    "current-capture-request": lambda: Modification(modification_amount=Amount(49900, "NOK")),
    "current-capture-request-partial": lambda: Modification(modification_amount=Amount(10000, "NOK")),
    "current-refund-request": lambda: Modification(modification_amount=Amount(10000, "NOK")),
    "current-cancel-request-transaction-only": lambda: Cancellation(cancel_transaction_only=True),
    "current-force-approve-request": lambda: Approval(customer=PHONE),
    "current-force-approve-request-token": lambda: Approval(token="eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1Ni"),
}


def sent(model: Any) -> Any:
    """What a server decodes of *model*."""
    return json.loads(_json.encode(unstructure(model)))


def test_every_documented_creation_is_tried() -> None:
    """No documented create request is left out below."""
    assert set(CREATIONS) == {*names("current-create-payment-request*"), "draft-create-payment-request"}


@pytest.mark.parametrize("name", CREATIONS)
def test_the_documented_creations_are_what_is_sent(name: str) -> None:
    """The request model gives the documented body, field for field, and nothing more; words have an order of ours."""
    documented = document(name)
    if "profile" in documented:
        documented["profile"]["scope"] = " ".join(sorted(documented["profile"]["scope"].split()))
    assert sent(CreatePayment(**CREATIONS[name])) == documented


@pytest.mark.parametrize("name", CHANGES)
def test_the_documented_changes_are_what_is_sent(name: str) -> None:
    """Capture, refund, cancel and force approve send the documented bodies, and nothing more."""
    assert sent(CHANGES[name]()) == document(name)


def test_the_draft_s_own_fields_are_sent_when_they_are_given() -> None:
    """`authorisationType` and `directCapture` are sent as the draft has them, false included."""
    body = sent(CreatePayment(**WEB, authorisation_type="FINAL_AUTH", direct_capture=False))
    assert body == {**sent(CreatePayment(**WEB)), "authorisationType": "FINAL_AUTH", "directCapture": False}


def test_the_fields_that_no_example_has_are_sent_under_their_names() -> None:
    """Airline data, blocked sources, a receipt's URL, a QR format and shipping info have the specification's names."""
    airline = AirlineData(
        agency_invoice_number="1",
        airline_code="074",
        airline_designator_code="KL",
        passenger_name="FLYER / MARY MS.",
        ticket_number="123-1234-151555",
    )
    wallet = PaymentMethod(blocked_sources=["COMMERCIAL_CARDS"])
    danish: dict[str, Any] = {**WEB, "amount": Amount(1, "DKK"), "payment_method": wallet}
    body = sent(
        CreatePayment(**danish, receipt_url="https://a.example", industry_data=IndustryData(airline_data=airline))
    )
    assert body["industryData"]["airlineData"] == {
        "agencyInvoiceNumber": "1",
        "airlineCode": "074",
        "airlineDesignatorCode": "KL",
        "passengerName": "FLYER / MARY MS.",
        "ticketNumber": "123-1234-151555",
    }
    assert body["paymentMethod"] == {"type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"]}
    assert body["receiptUrl"] == "https://a.example"
    assert sent(ShippingInfo(amount=1, amount_excluding_tax=1, tax_amount=0, tax_percentage=0)) == {
        "amount": 1,
        "amountExcludingTax": 1,
        "taxAmount": 0,
        "taxPercentage": 0,
    }
    assert sent(QrFormat(format="TEXT/TARGETURL")) == {"format": "TEXT/TARGETURL"}


@given(
    absent=st.sets(st.sampled_from(sorted(CREATIONS["current-create-payment-request-long-living"]))),
)
def test_none_is_never_sent(absent: set[str]) -> None:
    """Whatever is left out or ``None`` does not occur in the body, at any level."""
    full = CREATIONS["current-create-payment-request-long-living"]
    optional = absent - {"amount", "payment_method", "reference", "user_flow", "return_url", "receipt"}
    left_out = CreatePayment(**{name: value for name, value in full.items() if name not in optional})
    as_none = CreatePayment(**{**full, **dict.fromkeys(optional)})
    assert _json.encode(unstructure(left_out)) == _json.encode(unstructure(as_none))
    assert b"null" not in _json.encode(unstructure(as_none))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 9, 26, 17, 32, 28, tzinfo=UTC), "2026-09-26T17:32:28Z"),
        (datetime(2026, 9, 26, 17, 32, 28, 5000, tzinfo=UTC), "2026-09-26T17:32:28.005000Z"),
        (datetime(2026, 9, 26, 19, 32, 28, tzinfo=timezone(timedelta(hours=2))), "2026-09-26T17:32:28Z"),
        (datetime(2026, 9, 26, 18, 32, 58, tzinfo=timezone(timedelta(hours=1, seconds=30))), "2026-09-26T17:32:28Z"),
    ],
)
def test_an_expiry_is_sent_as_rfc_3339(moment: datetime, text: str) -> None:
    """The time is sent in UTC, so that neither an offset's seconds nor its zone changes what is sent."""
    assert sent(CreatePayment(**WEB, expires_at=moment, receipt=attrs.evolve(RECEIPT)))["expiresAt"] == text


class Key(StrEnum):
    """A shop's own names."""

    LOCATION = "location"
    TILL = "till"


class OldKey(str, Enum):  # noqa: UP042 - as code from before Python 3.11 has them
    """The same names of an older kind, whose `str` is another text."""

    LOCATION = "location"
    TILL = "till"


@pytest.mark.parametrize("dumps", [_json.encode, _json._dumps], ids=["orjson", "stdlib"])
def test_metadata_is_sent_the_same_whatever_its_order_and_its_classes(dumps: Callable[[Any], bytes]) -> None:
    """Equal metadata gives the same bytes: sorted by name, and members of an enum as their text."""
    plain = {"location": "Oslo", "till": "7"}
    spellings: list[dict[Any, str]] = [
        plain,
        {"till": "7", "location": "Oslo"},
        {Key.TILL: "7", Key.LOCATION: "Oslo"},
        {OldKey.TILL: "7", OldKey.LOCATION: "Oslo"},
    ]
    bodies = {dumps(unstructure(CreatePayment(**WEB, metadata=metadata))) for metadata in spellings}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["metadata"] == plain


def test_a_profile_s_scope_is_text_or_words() -> None:
    """The same scope as text and as words is the same body."""
    words = CreatePayment(**WEB, profile=("name", "email"))
    assert sent(words)["profile"] == {"scope": "email name"}
    assert words == CreatePayment(**WEB, profile="name email")
