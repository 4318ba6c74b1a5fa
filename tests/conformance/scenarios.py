"""What merchants do: every way to create a payment, every operation, every state and every documented error."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import aiohttp
import attrs
import pytest

from tests.conformance.documents import Exchange
from tests.conformance.recording import HOOK, SHIPPING, Recorder, recording
from tests.sandbox._epayment.test_dialects import FULL
from tests.support.sandbox.merchant import PAYMENTS, Merchant, of
from vipps_async import Amount, Credentials, Customer, Environment, RetryPolicy, VippsClient
from vipps_async.epayment import (
    AirlineData,
    Barcode,
    BottomLine,
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
from vipps_async.errors import ApiError
from vipps_async.recurring import Campaign, InitialCharge, Interval, NewCharge, Pricing
from vipps_async.sandbox import Sandbox

PRICE = Amount(49900, "NOK")
PART = Amount(10000, "NOK")
RETURN = "https://shop.example/return?order=1"
USER = Customer(phone_number="4712345678")
AIRLINE = AirlineData(
    agency_invoice_number="123456",
    airline_code="074",
    airline_designator_code="KL",
    passenger_name="FLYER / MARY MS.",
    ticket_number="123-1234567890",
)
LINE = OrderLine(
    name="Socks",
    id="socks-1",
    total_amount=49900,
    total_amount_excluding_tax=39920,
    total_tax_amount=9980,
    tax_rate=2500,
    unit_info=UnitInfo(unit_price=49900, quantity="0.5", quantity_unit="KG"),
    discount=0,
    product_url="https://shop.example/socks",
    is_return=False,
    is_shipping=False,
)
RECEIPT = Receipt(
    order_lines=[LINE],
    bottom_line=BottomLine(
        currency="NOK",
        tip_amount=0,
        pos_id="till-7",
        payment_sources=PaymentSources(gift_card=1, card=2, voucher=3, cash=4),
        barcode=Barcode(format="CODE 39", data="SC0527013501"),
        receipt_number="0527013501",
        gift_card_amount=0,
        total_amount=49900,
        total_tax=9980,
        total_discount=0,
        shipping_amount=0,
        shipping_info=ShippingInfo(amount=0, amount_excluding_tax=0, tax_amount=0, tax_percentage=0),
        terminal_id="7",
    ),
)
OPTION = ShippingOption(
    id="home-1",
    amount=Amount(9900, "NOK"),
    name="To the door",
    is_default=True,
    priority=0,
    meta="Ring twice",
    estimated_delivery="1-2 days",
)
GROUP = ShippingGroup(type="HOME_DELIVERY", brand="POSTNORD", options=[OPTION], is_default=True, priority=0)
TERMS: dict[str, Any] = {
    "pricing": Pricing.legacy(PRICE),
    "product_name": "Gym membership",
    "merchant_redirect_url": RETURN,
    "merchant_agreement_url": "https://shop.example/members/7",
}
EXPRESS_SCOPE = "name address email phoneNumber"


@attrs.define
class Story:
    """One sandbox, a client of it, and the recorder between them."""

    sandbox: Sandbox
    vipps: VippsClient
    recorder: Recorder
    name: str
    payments: int = 0

    async def create(self, **details: Any) -> str:
        """Create a payment and return its reference."""
        self.payments += 1
        reference = f"{self.name}-{self.payments}".replace("_", "-")
        asked: dict[str, Any] = {"amount": PRICE, "reference": reference, "return_url": RETURN, **details}
        await self.vipps.epayment.create(**asked)
        return reference

    async def authorized(self, **details: Any) -> str:
        """Create a payment that its user approves, and return its reference."""
        reference = await self.create(**details)
        await self.sandbox.approve(reference)
        return reference

    async def look(self, reference: str) -> None:
        """Read a payment and its history."""
        await self.vipps.epayment.get(reference)
        await self.vipps.epayment.events(reference)


async def refused(status: int, call: Awaitable[object]) -> None:
    """Await a call that must be refused with *status*."""
    with pytest.raises(ApiError) as refusal:
        await call
    assert refusal.value.status == status, refusal.value


async def create_in_every_way(story: Story) -> None:
    """Create a payment with every field, in every flow, and see what its user's approval adds."""
    later = story.sandbox.clock.now() + timedelta(days=2)
    ways: list[dict[str, Any]] = [
        {"payment_description": "One pair of socks", "metadata": {"till": "7", "clerk": "Kåre"}},
        {"user_flow": "NATIVE_REDIRECT", "return_url": "acmeshop://return", "customer": USER},
        {"user_flow": "PUSH_MESSAGE", "return_url": None, "customer": USER, "customer_interaction": "CUSTOMER_PRESENT"},
        {"user_flow": "PUSH_MESSAGE", "customer": Customer(personal_qr="https://qr.vipps.no/p/4796844569")},
        {"user_flow": "PUSH_MESSAGE", "customer": Customer(customer_token="wbA8ceVRKkoYiQAV+q0ATP4=")},
        {"user_flow": "QR", "return_url": None},
        {"user_flow": "QR", "qr_format": QrFormat(format="IMAGE/PNG", size=200)},
        {"user_flow": "QR", "qr_format": QrFormat(format="TEXT/TARGETURL")},
        {"receipt": RECEIPT, "receipt_url": "https://shop.example/receipt/1"},
        {"receipt": RECEIPT, "expires_at": later},
        {"profile_scope": "name address email phoneNumber birthDate", "minimum_user_age": 18},
        {"profile_scope": EXPRESS_SCOPE, "shipping": Shipping(fixed_options=[GROUP])},
        {"profile_scope": EXPRESS_SCOPE, "shipping": Shipping(dynamic_options=callback(story.recorder))},
        {"industry_data": IndustryData(airline_data=AIRLINE), "payment_method": "CARD"},
        {"amount": Amount(1, "EUR"), "payment_method": PaymentMethod(blocked_sources=["COMMERCIAL_CARDS"])},
        {"amount": Amount(1, "DKK")},
    ]
    for details in ways:
        reference = await story.create(**details)
        await story.look(reference)
        await story.sandbox.approve(reference)
        await story.look(reference)


def callback(recorder: Recorder) -> DynamicOptions:
    """Return shipping that the merchant's server is asked for."""
    return DynamicOptions(callback_url=recorder.url + SHIPPING, callback_authorization_token="ae0cb90d91b4a84a")


async def live_and_end(story: Story) -> None:
    """Take payments through every state, and read each of them there."""
    epayment = story.vipps.epayment
    bought = await story.authorized()
    await epayment.capture(bought, PART)
    await epayment.refund(bought, PART)
    await epayment.capture(bought)
    await epayment.refund(bought, PART)
    released, half = await story.authorized(), await story.authorized()
    await epayment.cancel(released)
    await epayment.capture(half, PART)
    await epayment.cancel(half)
    withdrawn, untouched = await story.create(), await story.create()
    await epayment.cancel(withdrawn)
    await epayment.cancel(untouched, cancel_transaction_only=True)
    rejected, ignored = await story.create(), await story.create()
    await story.sandbox.reject(rejected)
    await story.sandbox.expire(ignored)
    for reference in (bought, released, half, withdrawn, untouched, rejected, ignored):
        await story.look(reference)


async def force_approve(story: Story) -> None:
    """Approve in the user's place, by phone number and by the token of the redirect URL."""
    by_phone, by_token = await story.create(), await story.create()
    await story.vipps.epayment.force_approve(by_phone, customer=USER)
    token = story.sandbox.payments[by_token].token
    await story.vipps.epayment.force_approve(by_token, token=token)
    await refused(400, story.vipps.epayment.force_approve(by_token, customer=USER))
    await refused(404, story.vipps.epayment.force_approve("unknown-payment", customer=USER))


async def manage_webhooks(story: Story) -> None:
    """Register, list and delete webhooks, as is documented and otherwise."""
    webhook = await story.vipps.webhooks.register("https://shop.example/hook", ["CAPTURED", "user.checked-in.v1"])
    await story.vipps.webhooks.list()
    await story.vipps.webhooks.delete(webhook.id)
    await refused(404, story.vipps.webhooks.delete(webhook.id))
    await refused(400, story.vipps.webhooks.register("https://shop.example/hook", ["no.event.v1"]))


async def be_refused(story: Story) -> None:
    """Provoke each status that the documents have for an error, from every operation that answers it."""
    epayment = story.vipps.epayment
    created, bought = await story.create(), await story.authorized()
    await refused(400, story.create(payment_method=PaymentMethod(blocked_sources=["COMMERCIAL_CARDS"])))
    await refused(400, epayment.capture(created, PART))
    await refused(400, epayment.refund(created, PART))
    await refused(400, epayment.cancel(bought, cancel_transaction_only=True))
    await refused(403, story.create(profile_scope="name nin"))
    await refused(409, epayment.create(amount=PART, reference=created, return_url=RETURN))
    await epayment.capture(bought, PART, idempotency_key="key")
    await refused(409, epayment.capture(bought, PRICE, idempotency_key="key"))
    await epayment.refund(bought, PART, idempotency_key="key")
    await refused(409, epayment.refund(bought, PRICE, idempotency_key="key"))
    await epayment.cancel(bought, idempotency_key="key")
    await refused(409, epayment.cancel(bought, cancel_transaction_only=True, idempotency_key="key"))
    for call in calls(story.vipps, "unknown-payment"):
        await refused(404, call)


def calls(vipps: VippsClient, reference: str) -> list[Awaitable[object]]:
    """Return one call of each operation on a payment."""
    epayment = vipps.epayment
    return [
        epayment.get(reference),
        epayment.events(reference),
        epayment.capture(reference, PART),
        epayment.refund(reference, PART),
        epayment.cancel(reference),
    ]


async def be_denied(story: Story) -> None:
    """Call as somebody else, with keys that are wrong, too often, and while the user is approving."""
    reference = await story.create()
    stranger = story.vipps.with_options(merchant_serial_number="654321")
    for call in (*calls(stranger, reference), stranger.webhooks.list()):
        await refused(403, call)
    keys = story.sandbox.credentials
    for wrong in ("client_id", "client_secret", "subscription_key"):
        async with client(attrs.evolve(keys, **{wrong: "0f14ebcab0ec4b29ae0cb90d91b4a84a"}), story.recorder) as denied:
            await refused(401, denied.epayment.get(reference))
    for call in (*calls(story.vipps, reference), story.vipps.webhooks.list()):
        story.sandbox.revoke_tokens()
        with suppress(ApiError):
            await call  # the token is renewed, and the call repeated
    await be_too_fast(story)


async def be_too_fast(story: Story) -> None:
    """Call about one payment more often than is allowed, and while it is locked."""
    reference = await story.create(amount=Amount(201, "NOK"))
    await story.sandbox.approve(reference)  # of an amount whose outcome is unknown for an hour
    await refused(423, story.vipps.epayment.cancel(reference))
    bought = await story.authorized()
    for operation in ("capture", "refund"):
        for _ in range(5):
            with suppress(ApiError):
                await getattr(story.vipps.epayment, operation)(bought, PRICE)
        await refused(429, getattr(story.vipps.epayment, operation)(bought, PRICE))


async def live_in_the_draft(story: Story) -> None:
    """Take payments of the draft through their states, and read each of them there."""
    epayment = story.vipps.epayment
    ways: list[dict[str, Any]] = [
        {"payment_description": "One pair of socks", "authorisation_type": "PRE_AUTH", "direct_capture": False},
        {"user_flow": "NATIVE_REDIRECT", "customer_interaction": "CUSTOMER_PRESENT"},
        {"profile_scope": "name address", "payment_method": "CARD"},
    ]
    for details in ways:
        bought = await story.create(**details)
        await story.look(bought)
        await story.sandbox.approve(bought)
        await epayment.capture(bought, PART, modification_reference="capture-1")
        await epayment.refund(bought, PART, modification_reference="refund-01")
        await epayment.cancel(bought)
        await story.look(bought)
    rejected, ignored, withdrawn = [await story.create() for _ in range(3)]
    await story.sandbox.reject(rejected)
    await story.sandbox.expire(ignored)
    await epayment.cancel(withdrawn)
    for reference in (rejected, ignored, withdrawn):
        await story.look(reference)


async def call_as_the_draft_alone_can(story: Story) -> None:
    """Send what the client has no words for: a customer as text, logistics, an adjustment, a partial cancellation."""
    rejected = await story.create()
    await story.sandbox.reject(rejected)
    async with aiohttp.ClientSession(story.recorder.url) as session:
        merchant = Merchant(story.sandbox, session)
        await merchant.sign_in()
        await merchant.create(**FULL)
        await story.sandbox.approve(FULL["reference"])
        for method, operation, value in (
            ("PUT", "adjustAuthorization", 900),
            ("POST", "capture", 300),
            ("POST", "refund", 100),
            ("PUT", "cancel", 200),
        ):
            for reference, asked, key, status in (
                (FULL["reference"], value, "done", 202),
                (FULL["reference"], 1, "done", 409),
                (rejected, value, "too late", 400),
                ("unknown-payment", value, "unknown", 404),
            ):
                body = {**of(asked), "modificationReference": "change-01"}
                got = await merchant.call(method, f"{PAYMENTS}/{reference}/{operation}", body, key=key)
                assert got.status == status, (operation, got)
    await story.look(FULL["reference"])


async def be_refused_in_the_draft(story: Story) -> None:
    """Provoke the draft's problems."""
    epayment = story.vipps.epayment
    created = await story.create()
    stranger = story.vipps.with_options(merchant_serial_number="654321")
    await refused(400, story.create(direct_capture=True))
    await refused(403, stranger.epayment.create(amount=PART, reference=created, return_url=RETURN))
    await refused(409, epayment.create(amount=PART, reference=created, return_url=RETURN))
    for call in calls(story.vipps, "unknown-payment"):
        await refused(404, call)


async def subscribe(story: Story) -> None:
    """Draft, accept, change and stop agreements of every kind, and live through their charges."""
    agreements, charges, sandbox = story.vipps.recurring.agreements, story.vipps.recurring.charges, story.sandbox
    later = sandbox.clock.now() + timedelta(days=30)
    kinds: dict[str, dict[str, Any]] = {
        "plain": {"interval": Interval("MONTH"), "phone_number": "4712345678", "product_description": "All clubs"},
        "variable": {"pricing": Pricing.variable(PRICE), "interval": Interval("WEEK", 2), "scope": "name email"},
        "flexible": {"pricing": Pricing.flexible("DKK"), "blocked_sources": ["COMMERCIAL_CARDS"]},
        "price": {"campaign": Campaign.until(later, price=PART), "interval": Interval("DAY", 30)},
        "period": {"campaign": Campaign.for_period(Interval("MONTH", 2), price=PART), "interval": Interval("YEAR")},
        "event": {"campaign": Campaign.until_event(later, "summer", price=PART), "interval": Interval("YEAR")},
        "pushed": {"phone_number": "4712345678", "skip_landing_page": True, "is_app": False},
    }
    drafted = {kind: await _draft(story, kind, **terms) for kind, terms in kinds.items()}
    initial = InitialCharge(
        amount=PART, description="First", transaction_type="RESERVE_CAPTURE", order_id="first-1", external_id="INV-1"
    )
    drafted["initial"] = await _draft(story, "initial", initial_charge=initial)
    for kind, agreement in drafted.items():
        await agreements.get(agreement)
        await (sandbox.recurring.decline if kind == "pushed" else sandbox.recurring.accept)(agreement)
        await agreements.get(agreement)
    await agreements.force_accept(await _draft(story, "forced"), "4712345678")
    await charges.capture(drafted["initial"], "first-1", Amount(6000, "NOK"))
    await charges.refund(drafted["plain"], await _taken(story, drafted["plain"], "paid"), PART, description="Sorry")
    await charges.cancel(drafted["initial"], "first-1")
    await sandbox.recurring.decline_charges(drafted["event"])
    failed = await _taken(story, drafted["event"], "failed", retry_days=0)
    for agreement, charge in ((drafted["plain"], "paid"), (drafted["initial"], "first-1"), (drafted["event"], failed)):
        await charges.get(agreement, charge)
        await charges.find(charge)
    new = [
        NewCharge(
            agreement_id=agreement,
            order_id=f"many-{number}",
            amount=PART,
            description="Use",
            due=(sandbox.clock.now() + timedelta(days=40)).date(),
            retry_days=1,
            transaction_type="DIRECT_CAPTURE",
            external_id="INV-2",
        )
        for number, agreement in enumerate((drafted["plain"], "agr_none"))
    ]
    assert [verdict.is_accepted async for verdict in charges.create_many(new)] == [True, False]
    assert [charge async for charge in charges.list(drafted["plain"])]
    for status in ("ACTIVE", "STOPPED"):
        assert [agreement async for agreement in agreements.list(status)]
    await agreements.update(drafted["plain"], product_name="Gym", amount=PART, interval=Interval("WEEK"))
    await agreements.update(drafted["variable"], suggested_max_amount=PART, without_interval=True, external_id="x")
    await agreements.stop(drafted["plain"])
    await agreements.get(drafted["plain"])


async def _draft(story: Story, external_id: str, **terms: Any) -> str:
    drafted = await story.vipps.recurring.agreements.create(
        **{
            **TERMS,
            "external_id": external_id,
            **terms,
        }
    )
    return drafted.agreement_id


async def _taken(story: Story, agreement: str, order_id: str, **terms: Any) -> str:
    tomorrow = (story.sandbox.clock.now() + timedelta(days=1)).date()
    await story.vipps.recurring.charges.create(
        agreement,
        order_id=order_id,
        due=tomorrow,
        **{
            "amount": PART,
            "description": "November",
            "transaction_type": "DIRECT_CAPTURE",
            "retry_days": 2,
            **terms,
        },
    )
    story.sandbox.clock.advance(timedelta(days=3))
    return order_id


async def be_refused_a_subscription(story: Story) -> None:
    """Provoke every problem of agreements and charges."""
    agreements, charges = story.vipps.recurring.agreements, story.vipps.recurring.charges
    stranger = story.vipps.with_options(merchant_serial_number="654321").recurring
    agreement = await _draft(story, "refused")
    await refused(403, stranger.agreements.get(agreement))
    await refused(403, stranger.agreements.create(**TERMS))
    await refused(404, agreements.get("agr_none"))
    await refused(404, agreements.stop("agr_none"))
    await refused(404, agreements.force_accept("agr_none", "4712345678"))
    await refused(404, charges.get("agr_none", "none"))
    await refused(404, charges.find("none"))
    await refused(404, anext(charges.list("agr_none")))
    await refused(400, agreements.stop(agreement))
    await refused(400, agreements.force_accept(agreement, "4700000000"))
    await refused(400, _draft(story, "small", pricing=Pricing.legacy(Amount(1, "NOK"))))
    await _draft(story, "one", idempotency_key="used")
    await refused(409, _draft(story, "two", idempotency_key="used"))
    for call in (
        charges.capture(agreement, "none", PART),
        charges.refund(agreement, "none", PART, description="x"),
        charges.cancel(agreement, "none"),
        _taken(story, "agr_none", "none"),
    ):
        await refused(404, call)
    await story.sandbox.recurring.accept(agreement)
    await refused(400, _taken(story, agreement, "high", amount=Amount(2_000_001, "NOK")))
    paid = await _taken(story, agreement, "an-order-of-a-long-name-1")
    await charges.get(agreement, paid)
    await refused(409, _taken(story, await _accepted(story), paid))
    await refused(400, charges.capture(agreement, paid, PART))
    await refused(400, charges.refund(agreement, paid, PRICE, description="x"))
    await refused(400, charges.cancel(agreement, paid))
    await charges.refund(agreement, paid, Amount(1, "NOK"), description="x", idempotency_key="used")
    await refused(409, charges.refund(agreement, paid, Amount(2, "NOK"), description="x", idempotency_key="used"))
    reserved = await _taken(story, agreement, "an-order-of-a-long-name-2", transaction_type="RESERVE_CAPTURE")
    await charges.capture(agreement, reserved, Amount(1, "NOK"), idempotency_key="used")
    await refused(409, charges.capture(agreement, reserved, Amount(2, "NOK"), idempotency_key="used"))
    for _ in range(5):
        await agreements.update(agreement, product_name="Gym")
    await refused(429, agreements.update(agreement, product_name="Gym"))


async def _accepted(story: Story) -> str:
    agreement = await _draft(story, "accepted")
    await story.sandbox.recurring.accept(agreement)
    return agreement


STORIES: dict[str, tuple[Callable[[Story], Awaitable[None]], ...]] = {
    "current": (
        create_in_every_way,
        live_and_end,
        force_approve,
        subscribe,
        be_refused_a_subscription,
        manage_webhooks,
        be_refused,
        be_denied,
    ),
    "draft": (live_in_the_draft, call_as_the_draft_alone_can, be_refused_in_the_draft, manage_webhooks),
}


def client(credentials: Credentials, recorder: Recorder) -> VippsClient:
    """Return a client that calls through the recorder and tries once."""
    environment = Environment(recorder.url)
    return VippsClient(credentials, environment=environment, retry=RetryPolicy(attempts=1))


async def recorded(dialect: Any, *, strict: bool) -> list[Exchange]:
    """Play the stories of a dialect and return what was exchanged."""
    async with (
        Sandbox(dialect=dialect, retry_delays=[0.02], strict=strict) as sandbox,
        recording(sandbox.base_url) as recorder,
        client(sandbox.credentials, recorder) as vipps,
    ):
        await vipps.webhooks.register(recorder.url + HOOK)
        for play in STORIES[dialect]:
            await play(Story(sandbox, vipps, recorder, play.__name__))
        await sandbox.settled()
    return recorder.exchanges
