"""Express: the shipping option and the address that the user chooses, from Python, over HTTP and on the page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, until
from tests.support.sandbox.shipping import ELSEWHERE, HOME, PICKUP, Callback, callback, express, fixed, option
from vipps_async.sandbox import ActionRefused
from vipps_async.sandbox._epayment.lifecycle import State
from vipps_async.sandbox._epayment.operations import EPaymentApi

APPROVE = f"/sandbox/payments/{REFERENCE}/approve"


@pytest.fixture(name="callback")
async def running_callback() -> AsyncIterator[Callback]:
    """A running shipping callback that offers two groups."""
    async with callback() as opened:
        opened.say({"groups": [HOME, PICKUP]})
        yield opened


@pytest.mark.parametrize(("chosen", "total"), [(None, 10900), ("van", 10900), ("bike", 5900), ("locker", 2900)])
async def test_an_option_is_chosen(merchant: Merchant, chosen: str | None, total: int) -> None:
    """It is what the user pays for, wherever it stands; without a choice it is the default one."""
    await merchant.create(**fixed(HOME, PICKUP))
    approved = await merchant.sandbox.approve(REFERENCE, shipping_option=chosen)
    assert approved.authorized_amount == total
    shipping = (await merchant.get()).json["shippingDetails"]
    assert (shipping["shippingOptionId"], shipping["shippingCost"]) == (chosen or "van", total - 1000)
    assert shipping["shippingOptionName"] == f"By {chosen or 'van'}"


async def test_an_address_is_chosen(merchant: Merchant, callback: Callback, shop: Shop) -> None:
    """The callback is asked about it, and the merchant gets it, in replies and in the delivery."""
    await merchant.sandbox.add_webhook(shop.url, ["epayments.payment.authorized.v1"])
    await merchant.create(**express(callback.url))
    await merchant.sandbox.approve(REFERENCE, shipping_option="locker", address=ELSEWHERE)
    ((_, question),) = callback.asked
    capitalised = {f"{name[0].upper()}{name[1:]}": line for name, line in ELSEWHERE.items()}
    assert question == {"reference": REFERENCE, **capitalised, **ELSEWHERE}
    await merchant.sandbox.settled()
    for told in ((await merchant.get()).json, shop.bodies[0]):
        assert told["shippingDetails"]["address"] == ELSEWHERE
        assert told["shippingDetails"]["shippingOptionId"] == "locker"
        assert told["userDetails"]["addresses"] == [ELSEWHERE]


async def test_an_address_is_disclosed_without_express(merchant: Merchant) -> None:
    """It is that of the user's profile then."""
    await merchant.create(profile={"scope": "address"})
    await merchant.sandbox.approve(REFERENCE, address=ELSEWHERE)
    assert (await merchant.get()).json["userDetails"]["addresses"] == [ELSEWHERE]


async def test_an_address_can_be_one_that_is_not_shipped_to(merchant: Merchant, callback: Callback) -> None:
    """The country decides, not where the test user lives."""
    await merchant.create(**express(callback.url, allowedCountries=["NO"]))
    with pytest.raises(ActionRefused, match="nothing is shipped to SE"):
        await merchant.sandbox.approve(REFERENCE, address={**ELSEWHERE, "country": "SE"})
    assert not callback.asked


@pytest.mark.parametrize(
    ("changes", "wish", "reason"),
    [
        (
            fixed(HOME, PICKUP),
            {"shipping_option": "drone"},
            "'drone' is none of its shipping options: van, bike, locker",
        ),
        ({}, {"shipping_option": "van"}, "'van' is none of its shipping options: it has none"),
        (fixed(HOME), {"address": {**ELSEWHERE, "postCode": ""}}, "address.postCode: .* 1 or more"),
        (fixed(HOME), {"address": {"city": "Bergen"}}, "address.addressLine1: The AddressLine1 field is required"),
        (fixed(HOME), {"address": "Storgata 1"}, "address: .* object"),
        (fixed(HOME), {"address": {**ELSEWHERE, "country": "Norway"}}, "address.country"),
        (fixed(HOME), {"address": {**ELSEWHERE, "planet": "Mars"}}, "address.planet: The field is not known"),
    ],
)
async def test_choices_that_do_not_exist(
    merchant: Merchant, changes: dict[str, Any], wish: dict[str, Any], reason: str
) -> None:
    """The attempt fails with what can be chosen, or what an address needs, and the payment stays as it was."""
    await merchant.create(**changes)
    with pytest.raises(ActionRefused, match=reason):
        await merchant.sandbox.approve(REFERENCE, **wish)
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED


async def test_over_http(merchant: Merchant, callback: Callback) -> None:
    """The same, beside the fault of the delivery; null stands for the default."""
    await merchant.create(**express(callback.url))
    for wrong, status in (
        ({"shippingOption": "drone"}, 409),
        ({"shippingOption": 1}, 400),
        ({"address": "Storgata 1"}, 400),
        ({"address": {**ELSEWHERE, "country": "no"}}, 400),
        ({"option": "van"}, 400),
    ):
        got = await merchant.send("POST", APPROVE, json=wrong)
        assert (got.status, got.json["status"]) == (status, status)
    assert (
        "van, bike, locker" in (await merchant.send("POST", APPROVE, json={"shippingOption": "drone"})).json["detail"]
    )
    wish = {"shippingOption": "bike", "address": ELSEWHERE, "fault": None}
    got = await merchant.send("POST", APPROVE, json=wish)
    assert (got.status, got.json["authorizedAmount"]) == (200, 49900 + 4900)
    assert (await merchant.get()).json["shippingDetails"]["address"] == ELSEWHERE
    await merchant.create(reference="second-payment", **fixed(HOME))
    nulls = {"shippingOption": None, "address": None}
    got = await merchant.send("POST", "/sandbox/payments/second-payment/approve", json=nulls)
    assert (got.status, got.json["authorizedAmount"]) == (200, 10900)


async def test_only_an_approval_takes_choices(merchant: Merchant) -> None:
    """Whoever rejects chooses nothing."""
    await merchant.create(**fixed(HOME))
    got = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/reject", json={"shippingOption": "van"})
    assert (got.status, list(got.fields)) == (400, ["shippingOption"])


class TestPage:
    """The landing page as a form, without a browser."""

    async def test_the_callback_is_asked_once(self, merchant: Merchant, callback: Callback) -> None:
        """What it offered is what is authorized, though it would answer otherwise by now."""
        landing = (await merchant.create(**express(callback.url))).json["redirectUrl"]
        assert b"By van" not in (await merchant.send("GET", landing)).body
        asked = await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        assert (asked.status, asked.headers["Location"]) == (303, landing.removeprefix(merchant.sandbox.base_url))
        callback.say({}, 400)
        page = (await merchant.send("GET", landing)).body.decode()
        assert "Total 548.00\N{NO-BREAK SPACE}NOK" in page
        assert "Storgata 1, c/o Babbage, 5003 Bergen, NO" in page
        approved = await merchant.send("POST", landing, data={"action": "approve", "shippingOption": "bike"})
        assert approved.status == 303
        assert merchant.sandbox.payments[REFERENCE].authorized_amount == 49900 + 4900
        assert (await merchant.get()).json["shippingDetails"]["address"] == ELSEWHERE
        assert len(callback.asked) == 1

    async def test_another_address_is_asked_about_again(self, merchant: Merchant, callback: Callback) -> None:
        """What is refused there leaves what was offered before."""
        landing = (await merchant.create(**express(callback.url))).json["redirectUrl"]
        await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        callback.say({}, 400)
        refused = await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE, "city": "Narvik"})
        page = refused.body.decode()
        assert (refused.status, "it answered 400" in page, 'value="Narvik"' in page) == (409, True, True)
        assert "5003 Bergen" in page
        assert [question["City"] for _, question in callback.asked] == ["Bergen", "Narvik"]

    async def test_what_was_chosen_is_forgotten(self, merchant: Merchant, callback: Callback) -> None:
        """With the payment's end, and with a reset."""
        landing = (await merchant.create(**express(callback.url))).json["redirectUrl"]
        chosen = merchant.sandbox._state.api(EPaymentApi).page._settled
        await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        assert len(chosen) == 1
        await merchant.send("POST", landing, data={"action": "reject"})
        assert not chosen
        landing = (await merchant.create(reference="second-payment", **express(callback.url))).json["redirectUrl"]
        await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        assert len(chosen) == 1
        await merchant.sandbox.reset()
        assert not chosen

    async def test_an_option_that_is_not_offered(self, merchant: Merchant) -> None:
        """A page that is out of date says what there is; markup in what was posted stays text."""
        landing = (await merchant.create(**fixed(HOME))).json["redirectUrl"]
        got = await merchant.send("POST", landing, data={"action": "approve", "shippingOption": "<b>drone"})
        page = got.body.decode()
        assert (got.status, "&lt;b&gt;drone" in page, "<b>" in page) == (409, True, False)
        assert "none of its shipping options: van, bike" in page

    async def test_markup_stays_text(self, merchant: Merchant, callback: Callback) -> None:
        """In what the merchant offers, and in an address, refused or not."""
        hostile = '"><b>x'
        offered = option(hostile, 100, name=hostile, estimatedDelivery=hostile, meta=hostile)
        callback.say({"groups": [{**HOME, "options": [offered]}]})
        landing = (await merchant.create(**express(callback.url))).json["redirectUrl"]
        typed = {"action": "ship", **dict.fromkeys(ELSEWHERE, hostile)}
        refused = (await merchant.send("POST", landing, data=typed)).body.decode()
        await merchant.send("POST", landing, data={**typed, "country": "NO"})
        page = (await merchant.send("GET", landing)).body.decode()
        for shown, times in ((refused, 5), (page, 4 + 4 + 4)):
            assert shown.count("&quot;&gt;&lt;b&gt;x") == times
            assert "<b>" not in shown

    async def test_shipping_is_for_express_alone(self, merchant: Merchant) -> None:
        """A payment that ships nothing, or that is over, has nothing to choose."""
        landing = (await merchant.create()).json["redirectUrl"]
        got = await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        assert (got.status, b"it ships nothing" in got.body) == (409, True)
        landing = (await merchant.create(reference="second-payment", **fixed(HOME))).json["redirectUrl"]
        await merchant.sandbox.reject("second-payment")
        got = await merchant.send("POST", landing, data={"action": "ship", **ELSEWHERE})
        assert (got.status, b"it is ABORTED" in got.body) == (409, True)

    @pytest.mark.parametrize("action", ["ship", "approve"])
    async def test_a_reset_ends_the_question(self, merchant: Merchant, callback: Callback, action: str) -> None:
        """When all was forgotten while the merchant was asked, the page says that there is no such payment."""
        landing = (await merchant.create(**express(callback.url))).json["redirectUrl"]
        callback.gate.clear()
        posted = asyncio.create_task(merchant.send("POST", landing, data={"action": action, **ELSEWHERE}))
        await until(lambda: callback.asked)
        await merchant.sandbox.reset()
        callback.gate.set()
        assert (await posted).status == 404
        assert not merchant.sandbox._state.api(EPaymentApi).page._settled
