"""Agreements through the client: drafted once, read, listed, changed, stopped and waited for."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.agreements import PRICE, TERMS, activate, draft
from tests.support.hostile import hostile, reply
from tests.support.payments import requests_of
from tests.support.vectors import document
from tests.support.webhooks.deliveries import delivery
from vipps_async import Amount, BadRequest, Forbidden, NotFound, RetryPolicy, VippsClient
from vipps_async._http.polling import Polls, PollSchedule
from vipps_async.errors import Conflict, InvalidReply, NotInReply, WaitTimeout
from vipps_async.recurring import (
    Actor,
    AgreementAction,
    AgreementStatus,
    Campaign,
    CampaignType,
    InitialCharge,
    Interval,
    IntervalUnit,
    Pricing,
    PricingType,
    Recurring,
)
from vipps_async.recurring._replies import read_agreement
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

YEAR_S_END = datetime(2027, 12, 31, tzinfo=UTC)


async def test_an_agreement_is_drafted_accepted_and_read(vipps: VippsClient, sandbox: Sandbox) -> None:
    """With all that it was drafted with, and what became of it."""
    drafted = await vipps.recurring.agreements.create(
        **{**TERMS, "pricing": Pricing.variable(PRICE)},
        product_description="All clubs, all hours",
        campaign=None,
        initial_charge=InitialCharge(
            amount=Amount(10000, "NOK"),
            description="Registration",
            transaction_type="DIRECT_CAPTURE",
            order_id="first-7",
        ),
        scope="name email",
        blocked_sources=["COMMERCIAL_CARDS"],
        external_id="member-7",
    )
    assert (drafted.charge_id, drafted.has_confirmation_url) == ("first-7", True)
    assert drafted.confirmation_url.startswith(sandbox.base_url)
    assert drafted.confirmation_url not in repr(drafted)
    pending = await vipps.recurring.agreements.get(drafted.agreement_id)
    assert (pending.status, pending.start, pending.sub) == (AgreementStatus.PENDING, None, None)
    await sandbox.recurring.accept(drafted.agreement_id, max_amount=60000)
    agreement = await vipps.recurring.agreements.get(drafted.agreement_id)
    assert (agreement.id, agreement.uuid) == (drafted.agreement_id, drafted.uuid)
    assert agreement.status is AgreementStatus.ACTIVE
    assert agreement.pricing == Pricing(
        type=PricingType.VARIABLE, currency="NOK", suggested_max_amount=PRICE, max_amount=Amount(60000, "NOK")
    )
    assert agreement.interval == Interval(IntervalUnit.MONTH, 1, text="every month")
    assert (agreement.product_name, agreement.product_description) == ("Gym membership", "All clubs, all hours")
    assert (agreement.merchant_redirect_url, agreement.merchant_agreement_url) == (
        TERMS["merchant_redirect_url"],
        TERMS["merchant_agreement_url"],
    )
    assert (agreement.country_code, agreement.external_id) == ("NO", "member-7")
    assert agreement.blocked_sources == ("COMMERCIAL_CARDS",)
    assert agreement.start is not None
    assert (await vipps.userinfo.get(str(agreement.sub))).name == "Ada Lovelace"
    assert [(entry.event, entry.actor) for entry in agreement.history] == [
        (AgreementAction.CREATE, Actor.MERCHANT),
        (AgreementAction.ACTIVATE, Actor.USER),
    ]


async def test_campaigns_come_back(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Each of its kind, with what the user reads."""
    agreements = vipps.recurring.agreements
    price = Amount(100, "NOK")
    campaigns = {
        CampaignType.PRICE_CAMPAIGN: Campaign.until(YEAR_S_END, price=price),
        CampaignType.PERIOD_CAMPAIGN: Campaign.for_period(Interval("WEEK", 10), price=price),
        CampaignType.EVENT_CAMPAIGN: Campaign.until_event(YEAR_S_END, "christmas", price=price),
    }
    for kind, campaign in campaigns.items():
        told = (await agreements.get(await draft(vipps, campaign=campaign))).campaign
        assert told is not None
        assert (told.type, told.price, told.period) == (kind, price, campaign.period)
        assert (told.event_date, told.event_text) == (campaign.event_date, campaign.event_text)
        assert told.explanation
        assert (told.end is None) == (kind is CampaignType.EVENT_CAMPAIGN)


async def test_the_same_draft_is_the_same_agreement(vipps: VippsClient, sandbox: Sandbox) -> None:
    """A process that died drafts again with the same arguments; other arguments are another agreement."""
    first = await vipps.recurring.agreements.create(**TERMS, scope=["name", "email"])
    again = await vipps.recurring.agreements.create(**TERMS, scope={"email", "name"})
    other = await vipps.recurring.agreements.create(**TERMS, scope=["name", "email"], external_id="member-8")
    assert (again.agreement_id, again.idempotency_key) == (first.agreement_id, first.idempotency_key)
    assert other.agreement_id != first.agreement_id
    assert len(sandbox.recurring.agreements) == 2


async def test_drafts_that_tell_nobody_are_of_two_users(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Two users who ask for the same do not share an agreement; whose it is, each of these tells."""
    create = vipps.recurring.agreements.create
    anybody = {**TERMS, "merchant_redirect_url": "https://shop.example/welcome"}
    assert len({(await create(**anybody)).agreement_id for _ in range(2)}) == 2
    first = InitialCharge(
        amount=Amount(100, "NOK"), description="First", transaction_type="DIRECT_CAPTURE", order_id="first-1"
    )
    for told in (
        {"external_id": "member-7"},
        {"phone_number": "4791234567"},
        {"initial_charge": first},
        {"merchant_agreement_url": "https://shop.example/members?number=7"},
    ):
        assert len({(await create(**{**anybody, **told})).agreement_id for _ in range(2)}) == 1


async def test_a_key_of_another_draft_is_a_conflict(vipps: VippsClient) -> None:
    """Told by the end of the problem's type, with what to do."""
    await vipps.recurring.agreements.create(**TERMS, idempotency_key="member-7")
    with pytest.raises(Conflict, match="use a new idempotency key") as raised:
        await vipps.recurring.agreements.create(**TERMS, external_id="x", idempotency_key="member-7")
    assert raised.value.code == "idempotency-conflict"


async def test_a_draft_that_is_refused_says_why() -> None:
    """With the API's identifier as its code."""
    async with (
        Sandbox(denied=["recurring"]) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        with pytest.raises(Forbidden, match="enable Recurring") as raised:
            await draft(vipps)
    assert raised.value.code == "invalid-sale-unit"


async def test_there_may_be_no_url_to_send_the_user_to() -> None:
    """Where the user is asked in the app; the attribute says what to do instead."""
    answer = {"agreementId": "agr_1", "uuid": "9c2ca95c-245f-4a2e-aab2-4a08eb78e6fb"}
    async with hostile(lambda _: reply(201, answer)) as (_, client):
        drafted = await client.recurring.agreements.create(**TERMS, phone_number="4791234567", skip_landing_page=True)
    assert not drafted.has_confirmation_url
    with pytest.raises(NotInReply, match="has_confirmation_url"):
        _ = drafted.confirmation_url


async def test_an_agreement_is_changed(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Its texts, its price and its interval; never its kind of price."""
    agreements, agreement_id = vipps.recurring.agreements, await activate(sandbox, vipps)
    await agreements.update(
        agreement_id,
        product_name="Gym, all clubs",
        product_description="Day and night",
        merchant_agreement_url="https://shop.example/members/8",
        external_id="member-8",
        amount=Amount(59900, "NOK"),
        interval=Interval("WEEK", 2),
    )
    agreement = await agreements.get(agreement_id)
    assert (agreement.product_name, agreement.product_description) == ("Gym, all clubs", "Day and night")
    assert (agreement.merchant_agreement_url, agreement.external_id) == ("https://shop.example/members/8", "member-8")
    assert agreement.pricing == Pricing.legacy(Amount(59900, "NOK"))
    assert agreement.interval == Interval("WEEK", 2, text="every 2 weeks")
    await agreements.update(agreement_id, without_interval=True)
    assert (await agreements.get(agreement_id)).interval is None
    with pytest.raises(BadRequest, match="of another type"):
        await agreements.update(agreement_id, suggested_max_amount=PRICE)


async def test_a_variable_price_has_its_own_update(vipps: VippsClient, sandbox: Sandbox) -> None:
    """What the user allows stays as it was."""
    agreement_id = await activate(sandbox, vipps, pricing=Pricing.variable(PRICE))
    await vipps.recurring.agreements.update(agreement_id, suggested_max_amount=Amount(90000, "NOK"))
    pricing = (await vipps.recurring.agreements.get(agreement_id)).pricing
    assert (pricing.suggested_max_amount, pricing.max_amount) == (Amount(90000, "NOK"), PRICE)


async def test_stopping_twice_is_stopping_once(vipps: VippsClient, sandbox: Sandbox) -> None:
    """And what is stopped can neither be changed nor revived."""
    agreements, agreement_id = vipps.recurring.agreements, await activate(sandbox, vipps)
    await agreements.stop(agreement_id)
    await agreements.stop(agreement_id)
    agreement = await agreements.get(agreement_id)
    assert (agreement.status, agreement.history[-1].actor) == (AgreementStatus.STOPPED, Actor.MERCHANT)
    assert [entry.event for entry in agreement.history].count(AgreementAction.STOP) == 1
    with pytest.raises(BadRequest, match="not ACTIVE cannot be changed") as raised:
        await agreements.update(agreement_id, product_name="x")
    assert raised.value.code == "illegal-agreement-update"
    with pytest.raises(BadRequest):
        await agreements.stop(await draft(vipps, external_id="2"))


async def test_an_agreement_is_accepted_in_the_user_s_place(vipps: VippsClient, sandbox: Sandbox) -> None:
    """As in the test environment."""
    agreement_id = await draft(vipps, scope="phoneNumber")
    await vipps.recurring.agreements.force_accept(agreement_id, "4791234567")
    agreement = await vipps.recurring.agreements.get(agreement_id)
    assert agreement.status is AgreementStatus.ACTIVE
    assert (await vipps.userinfo.get(str(agreement.sub))).phone_number == "4791234567"
    with pytest.raises(BadRequest):
        await vipps.recurring.agreements.force_accept(agreement_id, "4791234567")


async def test_what_is_not_there_is_not_found(vipps: VippsClient) -> None:
    """By whatever operation."""
    agreements = vipps.recurring.agreements
    for call in (
        agreements.get("agr_none"),
        agreements.stop("agr_none"),
        agreements.update("agr_none", product_name="x"),
        agreements.force_accept("agr_none", "4791234567"),
        agreements.wait("agr_none", timeout=1),
    ):
        with pytest.raises(NotFound, match="Agreement not found"):
            await call


async def test_lists_are_read_page_by_page(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Of one status, and of those created after a time."""
    agreements = vipps.recurring.agreements
    made = [await activate(sandbox, vipps, external_id=f"member-{number}") for number in range(5)]
    pending = await draft(vipps, external_id="pending")
    sandbox.clock.advance(timedelta(minutes=1))
    assert [each.id async for each in agreements.list(page_size=2)] == made
    assert len(requests_of(sandbox, "list-agreements")) == 3
    assert [each.id async for each in agreements.list(AgreementStatus.PENDING)] == [pending]
    assert [each.id async for each in agreements.list("STOPPED")] == []
    since = sandbox.clock.now()
    sandbox.clock.advance(timedelta(minutes=1))
    late = await activate(sandbox, vipps, external_id="late")
    assert [each.id async for each in agreements.list(created_after=since)] == [late]


async def test_a_list_that_is_read_too_fast_is_read_on(vipps: VippsClient, sandbox: Sandbox) -> None:
    """The API's minute is waited for, and nobody who iterates hears of it."""
    made = [await activate(sandbox, vipps, external_id=f"member-{number}") for number in range(7)]
    once = vipps.with_options(retry=RetryPolicy(attempts=1))
    reading = asyncio.create_task(_ids(once.recurring.agreements.list(page_size=1)))
    while len(requests_of(sandbox, "list-agreements")) < 6:
        await asyncio.sleep(0.01)
    assert requests_of(sandbox, "list-agreements")[-1].status == 429
    reading.cancel()
    sandbox.clock.advance(timedelta(minutes=1))
    assert await _ids(once.recurring.agreements.list(page_size=2)) == made


async def _ids(items: Any) -> list[str]:
    return [item.id async for item in items]


async def test_a_wait_ends_when_the_user_has_decided(vipps: VippsClient, sandbox: Sandbox) -> None:
    """On the first status that is not PENDING, whichever it is."""
    quick = Recurring(vipps, Polls(PollSchedule(first=0.05, interval=0.02)))
    for decide, status in (
        (sandbox.recurring.accept, AgreementStatus.ACTIVE),
        (sandbox.recurring.decline, AgreementStatus.STOPPED),
        (sandbox.recurring.expire, AgreementStatus.EXPIRED),
    ):
        agreement_id = await draft(vipps, external_id=status)
        waiting = asyncio.create_task(quick.agreements.wait(agreement_id, timeout=5))
        await asyncio.sleep(0.05)
        await decide(agreement_id)
        assert (await waiting).status is status


async def test_a_wait_that_is_too_short_says_what_was_seen(vipps: VippsClient) -> None:
    """With the agreement as it was last."""
    agreement_id = await draft(vipps)
    with pytest.raises(
        WaitTimeout, match=rf"agreement {agreement_id}: it was last seen PENDING; .* 10 minutes"
    ) as raised:
        await vipps.recurring.agreements.wait(agreement_id, timeout=0.1)
    assert raised.value.last.id == agreement_id


async def test_an_event_wakes_a_wait(vipps: VippsClient, sandbox: Sandbox) -> None:
    """At once, though the next read would be a minute away."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    agreement_id = await draft(vipps)
    quick = Recurring(vipps, Polls(PollSchedule(first=0.01, interval=0.05)))
    waiting = asyncio.create_task(quick.agreements.wait(agreement_id, timeout=20, signal=receiver))
    while not requests_of(sandbox, "get-agreement"):
        await asyncio.sleep(0.01)
    await sandbox.recurring.accept(agreement_id)
    await asyncio.sleep(0.2)
    assert not waiting.done()
    msn = sandbox.credentials.merchant_serial_number
    said = {**document("current-webhook-recurring-agreement-activated"), "agreementId": agreement_id, "msn": msn}
    assert (await receiver.handle(delivery(json.dumps(said).encode(), {}))).status == 200
    assert (await waiting).status is AgreementStatus.ACTIVE


@pytest.mark.parametrize("name", ["active", "full", "pending", "stopped"])
def test_the_documented_agreements_are_read(name: str) -> None:
    """Also those without an interval's text, a history or a country."""
    said = document(f"current-recurring-agreement-{name}")
    agreement = read_agreement(said, said["id"])
    assert (agreement.id, agreement.status, agreement.raw) == (said["id"], said["status"], said)
    assert agreement.pricing.currency == "NOK"
    assert agreement.to_dict()["pricing"]["type"] == said["pricing"]["type"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "agr_other"},
        {"id": None},
        {"status": 7},
        {"pricing": None},
        {"pricing": {"type": "LEGACY", "currency": "NOK", "amount": "49900"}},
        {"pricing": {"type": "LEGACY", "amount": 49900}},
    ],
)
def test_a_reply_that_is_not_about_what_was_asked_is_no_reply(change: dict[str, Any]) -> None:
    """Nor is one whose price cannot be read."""
    said = {**document("current-recurring-agreement-active"), **change}
    with pytest.raises(InvalidReply):
        read_agreement(said, "agr_ADbq4JK")
