"""Pages of other sites that a developer looks at while a sandbox runs beside them."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import CONTAINER
from tests.support.sandbox.merchant import REFERENCE, Merchant
from vipps_async.sandbox._epayment.lifecycle import State

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("action", [f"payments/{REFERENCE}/approve", f"payments/{REFERENCE}/expire", "reset"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("reached_by", ["127.0.0.1", CONTAINER])
async def test_a_form_elsewhere_does_nothing(
    page: Page, merchant: Merchant, action: str, host: str, reached_by: str
) -> None:
    """What a form of the same host, or of another, posts is refused, and nothing happens to payments."""
    await merchant.create()
    base_url = merchant.sandbox.base_url.replace("127.0.0.1", reached_by)
    form = f'<form method="post" action="{base_url}/sandbox/{action}"><button>Win a prize</button></form>'
    await page.route(f"http://{host}:9/", lambda route: route.fulfill(content_type="text/html", body=form))
    await page.goto(f"http://{host}:9/")
    async with page.expect_response("**/sandbox/**") as answered:
        await page.get_by_role("button").click()
    assert (await answered.value).status == 403
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED


async def test_its_own_pages_act_wherever_it_is_reached(page: Page, merchant: Merchant) -> None:
    """The landing page and the dashboard of a sandbox that is not on this machine, as the browser sees it."""
    base_url = merchant.sandbox.base_url.replace("127.0.0.1", CONTAINER)
    landing = (await merchant.create(returnUrl=f"{base_url}/")).json["redirectUrl"]
    await page.goto(landing.replace("127.0.0.1", CONTAINER))
    async with page.expect_response("**/landing**") as answered:
        await page.get_by_role("button", name="Reject").click()
    assert (await answered.value).status == 303
    await page.wait_for_url(f"{base_url}/")
    await merchant.create(reference="another-payment")
    await page.get_by_role("button", name="Approve: another-payment").click()
    await expect(page.locator("#payments .state").first).to_have_text("AUTHORIZED")
    assert merchant.sandbox.payments[REFERENCE].state is State.ABORTED
