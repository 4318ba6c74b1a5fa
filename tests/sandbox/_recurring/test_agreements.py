"""The life of agreements in the sandbox: its tables, its events and their order, and its problems on the wire."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.sandbox.merchant import Got, Merchant, Shop
from vipps_async.sandbox import ActionRefused, Sandbox, UnknownReference
from vipps_async.sandbox._recurring.lifecycle import (
    AGREEMENT_TRANSITIONS,
    CHARGE_TRANSITIONS,
    EVENT_TYPES,
    AgreementAction,
    AgreementState,
    ChargeAction,
    ChargeState,
)

AGREEMENTS = "/recurring/v3/agreements"
DRAFT: dict[str, Any] = {
    "pricing": {"type": "LEGACY", "amount": 49900, "currency": "NOK"},
    "interval": {"unit": "MONTH", "count": 1},
    "productName": "Gym membership",
    "merchantRedirectUrl": "https://shop.example/welcome",
    "merchantAgreementUrl": "https://shop.example/members/7",
}
INITIAL = {"amount": 10000, "description": "Registration", "transactionType": "DIRECT_CAPTURE"}
CHRISTMAS = {"type": "EVENT_CAMPAIGN", "price": 1, "eventText": "christmas", "eventDate": "2030-12-24T00:00:00Z"}
VARIABLE = {"type": "VARIABLE", "suggestedMaxAmount": 90000, "currency": "NOK"}


async def drafted(merchant: Merchant, **changes: Any) -> Got:
    """Draft an agreement; ``None`` takes a field away."""
    body = {name: value for name, value in {**DRAFT, **changes}.items() if value is not None}
    return await merchant.call("POST", AGREEMENTS, body, key=merchant.fresh_key())


async def active(merchant: Merchant, **changes: Any) -> str:
    """Draft an agreement that its user accepts, and return its id."""
    agreement: str = (await drafted(merchant, **changes)).json["agreementId"]
    await merchant.sandbox.recurring.accept(agreement)
    return agreement


async def create_charge(merchant: Merchant, agreement: str, **changes: Any) -> Got:
    """Create a charge that is due tomorrow."""
    due = merchant.sandbox.clock.now().date() + timedelta(days=1)
    body = {
        "amount": 49900,
        "description": "November",
        "due": due.isoformat(),
        "retryDays": 2,
        "transactionType": "DIRECT_CAPTURE",
        **changes,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return await merchant.call("POST", f"{AGREEMENTS}/{agreement}/charges", given, key=merchant.fresh_key())


def identifier(got: Got) -> str:
    """Return what stands at the end of a problem's type."""
    return str(got.json["type"]).rpartition("#")[2]


def test_the_tables_have_every_state_and_send_every_event() -> None:
    """Nothing is left over in them, nor in the list of event types."""
    assert {state for state, _ in AGREEMENT_TRANSITIONS} == {*AgreementState} - {AgreementState.EXPIRED}
    assert {action for _, action in AGREEMENT_TRANSITIONS} == {*AgreementAction}
    assert {found.state for found in AGREEMENT_TRANSITIONS.values()} == {*AgreementState} - {AgreementState.PENDING}
    assert {action for _, action in CHARGE_TRANSITIONS} == {*ChargeAction}
    ended = {ChargeState.CANCELLED, ChargeState.FAILED, ChargeState.REFUNDED}
    assert {state for state, _ in CHARGE_TRANSITIONS} == {*ChargeState} - ended
    assert {found.state for found in CHARGE_TRANSITIONS.values()} == {*ChargeState} - {ChargeState.PENDING}
    assert len(EVENT_TYPES) == len({*EVENT_TYPES}) == 10


async def told(sandbox: Sandbox, shop: Shop) -> list[str]:
    """Return what the shop was told, in short."""
    await sandbox.settled()
    return [body["eventType"].removeprefix("recurring.").removesuffix(".v1") for body in shop.bodies]


async def test_the_first_charge_is_told_before_the_activation(merchant: Merchant, shop: Shop) -> None:
    """Both orders are to be expected, and this is the one that was seen."""
    await merchant.sandbox.add_webhook(shop.url)
    await active(merchant, initialCharge=INITIAL)
    assert await told(merchant.sandbox, shop) == ["charge-captured", "agreement-activated"]
    first, activated = shop.bodies
    assert (first["chargeType"], first["amountCaptured"]) == ("INITIAL", 10000)
    assert "actor" not in activated


async def test_a_first_charge_can_be_reserved(merchant: Merchant, shop: Shop) -> None:
    """It stays so when the user stops, and goes when the merchant does."""
    await merchant.sandbox.add_webhook(shop.url)
    reserved = {**INITIAL, "transactionType": "RESERVE_CAPTURE", "orderId": "first-1"}
    by_user = await active(merchant, initialCharge=reserved)
    assert await told(merchant.sandbox, shop) == ["charge-reserved", "agreement-activated"]
    by_merchant = await active(merchant, initialCharge={**reserved, "orderId": "first-2"})
    await merchant.sandbox.recurring.stop(by_user)
    await merchant.sandbox.settled()
    await merchant.call("PATCH", f"{AGREEMENTS}/{by_merchant}", {"status": "STOPPED"}, key="stop")
    charges = merchant.sandbox.recurring.charges
    assert (charges["first-1"].state, charges["first-2"].state) == ("RESERVED", "CANCELLED")
    assert (await told(merchant.sandbox, shop))[-2:] == ["agreement-stopped", "charge-canceled"]
    assert [body["actor"] for body in shop.bodies if "actor" in body] == ["USER", "MERCHANT"]


async def test_a_first_charge_that_cannot_be_paid_ends_the_agreement(merchant: Merchant, shop: Shop) -> None:
    """As EXPIRED, and whoever accepts hears why."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = (await drafted(merchant, initialCharge={**INITIAL, "amount": 151})).json["agreementId"]
    with pytest.raises(ActionRefused, match="the initial charge could not be paid"):
        await merchant.sandbox.recurring.accept(agreement)
    assert merchant.sandbox.recurring.agreements[agreement].state is AgreementState.EXPIRED
    assert await told(merchant.sandbox, shop) == ["charge-failed", "agreement-expired"]


async def test_time_ends_a_draft(merchant: Merchant, shop: Shop) -> None:
    """After ten minutes, with its first charge."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = (await drafted(merchant, initialCharge=INITIAL)).json["agreementId"]
    merchant.sandbox.clock.advance(timedelta(minutes=9, seconds=59))
    assert merchant.sandbox.recurring.agreements[agreement].state is AgreementState.PENDING
    merchant.sandbox.clock.advance(timedelta(seconds=1))
    assert merchant.sandbox.recurring.agreements[agreement].state is AgreementState.EXPIRED
    assert await told(merchant.sandbox, shop) == ["agreement-expired", "charge-canceled"]


async def test_users_decline_and_profiles_are_deleted(merchant: Merchant, shop: Shop) -> None:
    """Who stopped an agreement is told."""
    await merchant.sandbox.add_webhook(shop.url)
    await merchant.sandbox.recurring.decline((await drafted(merchant)).json["agreementId"])
    await merchant.sandbox.recurring.stop(await active(merchant), actor="ADMIN")
    assert await told(merchant.sandbox, shop) == ["agreement-rejected", "agreement-activated", "agreement-stopped"]
    assert shop.bodies[-1]["actor"] == "ADMIN"


async def test_what_a_state_forbids_is_refused(merchant: Merchant) -> None:
    """From Python, with the state."""
    recurring, agreement = merchant.sandbox.recurring, await active(merchant)
    for act in (recurring.accept, recurring.decline, recurring.expire):
        with pytest.raises(ActionRefused, match="it is ACTIVE"):
            await act(agreement)
    with pytest.raises(ActionRefused, match="its price is not variable"):
        await recurring.set_maximum(agreement, 1000)
    await recurring.stop(agreement)
    with pytest.raises(ActionRefused, match="it is STOPPED"):
        await recurring.stop(agreement)
    with pytest.raises(UnknownReference):
        await recurring.accept("agr_none")


@pytest.mark.parametrize(
    ("changes", "problem", "field"),
    [
        ({"pricing": None}, "validation-error", "pricing"),
        ({"pricing": {"type": "MONTHLY", "currency": "NOK"}}, "validation-error", "pricing.type"),
        ({"pricing": {"currency": "NOK"}}, "validation-error", "pricing.amount"),
        ({"pricing": {"amount": 99, "currency": "NOK"}}, "validation-error", "pricing.amount"),
        ({"pricing": {**VARIABLE, "suggestedMaxAmount": 99}}, "invalid-suggested-max-amount", ""),
        ({"pricing": {**VARIABLE, "suggestedMaxAmount": 2_000_001}}, "invalid-suggested-max-amount", ""),
        ({"productName": "x" * 46}, "validation-error", "productName"),
        ({"interval": {"unit": "MONTH", "count": 32}}, "validation-error", "interval.count"),
        ({"merchantRedirectUrl": "http://shop.example/"}, "validation-error", "merchantRedirectUrl"),
        ({"scope": "name shoeSize"}, "validation-error", "scope"),
        ({"skipLandingPage": True, "phoneNumber": "12"}, "validation-error", "phoneNumber"),
        ({"skipLandingPage": True}, "validation-error", "phoneNumber"),
        (
            {"campaign": {"type": "PRICE_CAMPAIGN", "price": 100, "end": "2020-01-01T00:00:00Z"}},
            "validation-error",
            "campaign.end",
        ),
        ({"campaign": {"type": "SALE", "price": 100}}, "validation-error", "campaign.type"),
        (
            {"pricing": VARIABLE, "campaign": CHRISTMAS},
            "validation-error",
            "campaign",
        ),
        ({"initialCharge": {**INITIAL, "orderId": "a_b"}}, "validation-error", "initialCharge.orderId"),
        ({"initialCharge": {**INITIAL, "amount": 99}}, "validation-error", "initialCharge.amount"),
        ({"initialCharge": {**INITIAL, "amount": 2_000_001}}, "charge-amount-too-high", ""),
    ],
)
async def test_a_draft_that_breaks_a_rule_is_refused(
    merchant: Merchant, changes: dict[str, Any], problem: str, field: str
) -> None:
    """In the API's own form, with what it is at the end of its type."""
    got = await drafted(merchant, **changes)
    assert (got.status, identifier(got)) == (400, problem)
    assert not field or field in got.fields
    assert got.json["instance"] == "/vipps-recurring-merchant-api/v3/agreements"
    assert got.json["contextId"]
    assert not merchant.sandbox.recurring.agreements


async def test_problems_have_the_documented_form(merchant: Merchant) -> None:
    """Also those that have no identifier, and those of keys and bodies."""
    got = await merchant.call("GET", f"{AGREEMENTS}/agr_none")
    assert (got.status, got.json["type"], got.json["detail"]) == (404, "about:blank", "Agreement not found.")
    got = await merchant.call("POST", AGREEMENTS, DRAFT)
    assert (got.status, identifier(got)) == (400, "idempotency-key-header")
    for key in ("a:b", "a/b", "x" * 41, "a b"):
        assert identifier(await merchant.call("POST", AGREEMENTS, DRAFT, key=key)) == "idempotency-key-header"
    got = await merchant.send("POST", AGREEMENTS, headers={**merchant.headers, "Idempotency-Key": "1"}, data=b"{")
    assert (got.status, identifier(got)) == (415, "unsupported-media-type")
    headers = {**merchant.headers, "Idempotency-Key": "2", "Content-Type": "application/json"}
    got = await merchant.send("POST", AGREEMENTS, headers=headers, data=b"{")
    assert (got.status, identifier(got)) == (400, "invalid-json")
    got = await merchant.call("GET", f"{AGREEMENTS}/agr.1")
    assert (got.status, identifier(got)) == (400, "invalid-agreement-id")
    await merchant.call("POST", AGREEMENTS, DRAFT, key="3")
    got = await merchant.call("POST", AGREEMENTS, {**DRAFT, "productName": "x"}, key="3")
    assert (got.status, identifier(got)) == (409, "idempotency-conflict")


@pytest.mark.parametrize(
    ("denied", "changes", "problem"),
    [
        ("recurring", {}, "invalid-sale-unit"),
        ("skip-landing-page", {"skipLandingPage": True, "phoneNumber": "4791234567"}, "unsupported-feature"),
        ("direct-capture", {"initialCharge": INITIAL}, "unsupported-feature"),
    ],
)
async def test_what_the_sales_unit_may_not_do_is_refused(denied: str, changes: dict[str, Any], problem: str) -> None:
    """With 403, whatever else is asked for."""
    async with Sandbox(denied=[denied]) as sandbox, aiohttp.ClientSession(sandbox.base_url) as session:
        merchant = Merchant(sandbox, session)
        await merchant.sign_in()
        got = await drafted(merchant, **changes)
        assert (got.status, identifier(got)) == (403, problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "STOPPED", "productName": "x"}, "validation-error"),
        ({"pricing": {"suggestedMaxAmount": 1000}}, "validation-error"),
        ({"pricing": {"amount": 99}}, "validation-error"),
        ({"status": "ACTIVE"}, "validation-error"),
        ({"interval": {"type": "RECURRING"}}, "validation-error"),
    ],
)
async def test_an_update_that_breaks_a_rule_is_refused(merchant: Merchant, body: dict[str, Any], problem: str) -> None:
    """And changes nothing."""
    agreement = await active(merchant)
    before = merchant.sandbox.recurring.agreements[agreement]
    got = await merchant.call("PATCH", f"{AGREEMENTS}/{agreement}", body, key="1")
    assert (got.status, identifier(got)) == (400, problem)
    assert merchant.sandbox.recurring.agreements[agreement] == before


async def test_only_what_is_active_is_changed(merchant: Merchant) -> None:
    """One that is pending, or over, is refused; only a stop of what is stopped is not."""
    pending = (await drafted(merchant)).json["agreementId"]
    for body in ({"productName": "x"}, {"status": "STOPPED"}):
        got = await merchant.call("PATCH", f"{AGREEMENTS}/{pending}", body, key=merchant.fresh_key())
        assert (got.status, identifier(got)) == (400, "illegal-agreement-update")
    await merchant.sandbox.recurring.decline(pending)
    got = await merchant.call("PATCH", f"{AGREEMENTS}/{pending}", {"status": "STOPPED"}, key=merchant.fresh_key())
    assert got.status == 204


@pytest.mark.parametrize(
    "query", ["status=GONE", "pageSize=0", "pageSize=2001", "pageNumber=0", "pageNumber=x", "createdAfter=-1"]
)
async def test_a_query_that_cannot_be_is_refused(merchant: Merchant, query: str) -> None:
    """By the parameter's name."""
    got = await merchant.call("GET", f"{AGREEMENTS}?{query}")
    assert (got.status, identifier(got)) == (400, "validation-error")
    assert query.partition("=")[0] in got.fields


async def test_what_clients_send_is_taken(merchant: Merchant) -> None:
    """A missing page, a number that is none, unknown members and null: noted, and not refused."""
    got = await drafted(
        merchant, merchantAgreementUrl=None, phoneNumber="12", colour="red", initialCharge=None, campaign=None
    )
    assert got.status == 201
    notes = merchant.sandbox.requests[-1].notes
    assert any("merchantAgreementUrl" in note for note in notes)
    assert "ignored: colour" in notes
    assert any("phoneNumber" in note for note in notes)


async def test_too_many_requests_are_refused(merchant: Merchant) -> None:
    """By operation: five pages of a list a minute, five changes of one agreement."""
    agreement = await active(merchant)
    lists = [(await merchant.call("GET", AGREEMENTS)).status for _ in range(6)]
    assert lists == [200] * 5 + [429]
    path = f"{AGREEMENTS}/{agreement}"
    changes = [
        (await merchant.call("PATCH", path, {"productName": f"x{number}"}, key=merchant.fresh_key())).status
        for number in range(6)
    ]
    assert changes == [204] * 5 + [429]


async def test_everything_is_done_over_http_too(merchant: Merchant) -> None:
    """What a user does, and what is shown of it."""
    agreement = (await drafted(merchant, pricing=VARIABLE)).json["agreementId"]
    place = f"/sandbox/agreements/{agreement}"
    got = await merchant.send("POST", f"{place}/accept", json={"maxAmount": 60000})
    assert (got.status, got.json["state"], got.json["maxAmount"]) == (200, "ACTIVE", 60000)
    got = await merchant.send("POST", f"{place}/set-maximum", json={"maxAmount": 70000})
    assert got.json["maxAmount"] == 70000
    assert (await merchant.send("POST", f"{place}/set-maximum", json={})).status == 400
    assert (await merchant.send("POST", f"{place}/set-maximum", json={"maxAmount": 1})).status == 409
    got = await merchant.send("POST", f"{place}/decline-charges", json={"reason": "technical_error"})
    assert got.json["declines"] == "technical_error"
    assert (await merchant.send("POST", f"{place}/pay-charges")).json["declines"] is None
    assert (await merchant.send("POST", f"{place}/accept")).status == 409
    assert (await merchant.send("POST", f"{place}/stop", json={"actor": "ADMIN"})).json["state"] == "STOPPED"
    assert (await merchant.send("POST", "/sandbox/agreements/agr_none/stop")).status == 404
    shown = (await merchant.send("GET", "/sandbox/agreements")).json["agreements"]
    assert [each["reference"] for each in shown] == [agreement]


@pytest.mark.parametrize("typed", ["9e999999", "NaN", "1e-9", "-1", "a lot", ""])
async def test_a_maximum_that_is_none_changes_nothing(merchant: Merchant, typed: str) -> None:
    """Whatever a form says, and whatever a test passes."""
    agreement = (await drafted(merchant, pricing=VARIABLE)).json["agreementId"]
    await merchant.sandbox.recurring.accept(agreement, max_amount=60000)
    url = merchant.sandbox.recurring.agreements[agreement].confirmation_url
    got = await merchant.send("POST", url, data={"action": "set-maximum", "maxAmount": typed})
    assert (got.status, "must be an amount" in got.body.decode()) == (409, True)
    bad: Any = 570.0
    with pytest.raises(ActionRefused, match="minor units"):
        await merchant.sandbox.recurring.set_maximum(agreement, bad)
    unknown: Any = "no idea"
    with pytest.raises(ActionRefused, match="one of user_action_required"):
        await merchant.sandbox.recurring.decline_charges(agreement, unknown)
    assert merchant.sandbox.recurring.agreements[agreement].max_amount == 60000


async def test_a_saved_sandbox_goes_on_elsewhere(merchant: Merchant) -> None:
    """With its agreements, its charges and their deadlines."""
    agreement = await active(merchant, scope="name")
    await create_charge(merchant, agreement, orderId="order-1")
    saved = merchant.sandbox.save()
    async with Sandbox() as other:
        other.load(saved)
        assert other.recurring.agreements[agreement].confirmation_url.startswith(other.base_url)
        other.clock.advance(timedelta(days=2))
        assert other.recurring.charges["order-1"].state == "CHARGED"
        with pytest.raises(ValueError, match="load into an empty sandbox"):
            other.load(saved)
        await other.reset()
        assert not other.recurring.agreements
