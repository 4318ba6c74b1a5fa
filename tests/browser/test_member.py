"""A member in a real browser: joins in examples/subscriptions.py on a phone, accepts or declines, and leaves."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE
from tests.support.agreements import TERMS
from tests.test_examples import free_port, load
from vipps_async import Amount, VippsClient
from vipps_async.recurring import Campaign, InitialCharge, Interval, Pricing
from vipps_async.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_member_joins_and_leaves(page: Page, tmp_path: Path) -> None:
    """From the button over the landing page to the membership, on which it is left; the dashboard shows all that."""
    async with (
        Sandbox() as sandbox,
        load("subscriptions").open_gym(sandbox, tmp_path / "gym.db", free_port()) as gym,
    ):
        dashboard = await page.context.new_page()
        await dashboard.goto(sandbox.base_url)
        await page.set_viewport_size(PHONE)
        await page.goto(gym.url)
        await page.get_by_role("button", name="Join for 499.00 NOK a month").click()
        await expect(page.get_by_role("heading", name="Gym membership")).to_be_visible()
        await expect(dashboard.locator("#agreements .state")).to_have_text("PENDING")
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("Your membership is ACTIVE.")).to_be_visible()
        await expect(dashboard.locator("#agreements .state")).to_have_text("ACTIVE")
        await page.get_by_role("button", name="Leave the gym").click()
        await expect(page.get_by_text("Your membership is STOPPED.")).to_be_visible()
        await expect(dashboard.locator("#agreements .state")).to_have_text("STOPPED")
        await dashboard.close()


async def test_a_user_chooses_a_maximum_and_stops_in_the_app(page: Page, sandbox: Sandbox, vipps: VippsClient) -> None:
    """The page tells what is paid first and later, takes another maximum, and fits a phone."""
    drafted = await vipps.recurring.agreements.create(
        **{**TERMS, "pricing": Pricing.variable(Amount(90000, "NOK"))},
        product_description="All clubs",
        initial_charge=InitialCharge(
            amount=Amount(10000, "NOK"), description="Registration", transaction_type="DIRECT_CAPTURE"
        ),
    )
    await page.set_viewport_size(PHONE)
    await page.goto(drafted.confirmation_url)
    for told in ("All clubs", "up to 900.00 NOK every month", "You pay 100.00 NOK now: Registration"):
        await expect(page.get_by_text(told)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    maximum = page.get_by_label("The most that may be charged, in NOK")
    await maximum.fill("a lot")
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("alert")).to_contain_text("must be an amount")
    await maximum.fill("600,50")
    await page.route("https://shop.example/**", lambda route: route.fulfill(body="Welcome"))
    await page.get_by_role("button", name="Accept").click()
    await page.wait_for_url("https://shop.example/**")
    assert sandbox.recurring.agreements[drafted.agreement_id].max_amount == 60050
    await page.goto(drafted.confirmation_url)
    await maximum.fill("700.00")
    await page.get_by_role("button", name="Change the maximum").click()
    await expect(maximum).to_have_value("700.00")
    assert sandbox.recurring.agreements[drafted.agreement_id].max_amount == 70000
    await page.get_by_role("button", name="Stop this agreement").click()
    await expect(page.get_by_role("status")).to_have_text("This agreement is stopped. (STOPPED)")
    assert sandbox.recurring.agreements[drafted.agreement_id].history[-1].actor == "USER"


async def test_a_campaign_is_told_and_declined(page: Page, sandbox: Sandbox, vipps: VippsClient) -> None:
    """What is paid at first, and for how long."""
    offer = Campaign.for_period(Interval("WEEK", 10), price=Amount(100, "NOK"))
    drafted = await vipps.recurring.agreements.create(**TERMS, campaign=offer)
    await page.goto(drafted.confirmation_url)
    await expect(page.get_by_text("Offer: 1.00 NOK for the first 10 weeks")).to_be_visible()
    await page.route("https://shop.example/**", lambda route: route.fulfill(body="Too bad"))
    await page.get_by_role("button", name="Decline").click()
    await page.wait_for_url("https://shop.example/**")
    assert sandbox.recurring.agreements[drafted.agreement_id].state == "STOPPED"


async def test_a_first_payment_that_fails_ends_it_on_the_page(page: Page, vipps: VippsClient) -> None:
    """The user is told, and no agreement comes of it."""
    first = InitialCharge(amount=Amount(151, "NOK"), description="First", transaction_type="DIRECT_CAPTURE")
    drafted = await vipps.recurring.agreements.create(**TERMS, initial_charge=first)
    await page.goto(drafted.confirmation_url)
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("status")).to_contain_text("its first payment failed. (EXPIRED)")
