"""A shopper in a real browser: pays in examples/shop.py, approves or rejects on a phone, and comes back."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE
from tests.test_examples import free_port, load
from vipps_async.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("button", "outcome"), [("Approve", "paid"), ("Reject", "not paid: you rejected the payment")])
async def test_a_shopper_pays_or_rejects(page: Page, button: str, outcome: str) -> None:
    """From the pay button over the landing page back to the order; the dashboard shows what happened meanwhile."""
    async with Sandbox() as sandbox, load("shop").open_shop(sandbox, free_port()) as shop:
        dashboard = await page.context.new_page()
        await dashboard.goto(sandbox.base_url)
        await page.set_viewport_size(PHONE)
        await page.goto(shop)
        await page.get_by_role("button", name="Pay 499.00 NOK with Vipps").click()
        await expect(page.get_by_text("One pair of socks")).to_be_visible()
        await expect(dashboard.get_by_role("heading", name="socks-")).to_be_visible()
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_text(f"Your order is {outcome}.")).to_be_visible()
        assert page.url.startswith(f"{shop}/orders/")
        state = "AUTHORIZED" if button == "Approve" else "ABORTED"
        await expect(dashboard.locator("#payments .state")).to_have_text(state)
        delivery = dashboard.locator("#deliveries > li")
        await expect(delivery.locator(".state")).to_have_text("200")
        await expect(delivery.get_by_role("heading")).to_have_text(state)
        await dashboard.close()
