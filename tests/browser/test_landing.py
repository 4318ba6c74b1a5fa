"""The landing page in a real browser: what it says when an attempt fails or is under way, and choosing shipping."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE
from tests.support.sandbox.merchant import REFERENCE, Merchant
from tests.support.sandbox.shipping import ELSEWHERE, HOME, PICKUP, Callback, callback, express, fixed
from vipps_async.sandbox._epayment.lifecycle import State

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", name="callback")
async def running_callback() -> AsyncIterator[Callback]:
    """A running shipping callback that offers two groups."""
    async with callback() as served:
        served.say({"groups": [HOME, PICKUP]})
        yield served


async def opened(page: Page, merchant: Merchant, **changes: Any) -> Page:
    """Create a payment, and open its landing page on a phone."""
    created = await merchant.create(**changes)
    await page.set_viewport_size(PHONE)
    await page.goto(created.json["redirectUrl"])
    return page


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": {"currency": "NOK", "value": 151}}, "insufficient funds"),
        ({"minimumUserAge": 100}, "the user is younger than 100"),
    ],
)
async def test_an_attempt_that_fails_says_why(
    page: Page, merchant: Merchant, changes: dict[str, Any], reason: str
) -> None:
    """The reason stands where the user pressed, and the user can still reject."""
    await opened(page, merchant, **changes)
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("alert")).to_have_text(f"That did not work: {reason}.")
    await expect(page.get_by_role("alert")).to_be_in_viewport()
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await page.get_by_role("button", name="Reject").click()
    await expect(page.get_by_text("the shop")).to_be_visible()
    assert merchant.sandbox.payments[REFERENCE].state is State.ABORTED


async def test_a_user_who_is_late_sees_what_became_of_the_payment(page: Page, merchant: Merchant) -> None:
    """The shop cancelled while the page was open: the press says so, and the page no longer offers it."""
    await opened(page, merchant)
    await merchant.modify("cancel")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("alert")).to_have_text("That did not work: it is TERMINATED.")
    await expect(page.get_by_role("status")).to_contain_text("The merchant cancelled this payment.")
    await expect(page.get_by_role("button")).to_have_count(0)


async def test_an_attempt_under_way_offers_nothing_to_press(page: Page, merchant: Merchant) -> None:
    """An outcome that is unknown for an hour is told as such, with the way back to the shop, until it is known."""
    await opened(page, merchant, amount={"currency": "NOK", "value": 201})
    landing = page.url
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("the shop")).to_be_visible()
    await page.goto(landing)
    await expect(page.get_by_role("status")).to_have_text("Your approval of this payment is under way. (CREATED)")
    await expect(page.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_role("link", name="Back to the shop")).to_be_visible()
    merchant.sandbox.clock.advance(timedelta(hours=1))
    await page.reload()
    await expect(page.get_by_role("status")).to_have_text("You approved this payment. (AUTHORIZED)")


async def test_choosing_a_shipping_option(page: Page, merchant: Merchant) -> None:
    """Each has its price and its total, the default is chosen already, and what is approved is what was shown."""
    await opened(page, merchant, **fixed(HOME, PICKUP))
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await expect(page.get_by_role("group", name="Posten, home delivery").get_by_role("radio")).to_have_count(2)
    await expect(page.get_by_role("radio", name="By van 99.00 NOK Total 109.00 NOK")).to_be_checked()
    await expect(page.get_by_text("Ships to Robert Levins gate 5, 0154 Oslo, NO")).to_be_visible()
    landing = page.url
    await page.get_by_role("radio", name="By locker 19.00 NOK Total 29.00 NOK").check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("the shop")).to_be_visible()
    assert merchant.sandbox.payments[REFERENCE].authorized_amount == 2900
    await page.goto(landing)
    await expect(page.locator(".amount")).to_have_text("29.00 NOK")


async def test_choosing_an_address(page: Page, merchant: Merchant, callback: Callback) -> None:
    """The callback is asked when the user wants to know; what it refuses is told, and another address may do."""
    await opened(page, merchant, **express(callback.url))
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert not callback.asked
    callback.say({}, 400)
    await page.get_by_label("City").fill("Narvik")
    await page.get_by_role("button", name="Show what shipping costs").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "That did not work: the shipping callback offers nothing: it answered 400."
    )
    await expect(page.get_by_label("City")).to_have_value("Narvik")
    callback.say({"groups": [HOME, PICKUP]})
    for label, member in (("Address", "addressLine1"), ("Post code", "postCode"), ("City", "city")):
        await page.get_by_label(label, exact=True).fill(ELSEWHERE[member])
    await page.get_by_label("Second line, if any").fill(ELSEWHERE["addressLine2"])
    await page.get_by_role("button", name="Show what shipping costs").click()
    await expect(page.get_by_text("Ships to Storgata 1, c/o Babbage, 5003 Bergen, NO")).to_be_visible()
    await page.get_by_role("radio", name="By bike 49.00 NOK Total 548.00 NOK").check()
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("the shop")).to_be_visible()
    assert (await merchant.get()).json["shippingDetails"]["address"] == ELSEWHERE
    assert [question["City"] for _, question in callback.asked] == ["Narvik", "Bergen"]


async def test_what_was_refused_is_kept(page: Page, merchant: Merchant) -> None:
    """Whoever is declined need not choose again, nor type an address again."""
    changes = {**fixed(HOME), "amount": {"currency": "NOK", "value": 151}}
    changes["shipping"]["allowedCountries"] = ["NO"]
    await opened(page, merchant, **changes)
    await page.get_by_role("radio", name="By bike").check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("alert")).to_have_text("That did not work: insufficient funds.")
    await expect(page.get_by_role("radio", name="By bike")).to_be_checked()
    await page.get_by_text("Ship elsewhere").click()
    await page.get_by_label("Country, two letters").fill("SE")
    await page.get_by_role("button", name="Show what shipping costs").click()
    await expect(page.get_by_role("alert")).to_have_text("That did not work: nothing is shipped to SE, only to NO.")
    await expect(page.get_by_label("Country, two letters")).to_have_value("SE")
    await expect(page.get_by_text("Ships to Robert Levins gate 5, 0154 Oslo, NO")).to_be_visible()


async def test_going_back_to_the_shop_cancels(page: Page, merchant: Merchant) -> None:
    """The browser's own way back ends the payment, and leads to where the user came from."""
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await page.goto("https://example.com/checkout")
    await opened(page, merchant)
    await page.go_back()
    await expect(page).to_have_url("https://example.com/checkout")
    assert merchant.sandbox.payments[REFERENCE].state is State.ABORTED


async def test_going_back_to_nowhere_cancels(page: Page, merchant: Merchant) -> None:
    """A page that was opened in a tab of its own tells what became of the payment."""
    created = await merchant.create()
    async with page.context.expect_page() as opening:
        await page.evaluate("url => open(url, '_blank', 'noopener') && null", created.json["redirectUrl"])
    tab = await opening.value
    await tab.wait_for_url(created.json["redirectUrl"])  # and until its script has run
    await tab.evaluate("history.back()")
    await expect(tab.get_by_role("status")).to_have_text("You rejected this payment, or went back. (ABORTED)")
    await expect(tab.get_by_role("link", name="Back to the shop")).to_be_visible()


async def test_a_reload_is_no_way_back(page: Page, merchant: Merchant) -> None:
    """Nor is the way back from what the page itself led to, once the payment is approved."""
    await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
    await page.goto("https://example.com/checkout")
    await opened(page, merchant)
    await page.reload()
    await page.get_by_role("button", name="Approve").click()
    await expect(page).to_have_url(merchant.sandbox.payments[REFERENCE].request["returnUrl"])
    for _ in range(2):
        await page.go_back()
    await expect(page.get_by_role("status")).to_have_text("You approved this payment. (AUTHORIZED)")
    assert merchant.sandbox.payments[REFERENCE].state is State.AUTHORIZED
