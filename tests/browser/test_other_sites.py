"""Pages of other sites that a developer looks at while a sandbox runs beside them."""

import pytest
from playwright.async_api import Page

from tests.sandbox.merchant import REFERENCE, Merchant
from vipps_async.sandbox import State

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("action", [f"payments/{REFERENCE}/approve", f"payments/{REFERENCE}/expire", "reset"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_form_elsewhere_does_nothing(page: Page, merchant: Merchant, action: str, host: str) -> None:
    """What a form of the same host, or of another, posts is refused, and nothing happens to payments."""
    await merchant.create()
    form = (
        f'<form method="post" action="{merchant.sandbox.base_url}/sandbox/{action}"><button>Win a prize</button></form>'
    )
    await page.route(f"http://{host}:9/", lambda route: route.fulfill(content_type="text/html", body=form))
    await page.goto(f"http://{host}:9/")
    async with page.expect_response("**/sandbox/**") as answered:
        await page.get_by_role("button").click()
    assert (await answered.value).status == 403
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED
