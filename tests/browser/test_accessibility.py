"""The pages as axe-core judges them: names, roles, labels, contrast, landmarks; and whether they fit a phone."""

from datetime import timedelta
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it has no py.typed
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.conftest import PHONE
from tests.support.sandbox.merchant import Merchant, Shop, of
from tests.support.sandbox.shipping import HOME, PICKUP, express, fixed, option

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDE: ViewportSize = {"width": 1280, "height": 900}
LONGEST = "w" * 64


async def check(page: Page, *schemes: Literal["light", "dark"]) -> None:
    """Have the page checked in each colour scheme, and that nothing sticks out of it."""
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_dashboard(page: Page, merchant: Merchant, shop: Shop) -> None:
    """Empty, and with payments in every state, failures, a refusal, the longest reference and everything opened."""
    await page.set_viewport_size(PHONE)
    await page.goto(merchant.sandbox.base_url)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await check(page, "light")
    shop.statuses = [500]
    await merchant.register(shop.url, *(f"epayments.payment.{name}.v1" for name in ("created", "authorized")))
    await merchant.create(reference=LONGEST, amount={"currency": "NOK", "value": 65_000_000})
    await merchant.authorized(reference="authorized")
    await merchant.modify("capture", of(100), reference="authorized")
    for act in ("reject", "expire"):
        await merchant.create(reference=f"to-{act}")
        await getattr(merchant.sandbox, act)(f"to-{act}")
    await merchant.create(reference="declined", amount={"currency": "NOK", "value": 151})
    await expect(page.locator("#payments > li")).to_have_count(5)
    await expect(page.locator("#deliveries > li")).to_have_count(6)
    await page.get_by_role("button", name="Approve: declined").click()
    await expect(page.get_by_role("alert")).to_contain_text("insufficient funds")
    for summary in await page.locator("summary").all():
        await summary.click()
    await check(page, "light", "dark")
    await page.set_viewport_size(WIDE)
    await check(page, "light")


async def test_the_landing_page(page: Page, merchant: Merchant) -> None:
    """On a phone: with the choice and the longest texts, with an outcome, and for a link that leads nowhere."""
    await page.set_viewport_size(PHONE)
    texts = {"reference": LONGEST, "paymentDescription": "W" * 100}
    created = await merchant.create(amount={"currency": "NOK", "value": 65_000_000}, **texts)
    landing = created.json["redirectUrl"]
    await page.goto(landing)
    for name in ("Approve", "Reject"):
        button = await page.get_by_role("button", name=name).bounding_box()
        assert button is not None
        assert button["height"] >= 44
        assert button["y"] + button["height"] <= PHONE["height"]
    await check(page, "light", "dark")
    merchant.sandbox.clock.advance(timedelta(days=1))
    await page.goto(landing)
    await expect(page.get_by_role("status")).to_contain_text("Time ran out")
    await check(page, "light", "dark")


async def test_the_landing_page_when_something_fails(page: Page, merchant: Merchant) -> None:
    """Declined, and while an approval is under way."""
    await page.set_viewport_size(PHONE)
    for reference, value in (("declined", 151), ("under-way", 201)):
        created = await merchant.create(reference=reference, amount={"currency": "NOK", "value": value})
        await page.route("https://example.com/**", lambda route: route.fulfill(body="the shop"))
        await page.goto(created.json["redirectUrl"])
        await page.get_by_role("button", name="Approve").click()
        if reference == "under-way":
            await expect(page.get_by_text("the shop")).to_be_visible()
            await page.goto(created.json["redirectUrl"])
        await expect(page.get_by_role("alert").or_(page.get_by_role("status"))).to_be_visible()
        await check(page, "light", "dark")


async def test_the_landing_page_of_an_express_payment(page: Page, merchant: Merchant) -> None:
    """On a phone: the form for an address, one that cannot be shipped to, and options with the longest texts."""
    await page.set_viewport_size(PHONE)
    created = await merchant.create(**express("http://127.0.0.1:9/shipping"))
    await page.goto(created.json["redirectUrl"])
    await check(page, "light", "dark")
    await page.get_by_role("button", name="Show what shipping costs").click()
    await expect(page.get_by_role("alert")).to_contain_text("Cannot connect")
    await check(page, "light", "dark")
    longest = option("w" * 64, 65_000_000, name="W" * 64, estimatedDelivery="3-5 business days", meta="m" * 64)
    created = await merchant.create(reference="longest-options", **fixed(HOME, {**PICKUP, "options": [longest]}))
    await page.goto(created.json["redirectUrl"])
    await page.get_by_text("Ship elsewhere").click()
    await check(page, "light", "dark")
