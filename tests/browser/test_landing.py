"""The landing page in a real browser: what it says when an attempt to pay fails, and while one is under way."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE
from tests.sandbox.merchant import REFERENCE, Merchant
from vipps_async.sandbox import State

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
