"""The life of charges in the sandbox: when they are taken, what they may come to, what becomes of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox._recurring.test_agreements import (
    AGREEMENTS,
    VARIABLE,
    active,
    create_charge,
    drafted,
    identifier,
    told,
)
from tests.support.sandbox.merchant import Merchant, Shop
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._recurring.lifecycle import ChargeState


def state_of(merchant: Merchant, charge: str) -> ChargeState:
    """Return the state of a charge."""
    return merchant.sandbox.recurring.charges[charge].state


async def test_a_charge_is_shown_thirty_days_before(merchant: Merchant) -> None:
    """Until then it is PENDING, and has no transaction."""
    agreement = await active(merchant)
    far = (merchant.sandbox.clock.now().date() + timedelta(days=60)).isoformat()
    await create_charge(merchant, agreement, orderId="far", due=far)
    await create_charge(merchant, agreement, orderId="soon")
    assert (state_of(merchant, "far"), state_of(merchant, "soon")) == (ChargeState.PENDING, ChargeState.DUE)
    charges = merchant.sandbox.recurring.charges
    assert (charges["far"].transaction_id, len(str(charges["soon"].transaction_id))) == (None, 10)
    merchant.sandbox.clock.advance(timedelta(days=29))
    assert state_of(merchant, "far") is ChargeState.PENDING
    merchant.sandbox.clock.advance(timedelta(days=2))
    assert state_of(merchant, "far") is ChargeState.DUE


async def test_a_charge_is_tried_until_its_last_day(merchant: Merchant, shop: Shop) -> None:
    """At the market's hours; then it fails, with the API's reason and no more."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = await active(merchant)
    await merchant.sandbox.recurring.decline_charges(agreement)
    await create_charge(merchant, agreement, orderId="order-1")
    due = merchant.sandbox.recurring.charges["order-1"].due
    merchant.sandbox.clock.advance(timedelta(days=3) - timedelta(hours=20))
    assert state_of(merchant, "order-1") is ChargeState.DUE
    assert merchant.sandbox.recurring.charges["order-1"].attempts >= 2
    merchant.sandbox.clock.advance(timedelta(days=3))
    charge = merchant.sandbox.recurring.charges["order-1"]
    assert (charge.state, charge.attempts, charge.failure_reason) == (ChargeState.FAILED, 4, "user_action_required")
    last = datetime.combine(due + timedelta(days=2), datetime.min.time(), UTC)
    assert timedelta(hours=14) < charge.history[-1].occurred - last < timedelta(hours=17)
    assert await told(merchant.sandbox, shop) == ["agreement-activated", "charge-failed"]
    assert shop.bodies[-1]["failureReason"] == "user_action_required"


async def test_a_charge_is_taken_once_the_user_can_pay(merchant: Merchant, shop: Shop) -> None:
    """On a later day, with nobody calling."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = await active(merchant)
    await merchant.sandbox.recurring.decline_charges(agreement)
    await create_charge(merchant, agreement, orderId="order-1")
    merchant.sandbox.clock.advance(timedelta(days=2))
    await merchant.sandbox.recurring.pay_charges(agreement)
    merchant.sandbox.clock.advance(timedelta(days=1))
    assert state_of(merchant, "order-1") is ChargeState.CHARGED
    assert await told(merchant.sandbox, shop) == ["agreement-activated", "charge-captured"]


async def test_a_single_attempt_is_not_repeated(merchant: Merchant) -> None:
    """It fails at once."""
    agreement = await active(merchant)
    await merchant.sandbox.recurring.decline_charges(agreement, "technical_error")
    await create_charge(merchant, agreement, orderId="order-1", retryDays=0, processingMode="SINGLE_ATTEMPT")
    merchant.sandbox.clock.advance(timedelta(days=2))
    charge = merchant.sandbox.recurring.charges["order-1"]
    assert (charge.state, charge.attempts, charge.failure_reason) == (ChargeState.FAILED, 1, "technical_error")


async def test_a_year_of_a_subscription_takes_no_time(merchant: Merchant) -> None:
    """Twelve charges, each on its day."""
    agreement = await active(merchant)
    today = merchant.sandbox.clock.now().date()
    for month in range(1, 13):
        due = (today + timedelta(days=30 * month)).isoformat()
        assert (await create_charge(merchant, agreement, orderId=f"month-{month}", due=due)).status == 201
    merchant.sandbox.clock.advance(timedelta(days=366))
    charges = merchant.sandbox.recurring.charges
    assert [charge.state for charge in charges.values()] == [ChargeState.CHARGED] * 12
    days = [charge.history[-1].occurred.date() for charge in charges.values()]
    assert days == [charge.due for charge in charges.values()]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"due": None}, "validation-error"),
        ({"due": "2020-01-01"}, "charge-due-too-soon"),
        ({"due": "2060-01-01"}, "charge-due-in-too-long"),
        ({"due": "soon"}, "validation-error"),
        ({"retryDays": 15}, "validation-error"),
        ({"retryDays": 1, "processingMode": "SINGLE_ATTEMPT"}, "validation-error"),
        ({"amount": 99}, "validation-error"),
        ({"amount": 2_000_001}, "charge-amount-too-high"),
        ({"amount": 5 * 49900 + 1}, "charge-amount-too-high"),
        ({"type": "UNSCHEDULED"}, "validation-error"),
        ({"type": "INITIAL"}, "validation-error"),
        ({"orderId": "a_b"}, "validation-error"),
        ({"description": ""}, "validation-error"),
        ({"transactionType": None}, "validation-error"),
    ],
)
async def test_a_charge_that_breaks_a_rule_is_refused(
    merchant: Merchant, changes: dict[str, Any], problem: str
) -> None:
    """In the API's own form."""
    got = await create_charge(merchant, await active(merchant), **changes)
    assert (got.status, identifier(got)) == (400, problem)
    assert not merchant.sandbox.recurring.charges


async def test_today_is_too_soon(merchant: Merchant) -> None:
    """And tomorrow is not, by the market's own day."""
    agreement = await active(merchant)
    today = merchant.sandbox.clock.now().date()
    yesterday = await create_charge(merchant, agreement, due=(today - timedelta(days=1)).isoformat())
    assert identifier(yesterday) == "charge-due-too-soon"
    assert (await create_charge(merchant, agreement, due=(today + timedelta(days=2)).isoformat())).status == 201


async def test_the_charges_of_an_interval_have_a_ceiling(merchant: Merchant) -> None:
    """Five times the price, together; what was cancelled does not count, nor does another interval."""
    agreement = await active(merchant)
    assert (await create_charge(merchant, agreement, amount=4 * 49900, orderId="order-1")).status == 201
    assert (await create_charge(merchant, agreement, amount=49900, orderId="order-2")).status == 201
    assert identifier(await create_charge(merchant, agreement, amount=100)) == "charge-amount-too-high"
    later = (merchant.sandbox.clock.now().date() + timedelta(days=45)).isoformat()
    assert (await create_charge(merchant, agreement, amount=5 * 49900, due=later)).status == 201
    await merchant.call("DELETE", f"{AGREEMENTS}/{agreement}/charges/order-1", key="cancel")
    assert (await create_charge(merchant, agreement, amount=4 * 49900)).status == 201


async def test_a_flexible_price_has_no_ceiling(merchant: Merchant) -> None:
    """Only that of its currency."""
    agreement = await active(merchant, pricing={"type": "FLEXIBLE", "currency": "NOK"}, interval=None)
    for _ in range(2):
        assert (await create_charge(merchant, agreement, amount=2_000_000)).status == 201


async def test_a_user_s_maximum_holds_a_charge_up(merchant: Merchant) -> None:
    """It is due until the user raises the maximum; if not, it fails on its last day, and says so."""
    recurring = merchant.sandbox.recurring
    agreement = (await drafted(merchant, pricing=VARIABLE)).json["agreementId"]
    await recurring.accept(agreement, max_amount=50000)
    assert (await create_charge(merchant, agreement, amount=80000, orderId="raised")).status == 201
    assert identifier(await create_charge(merchant, agreement, amount=90001)) == "charge-amount-too-high"
    merchant.sandbox.clock.advance(timedelta(days=2))
    assert state_of(merchant, "raised") is ChargeState.DUE
    await recurring.set_maximum(agreement, 80000)
    merchant.sandbox.clock.advance(timedelta(days=1))
    assert state_of(merchant, "raised") is ChargeState.CHARGED
    await recurring.set_maximum(agreement, 50000)
    merchant.sandbox.clock.advance(timedelta(days=40))
    await merchant.sign_in()
    await create_charge(merchant, agreement, amount=60000, orderId="low")
    merchant.sandbox.clock.advance(timedelta(days=10))
    low = recurring.charges["low"]
    assert (low.state, low.failure_reason) == (ChargeState.FAILED, "charge_amount_too_high")


async def test_an_unscheduled_charge_is_taken_at_once(merchant: Merchant, shop: Shop) -> None:
    """After its reply, and not again."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = await active(merchant)
    at_once = {"type": "UNSCHEDULED", "due": None, "retryDays": None}
    assert (await create_charge(merchant, agreement, orderId="order-1", **at_once)).status == 201
    merchant.sandbox.clock.advance(timedelta(seconds=1))
    assert state_of(merchant, "order-1") is ChargeState.CHARGED
    await create_charge(merchant, agreement, orderId="order-2", amount=182, **at_once)
    merchant.sandbox.clock.advance(timedelta(seconds=1))
    assert state_of(merchant, "order-2") is ChargeState.FAILED
    assert (await told(merchant.sandbox, shop))[1:] == ["charge-captured", "charge-failed"]


async def test_unscheduled_charges_need_a_permission() -> None:
    """Else the type is not known."""
    import aiohttp  # noqa: PLC0415 - of this test alone

    async with Sandbox(denied=["unscheduled"]) as sandbox, aiohttp.ClientSession(sandbox.base_url) as session:
        merchant = Merchant(sandbox, session)
        await merchant.sign_in()
        got = await create_charge(merchant, await active(merchant), type="UNSCHEDULED", due=None, retryDays=None)
    assert (got.status, got.fields) == (400, {"type": "Cannot create a charge with type 'UNSCHEDULED'"})


async def reserved(merchant: Merchant, charge: str = "order-1") -> str:
    """Have a charge reserved, and return its path."""
    agreement = await active(merchant)
    await create_charge(merchant, agreement, orderId=charge, transactionType="RESERVE_CAPTURE")
    merchant.sandbox.clock.advance(timedelta(days=2))
    await merchant.sign_in()
    return f"{AGREEMENTS}/{agreement}/charges/{charge}"


async def test_a_reservation_lapses(merchant: Merchant, shop: Shop) -> None:
    """At the market's deadline; what was captured in part is then charged."""
    path, part = await reserved(merchant), await reserved(merchant, "order-2")
    await merchant.call("POST", f"{part}/capture", {"amount": 100}, key="part")
    await merchant.sandbox.add_webhook(shop.url)
    merchant.sandbox.clock.advance(timedelta(days=181))
    assert (state_of(merchant, "order-1"), state_of(merchant, "order-2")) == ("CANCELLED", "CHARGED")
    assert await told(merchant.sandbox, shop) == ["charge-canceled", "charge-canceled"]
    assert shop.bodies[1]["amountCanceled"] == 49800
    await merchant.sign_in()
    got = await merchant.call("POST", f"{path}/capture", {"amount": 100}, key="late")
    assert (identifier(got), got.json["detail"]) == ("charge-capture-failed", "The charge is CANCELLED.")


async def test_more_than_there_is_is_refused(merchant: Merchant) -> None:
    """Captured or refunded, and told by how much."""
    path = await reserved(merchant)
    got = await merchant.call("POST", f"{path}/capture", {"amount": 49901}, key="1")
    assert (got.status, identifier(got)) == (400, "charge-capture-failed")
    got = await merchant.call("POST", f"{path}/refund", {"amount": 1, "description": "x"}, key="2")
    assert (got.status, got.json["detail"]) == (400, "The charge is RESERVED.")
    assert (await merchant.call("POST", f"{path}/capture", {"amount": 49900}, key="3")).status == 204
    got = await merchant.call("POST", f"{path}/refund", {"amount": 49901, "description": "x"}, key="4")
    assert (got.status, identifier(got)) == (400, "operation-failed")
    merchant.sandbox.clock.advance(timedelta(days=366))
    await merchant.sign_in()
    got = await merchant.call("POST", f"{path}/refund", {"amount": 1, "description": "x"}, key="5")
    assert "time" in got.json["detail"]


async def test_each_later_movement_of_money_has_its_own_transaction(merchant: Merchant, shop: Shop) -> None:
    """By which several captures of one charge are told apart."""
    path = await reserved(merchant)
    await merchant.sandbox.add_webhook(shop.url)
    for number in range(2):
        await merchant.call("POST", f"{path}/capture", {"amount": 100}, key=f"capture-{number}")
        await merchant.call("GET", path)
    await merchant.call("DELETE", path, key="rest")
    for number in range(2):
        await merchant.call("POST", f"{path}/refund", {"amount": 50, "description": "x"}, key=f"refund-{number}")
    await merchant.sandbox.settled()
    transactions = [body["transactionId"] for body in shop.bodies]
    assert transactions[0] == transactions[2] == merchant.sandbox.recurring.charges["order-1"].transaction_id
    assert len({*transactions}) == 4
    assert [body["amountCaptured"] for body in shop.bodies] == [100, 200, 200, 200, 200]
    assert [body["amountRefunded"] for body in shop.bodies] == [0, 0, 0, 50, 100]


async def test_a_batch_is_checked_item_by_item(merchant: Merchant, shop: Shop) -> None:
    """What fails later is told by an event, and is no charge."""
    await merchant.sandbox.add_webhook(shop.url)
    agreement = await active(merchant)
    item = {
        "agreementId": agreement,
        "orderId": "order-1",
        "amount": 300,
        "description": "x",
        "due": (merchant.sandbox.clock.now().date() + timedelta(days=3)).isoformat(),
        "retryDays": 1,
        "transactionType": "DIRECT_CAPTURE",
    }
    late = {**item, "orderId": "order-2", "due": "2020-01-01"}
    unknown = {**item, "orderId": "order-3", "agreementId": "agr_none"}
    got = await merchant.call("POST", f"{AGREEMENTS}/charges", [item, late, unknown, item], key="batch")
    assert (got.status, got.json["validCharges"]) == (202, ["order-1", "order-2"])
    assert [each["chargeBatchItemDto"] for each in got.json["invalidCharges"]] == [unknown, item]
    assert await told(merchant.sandbox, shop) == ["agreement-activated", "charge-creation-failed"]
    assert (shop.bodies[-1]["chargeId"], shop.bodies[-1]["transactionId"]) == ("order-2", None)
    assert {*merchant.sandbox.recurring.charges} == {"order-1"}
    assert (
        await merchant.call("POST", f"{AGREEMENTS}/charges", [item, late, unknown, item], key="batch")
    ).json == got.json
    bodies: list[Any] = [
        [],
        {},
        [item] * 2001,
        [item, {**item, "orderId": "order_3"}],
        [{**item, "type": "UNSCHEDULED"}],
    ]
    for body in bodies:
        got = await merchant.call("POST", f"{AGREEMENTS}/charges", body, key=merchant.fresh_key())
        assert (got.status, identifier(got)) == (400, "validation-error")


async def test_a_token_of_a_page_lives_for_minutes(merchant: Merchant) -> None:
    """And one that is none is refused."""
    agreement = await active(merchant, pricing={"type": "FLEXIBLE", "currency": "NOK"}, interval=None)
    for _ in range(101):
        await create_charge(merchant, agreement)
    path = f"{AGREEMENTS}/{agreement}/charges"
    page = await merchant.call("GET", path)
    token = page.headers["Continuation-Token"]
    rest = await merchant.call("GET", path, headers={"Continuation-Token": token})
    assert (len(page.json), len(rest.json), "Continuation-Token" in rest.headers) == (100, 1, False)
    assert (await merchant.call("GET", path, headers={"Continuation-Token": "x"})).status == 400
    merchant.sandbox.clock.advance(timedelta(minutes=6))
    assert (await merchant.call("GET", path, headers={"Continuation-Token": token})).status == 400
    assert (await merchant.call("GET", f"{path}?status=GONE")).status == 400


async def test_a_charge_is_found_by_its_own_agreement_alone(merchant: Merchant) -> None:
    """Or by its id."""
    mine, other = await active(merchant), await active(merchant)
    await create_charge(merchant, mine, orderId="order-1")
    assert (await merchant.call("GET", f"{AGREEMENTS}/{mine}/charges/order-1")).status == 200
    got = await merchant.call("GET", f"{AGREEMENTS}/{other}/charges/order-1")
    assert (got.status, got.json["detail"]) == (404, "Charge not found.")
    assert (await merchant.call("GET", "/recurring/v3/charges/order-1")).json["agreementId"] == mine
    assert (await merchant.call("GET", "/recurring/v3/charges/order-2")).status == 404


async def test_charges_end_with_their_agreement(merchant: Merchant) -> None:
    """What is captured stays; a part of a reservation is charged, and its rest released."""
    path = await reserved(merchant)
    agreement = path.split("/")[4]
    await merchant.call("POST", f"{path}/capture", {"amount": 100}, key="part")
    await create_charge(merchant, agreement, orderId="order-2")
    await merchant.call("PATCH", f"{AGREEMENTS}/{agreement}", {"status": "STOPPED"}, key="stop")
    assert (state_of(merchant, "order-1"), state_of(merchant, "order-2")) == ("CHARGED", "CANCELLED")
    got = await create_charge(merchant, agreement)
    assert (got.status, identifier(got)) == (400, "charge-creation-failed")


async def test_a_later_charge_does_not_hold_up_an_earlier_one(merchant: Merchant) -> None:
    """Towards the user's maximum counts what was taken in the interval, not what is still to come."""
    agreement = (await drafted(merchant, pricing={**VARIABLE, "suggestedMaxAmount": 200000})).json["agreementId"]
    await merchant.sandbox.recurring.accept(agreement, max_amount=100000)
    later = (merchant.sandbox.clock.now().date() + timedelta(days=20)).isoformat()
    await create_charge(merchant, agreement, amount=60000, orderId="order-1")
    await create_charge(merchant, agreement, amount=60000, orderId="order-2", due=later)
    merchant.sandbox.clock.advance(timedelta(days=10))
    assert (state_of(merchant, "order-1"), state_of(merchant, "order-2")) == ("CHARGED", "DUE")
    merchant.sandbox.clock.advance(timedelta(days=18))
    assert state_of(merchant, "order-2") is ChargeState.FAILED


async def test_what_was_released_makes_room(merchant: Merchant) -> None:
    """A charge counts as what may still be taken of it."""
    path = await reserved(merchant)
    agreement = path.split("/")[4]
    await merchant.call("POST", f"{path}/capture", {"amount": 100}, key="part")
    await merchant.call("DELETE", path, key="rest")
    assert (await create_charge(merchant, agreement, amount=5 * 49900 - 100)).status == 201


async def test_a_refund_has_a_year_from_the_latest_capture(merchant: Merchant) -> None:
    """Not from the first."""
    path = await reserved(merchant)
    await merchant.call("POST", f"{path}/capture", {"amount": 100}, key="first")
    merchant.sandbox.clock.advance(timedelta(days=170))
    await merchant.sign_in()
    await merchant.call("POST", f"{path}/capture", {"amount": 49800}, key="second")
    merchant.sandbox.clock.advance(timedelta(days=200))
    await merchant.sign_in()
    assert (await merchant.call("POST", f"{path}/refund", {"amount": 1, "description": "x"}, key="1")).status == 204


@pytest.mark.parametrize("due", ["2027-12-02garbage", "20271202", "2027-W01-1", "2027-13-01", "2027-12-02T"])
async def test_a_day_that_is_none_is_refused(merchant: Merchant, due: str) -> None:
    """A time is taken for its day, and nothing else is."""
    agreement = await active(merchant)
    assert identifier(await create_charge(merchant, agreement, due=due)) == "validation-error"
    tomorrow = (merchant.sandbox.clock.now().date() + timedelta(days=2)).isoformat()
    assert (await create_charge(merchant, agreement, due=f"{tomorrow}T00:00:00Z")).status == 201
