"""What the Recurring API would refuse by its form is refused before anything is sent, by field, value and rule."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.support.agreements import PRICE, TERMS
from tests.support.vectors import document
from vipps_async import Amount, InvalidRequest, VippsClient
from vipps_async.recurring import Campaign, InitialCharge, Interval, NewCharge, Pricing
from vipps_async.recurring._agreements import encoded
from vipps_async.recurring._request import CreateCharge, DraftAgreement, RefundCharge
from vipps_async.sandbox import Sandbox

CHARGE: dict[str, Any] = {
    "amount": PRICE,
    "description": "October",
    "transaction_type": "DIRECT_CAPTURE",
    "due": date(2026, 10, 1),
    "retry_days": 2,
}
KRONE = Amount(100, "NOK")
EURO = Amount(100, "EUR")
YEAR_S_END = datetime(2026, 12, 31, tzinfo=UTC)
NOTHING: Any = None
BARE: Any = 100
WEEK: Any = "WEEK"


def draft(**terms: Any) -> Any:
    """Return the document that drafts an agreement."""
    method = {"payment_method": terms.pop("blocked_sources")} if "blocked_sources" in terms else {}
    return json.loads(encoded(DraftAgreement(**terms, **method)))


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        (
            "",
            {
                "phone_number": "4712345678",
                "interval": Interval("MONTH"),
                "pricing": Pricing.legacy(PRICE),
                "product_name": "Premier League subscription",
                "product_description": "Access to all games of English top football",
            },
        ),
        (
            "-variable",
            {
                "phone_number": "4712345678",
                "interval": Interval("MONTH"),
                "pricing": Pricing.variable(Amount(3000, "NOK")),
                "product_name": "MyNews Digital",
            },
        ),
        (
            "-campaign",
            {
                "interval": Interval("MONTH"),
                "pricing": Pricing.legacy(Amount(34900, "NOK")),
                "campaign": Campaign.for_period(Interval("WEEK", 10), price=KRONE),
                "initial_charge": InitialCharge(
                    amount=KRONE, description="Initial charge", transaction_type="DIRECT_CAPTURE"
                ),
                "product_name": "MyNews Digital",
                "scope": "address name email birthDate phoneNumber",
            },
        ),
    ],
)
def test_the_documented_drafts_are_sent(name: str, terms: dict[str, Any]) -> None:
    """Amounts are bare numbers, and what is not given is left out; the words of a scope have no order."""
    urls = {
        "merchant_redirect_url": "https://example.com/confirmation",
        "merchant_agreement_url": "https://example.com/account/subscriptions/1234",
    }
    documented = document(f"current-recurring-draft-agreement-request{name}")
    if "scope" in documented:
        documented["scope"] = " ".join(sorted(documented["scope"].split()))
    assert draft(**urls, **terms) == documented


def test_the_documented_draft_that_blocks_sources_is_sent() -> None:
    """A price by use, in another currency."""
    sent = draft(
        pricing=Pricing.flexible("DKK"),
        product_name="Power, month by month",
        merchant_redirect_url="https://example.com/confirmation?agreement=77",
        merchant_agreement_url="https://example.com/account/agreements/77",
        blocked_sources=["COMMERCIAL_CARDS"],
        external_id="customer-77",
    )
    assert sent == document("current-recurring-draft-agreement-request-blocked-sources")


def test_the_other_campaigns_are_sent() -> None:
    """Each with the members that it has."""
    until = Campaign.until(YEAR_S_END, price=KRONE)
    event = Campaign.until_event(YEAR_S_END, "christmas", price=KRONE)
    assert draft(**TERMS, campaign=until)["campaign"] == {
        "type": "PRICE_CAMPAIGN",
        "price": 100,
        "end": "2026-12-31T00:00:00Z",
    }
    assert draft(**TERMS, campaign=event)["campaign"] == {
        "type": "EVENT_CAMPAIGN",
        "price": 100,
        "eventDate": "2026-12-31T00:00:00Z",
        "eventText": "christmas",
    }


def test_the_documented_charges_are_sent() -> None:
    """One that is due on a day, one that is taken at once, and a refund."""
    scheduled = CreateCharge(
        **CHARGE,
        type="RECURRING",
        order_id="acme-sub-1234-2026-10",
        external_id="INV-2026-10-4471",
        processing_mode="MULTIPLE_ATTEMPTS",
    )
    assert json.loads(encoded(scheduled)) == document("current-recurring-charge-request")
    at_once = CreateCharge(amount=PRICE, description="October", transaction_type="DIRECT_CAPTURE", type="UNSCHEDULED")
    assert json.loads(encoded(at_once)) == document("current-recurring-charge-request-unscheduled")
    refund = RefundCharge(amount=Amount(5000, "NOK"), description="Forgot to apply discount, refunding 50%")
    assert json.loads(encoded(refund)) == document("current-recurring-charge-refund-request")


@pytest.mark.parametrize(
    ("terms", "field", "rule"),
    [
        ({"pricing": PRICE}, "pricing", "must be of type Pricing"),
        ({"product_name": "x" * 46}, "product_name", "1 to 45 characters"),
        ({"product_name": ""}, "product_name", "1 to 45 characters"),
        ({"product_description": "x" * 101}, "product_description", "1 to 100 characters"),
        ({"merchant_redirect_url": "http://shop.example/"}, "merchant_redirect_url", "must be https://"),
        ({"merchant_redirect_url": f"https://shop.example/{'x' * 2030}"}, "merchant_redirect_url", "2048 characters"),
        ({"merchant_agreement_url": f"https://shop.example/{'x' * 1010}"}, "merchant_agreement_url", "1024 characters"),
        ({"merchant_agreement_url": None}, "merchant_agreement_url", "managed and stopped"),
        ({"phone_number": "+4712345678"}, "phone_number", "MSISDN"),
        ({"skip_landing_page": True}, "phone_number", "skip_landing_page requires"),
        ({"external_id": "x" * 65}, "external_id", "1 to 64 characters"),
        ({"scope": ["name", 7]}, "scope", "must be words"),
        ({"scope": ""}, "scope", "1 or more characters"),
        ({"blocked_sources": "COMMERCIAL_CARDS"}, "blocked_sources", "must be a list"),
        ({"blocked_sources": ["CARDS"]}, "blocked_sources", "must be one of COMMERCIAL_CARDS"),
        (
            {"pricing": Pricing.variable(PRICE), "campaign": Campaign.until(YEAR_S_END, price=KRONE)},
            "campaign",
            r"goes with Pricing.legacy\(…\) only",
        ),
        ({"campaign": Campaign.until(YEAR_S_END, price=EURO)}, "campaign.currency", "one currency, here NOK"),
        (
            {"initial_charge": InitialCharge(amount=EURO, description="x", transaction_type="DIRECT_CAPTURE")},
            "initial_charge.currency",
            "one currency, here NOK",
        ),
        ({"interval": "MONTH"}, "interval", "must be of type Interval"),
        ({"pricing": Pricing(type="LEGACY", currency="NOK")}, "pricing", r"Pricing.legacy\(…\)"),
        ({"pricing": Pricing(type="LEGACY", currency="NOK", amount=EURO)}, "pricing.currency", "here NOK"),
        ({"pricing": Pricing.flexible("SEK")}, "pricing.currency", "one of NOK, DKK, EUR"),
        ({"campaign": Campaign(type="EVENT_CAMPAIGN", price=KRONE)}, "campaign", r"Campaign.until\(…\)"),
        ({"idempotency_key": "a:b"}, "idempotency_key", "1 to 40 characters"),
        ({"idempotency_key": "x" * 41}, "idempotency_key", "1 to 40 characters"),
    ],
)
async def test_a_draft_that_the_api_would_refuse_is_not_sent(
    vipps: VippsClient, sandbox: Sandbox, terms: dict[str, Any], field: str, rule: str
) -> None:
    """The field, the value and the rule are named."""
    with pytest.raises(InvalidRequest, match=rule) as raised:
        await vipps.recurring.agreements.create(**{**TERMS, **terms})
    assert raised.value.field == field
    assert not sandbox.requests


def test_an_agreement_outside_norway_needs_no_page() -> None:
    """It is recommended there, and not required."""
    terms = {**TERMS, "pricing": Pricing.legacy(EURO), "merchant_agreement_url": None}
    assert "merchantAgreementUrl" not in draft(**terms)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Pricing.legacy(BARE), "amount"),
        (lambda: Pricing.legacy(Amount(0, "NOK")), "amount.value"),
        (lambda: Pricing.variable(NOTHING), "suggested_max_amount"),
        (lambda: Pricing.variable(Amount(2**31, "NOK")), "suggested_max_amount.value"),
        (lambda: Pricing.flexible("kroner"), "amount.currency"),
        (lambda: Interval("FORTNIGHT"), "unit"),
        (lambda: Interval("DAY", 0), "count"),
        (lambda: Interval("DAY", 32), "count"),
        (lambda: Interval("DAY", True), "count"),
        (lambda: Campaign.until(NOTHING, price=KRONE), "end"),
        (lambda: Campaign.until(datetime(2026, 1, 1), price=KRONE), "end"),  # noqa: DTZ001 - what is to be refused
        (lambda: Campaign.until(YEAR_S_END, price=BARE), "price"),
        (lambda: Campaign.for_period(WEEK, price=KRONE), "period"),
        (lambda: Campaign.for_period(NOTHING, price=KRONE), "period"),
        (lambda: Campaign.until_event(YEAR_S_END, "x" * 16, price=KRONE), "event_text"),
        (lambda: Campaign.until_event(YEAR_S_END, "", price=KRONE), "event_text"),
        (lambda: Campaign.until_event(NOTHING, "christmas", price=KRONE), "event_date"),
        (lambda: InitialCharge(amount=KRONE, description="", transaction_type="DIRECT_CAPTURE"), "description"),
        (lambda: InitialCharge(amount=KRONE, description="x", transaction_type="LATER"), "transaction_type"),
        (
            lambda: InitialCharge(amount=KRONE, description="x", transaction_type="DIRECT_CAPTURE", order_id="a_b"),
            "order_id",
        ),
        (lambda: new_charge(agreement_id="agr/1"), "agreement_id"),
        (lambda: new_charge(order_id=""), "order_id"),
        (lambda: new_charge(order_id="x" * 65), "order_id"),
        (lambda: new_charge(due="2026-10-01"), "due"),
        (lambda: new_charge(due=YEAR_S_END), "due"),
        (lambda: new_charge(retry_days=15), "retry_days"),
        (lambda: new_charge(retry_days=1, processing_mode="SINGLE_ATTEMPT"), "retry_days"),
    ],
)
def test_a_part_that_cannot_be_is_not_made(make: Callable[[], object], field: str) -> None:
    """Refused where it is written, not where it is sent."""
    with pytest.raises(InvalidRequest) as raised:
        make()
    assert raised.value.field == field


def new_charge(**changes: Any) -> NewCharge:
    """Return one of many charges."""
    return NewCharge(**{"agreement_id": "agr_1", "order_id": "order-1", **CHARGE, **changes})


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"amount": 100}, "amount"),
        ({"amount": Amount(0, "NOK")}, "amount.value"),
        ({"description": ""}, "description"),
        ({"description": "x" * 101}, "description"),
        ({"due": None}, "due"),
        ({"due": "2026-10-01"}, "due"),
        ({"retry_days": None}, "retry_days"),
        ({"retry_days": -1}, "retry_days"),
        ({"retry_days": 15}, "retry_days"),
        ({"processing_mode": "SINGLE_ATTEMPT"}, "retry_days"),
        ({"processing_mode": "NEVER"}, "processing_mode"),
        ({"transaction_type": "LATER"}, "transaction_type"),
        ({"type": "INITIAL"}, "type"),
        ({"type": "ONCE"}, "type"),
        ({"type": "UNSCHEDULED"}, "due"),
        ({"type": "UNSCHEDULED", "due": None}, "retry_days"),
        (
            {"type": "UNSCHEDULED", "due": None, "retry_days": None, "processing_mode": "SINGLE_ATTEMPT"},
            "processing_mode",
        ),
        ({"order_id": "order_1"}, "order_id"),
        ({"external_id": ""}, "external_id"),
        ({"idempotency_key": "key_1"}, "idempotency_key"),
    ],
)
async def test_a_charge_that_the_api_would_refuse_is_not_sent(
    vipps: VippsClient, sandbox: Sandbox, terms: dict[str, Any], field: str
) -> None:
    """Also what goes together: what is taken at once has no day, one attempt has no retries."""
    with pytest.raises(InvalidRequest) as raised:
        await vipps.recurring.charges.create("agr_1", **{**CHARGE, **terms})
    assert raised.value.field == field
    assert not sandbox.requests


async def each(items: Any) -> list[Any]:
    """Return all that an iterator yields."""
    return [item async for item in items]


CALLS: dict[str, tuple[Callable[[Any], Awaitable[Any]], str]] = {
    "agreement": (lambda r: r.agreements.get("agr/../1"), "agreement_id"),
    "no-agreement": (lambda r: r.agreements.get(""), "agreement_id"),
    "charge": (lambda r: r.charges.get("agr_1", "chr 1"), "charge_id"),
    "find": (lambda r: r.charges.find("?"), "charge_id"),
    "nothing-to-update": (lambda r: r.agreements.update("agr_1"), "update"),
    "both-prices": (
        lambda r: r.agreements.update("agr_1", amount=KRONE, suggested_max_amount=KRONE),
        "suggested_max_amount",
    ),
    "no-price": (lambda r: r.agreements.update("agr_1", amount=0), "amount"),
    "both-intervals": (
        lambda r: r.agreements.update("agr_1", interval=Interval("DAY"), without_interval=True),
        "interval",
    ),
    "no-interval": (lambda r: r.agreements.update("agr_1", interval="DAY"), "interval"),
    "capture-nothing": (lambda r: r.charges.capture("agr_1", "chr-1", None), "amount"),
    "capture-key": (lambda r: r.charges.capture("agr_1", "chr-1", idempotency_key="a b"), "idempotency_key"),
    "refund-nothing": (lambda r: r.charges.refund("agr_1", "chr-1", None, description="x"), "amount"),
    "refund-why": (lambda r: r.charges.refund("agr_1", "chr-1", KRONE, description=""), "description"),
    "force": (lambda r: r.agreements.force_accept("agr_1", "12345"), "phone_number"),
    "list-status": (lambda r: each(r.agreements.list("GONE")), "status"),
    "list-size": (lambda r: each(r.agreements.list(page_size=2001)), "page_size"),
    "list-no-size": (lambda r: each(r.agreements.list(page_size=0)), "page_size"),
    "list-after": (lambda r: each(r.agreements.list(created_after=datetime(2026, 1, 1))), "created_after"),  # noqa: DTZ001 - what is to be refused
    "charges-status": (lambda r: each(r.charges.list("agr_1", "PAID")), "status"),
    "many-none": (lambda r: each(r.charges.create_many([{"order_id": "1"}])), "charges"),
    "many-twice": (lambda r: each(r.charges.create_many([new_charge(), new_charge()])), "charges.order_id"),
    "many-size": (lambda r: each(r.charges.create_many([new_charge()], per_call=2001)), "per_call"),
    "many-no-size": (lambda r: each(r.charges.create_many([new_charge()], per_call=0)), "per_call"),
    "wait": (lambda r: r.agreements.wait("agr_1", timeout=0), "timeout"),
    "wait-charge": (lambda r: r.charges.wait("agr_1", "chr-1", timeout=1, until=None), "until"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_cannot_be_meant_so_is_not_sent(vipps: VippsClient, sandbox: Sandbox, name: str) -> None:
    """Whatever the operation."""
    call, field = CALLS[name]
    with pytest.raises(InvalidRequest) as raised:
        await call(vipps.recurring)
    assert raised.value.field == field
    assert not sandbox.requests
