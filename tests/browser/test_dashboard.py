"""The dashboard in a real browser: what it shows while it happens, what its buttons do, and what it does not do."""

import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, of
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._epayment.lifecycle import State

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTHORIZED = "epayments.payment.authorized.v1"
NEWS = "#news"
# The names of the controls that the news lies over.
COVERED = """() => {
  const news = document.getElementById("news").getBoundingClientRect();
  const covers = ({ top, bottom, left, right }) =>
    top < news.bottom && bottom > news.top && left < news.right && right > news.left;
  const controls = [...document.querySelectorAll("button, select, input, a, summary")];
  return controls.filter((one) => covers(one.getBoundingClientRect())).map((one) => one.ariaLabel ?? one.textContent);
}"""


async def opened(page: Page, sandbox: Sandbox) -> Page:
    """Open the dashboard, and return once it is live."""
    await page.goto(sandbox.base_url)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def payments(page: Page) -> Locator:
    """The cards of payments, newest first."""
    return page.locator("#payments > li")


def requests(page: Page) -> Locator:
    """The rows of requests, newest first."""
    return page.locator("#requests > li")


def deliveries(page: Page) -> Locator:
    """The cards of deliveries, newest first."""
    return page.locator("#deliveries > li")


class TestShowing:
    """What happens appears, without a reload."""

    async def test_an_empty_sandbox_says_so(self, page: Page, sandbox: Sandbox) -> None:
        """Both lists say what to do, and the page's own endpoints can be read up."""
        await opened(page, sandbox)
        await expect(page.get_by_text("No payment to show")).to_be_visible()
        await expect(page.get_by_text("No delivery to show")).to_be_visible()
        await page.get_by_text("What this server serves").click()
        await expect(page.get_by_text("/sandbox/faults")).to_be_visible()

    async def test_a_payment_lives_on_the_page(self, page: Page, merchant: Merchant) -> None:
        """State, sums and event log follow each step, in the card that is there, and are announced."""
        await opened(page, merchant.sandbox)
        await merchant.create()
        card = payments(page)
        await expect(card).to_contain_text(re.compile(r"CREATED.*499\.00\sNOK", re.DOTALL))
        await card.locator("summary").click()
        await merchant.sandbox.approve(REFERENCE)
        await merchant.modify("capture", of(10000), key="my-key")
        await expect(card.locator(".state")).to_have_text("AUTHORIZED")
        await expect(card).to_contain_text("captured 100.00\N{NO-BREAK SPACE}NOK")
        await expect(card.locator(".log > li")).to_contain_text(["CREATED", "AUTHORIZED", "CAPTURED"])
        await expect(card.locator(".log > li").last).to_contain_text("key my-key")
        await expect(page.locator(NEWS)).to_have_text(f"CAPTURED 100.00\N{NO-BREAK SPACE}NOK: {REFERENCE}")

    async def test_deliveries_appear_as_they_happen(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """One under way is counted; a refused one and its repetition are shown with request, response and timing."""
        shop.gate.clear()
        shop.statuses = [500]
        await merchant.register(f"{shop.url}?a=b", AUTHORIZED)
        await opened(page, merchant.sandbox)
        await merchant.authorized()
        await expect(page.get_by_text("1 on the way")).to_be_visible()
        shop.gate.set()
        card = deliveries(page).first
        await expect(card).to_contain_text(re.compile(r"AUTHORIZED.*500.*\d+ ms, attempt 1", re.DOTALL))
        await card.locator("summary").click()
        await expect(card.locator("pre").first).to_contain_text(f"POST {shop.url}?a=b")
        await expect(card.locator("pre").last).to_contain_text(re.compile(r"^500\nLocation: /elsewhere\n"))
        await expect(card.locator("pre").last).to_contain_text(re.compile(r"\n\nthank you$"))
        merchant.sandbox.clock.advance(timedelta(hours=1))
        await expect(deliveries(page).first).to_contain_text(re.compile(r"200.*attempt 2", re.DOTALL))
        await expect(page.get_by_text("on the way")).to_be_hidden()
        await expect(page.locator(NEWS)).to_have_text(f"AUTHORIZED delivered: {REFERENCE}")

    async def test_what_was_sent_is_shown_byte_by_byte(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """The body that is shown has the digest that the header beside it tells."""
        await merchant.register(shop.url, AUTHORIZED)
        await merchant.authorized()
        card = deliveries(await opened(page, merchant.sandbox))
        await card.locator("summary").click()
        head, _, body = (await card.locator("pre").first.inner_text()).partition("\n\n")
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"\nx-ms-content-sha256: {digest}\n" in head

    async def test_a_webhook_that_does_not_answer(self, page: Page, merchant: Merchant) -> None:
        """The card says that there was no answer, and why."""
        await merchant.sandbox.add_webhook("http://127.0.0.1:9/", [AUTHORIZED])
        await merchant.authorized()
        card = deliveries(await opened(page, merchant.sandbox))
        await expect(card.locator(".state")).to_have_text("no answer")
        await card.locator("summary").click()
        await expect(card.locator("pre").last).to_contain_text("Cannot connect")

    async def test_the_newest_of_many(self, page: Page, merchant: Merchant) -> None:
        """Of more payments, the newest 25 are shown, and more on demand; the filter finds the others."""
        for number in range(53):
            await merchant.create(reference=f"payment-{number:03}")
        await opened(page, merchant.sandbox)
        await expect(payments(page)).to_have_count(25)
        await expect(payments(page).first).to_contain_text("payment-052")
        await merchant.create(reference="payment-053")
        await expect(payments(page).first).to_contain_text("payment-053")
        await expect(payments(page)).to_have_count(25)
        await expect(page.locator("#payments-count")).to_have_text("the newest 25")
        await page.get_by_role("button", name="Show more of payments").click()
        await expect(payments(page)).to_have_count(50)
        await page.get_by_role("button", name="Show more of payments").click()
        await expect(payments(page)).to_have_count(54)
        await expect(page.get_by_role("button", name="Show more of payments")).to_be_hidden()
        await page.get_by_label("Filter by reference").fill("-00")
        await expect(payments(page)).to_have_count(10)
        await payments(page).last.locator("summary").click()
        await payments(page).last.get_by_role("button", name="Show this one only").click()
        await expect(payments(page)).to_have_count(1)
        await expect(page.get_by_label("Filter by reference")).to_have_value("payment-000")
        await page.get_by_label("Filter by reference").fill("none")
        await expect(page.locator("#payments-empty")).to_have_text("No match.")
        await expect(page.locator("#deliveries-empty")).to_have_text("No match.")

    async def test_filters(self, page: Page, merchant: Merchant) -> None:
        """By state, by API, and what failed or met a fault, together with what is typed."""
        await merchant.authorized(reference="payment-paid")
        await merchant.create(reference="payment-open")
        merchant.sandbox.fail("get", "STATUS_503")
        await merchant.get("payment-open")
        await merchant.get("payment-none")
        await opened(page, merchant.sandbox)
        await page.locator("select[name=state]").select_option("AUTHORIZED")
        await expect(payments(page)).to_have_count(1)
        await expect(payments(page)).to_contain_text("payment-paid")
        await page.locator("select[name=state]").select_option("")
        await page.locator("select[name=api]").select_option("accesstoken")
        await expect(payments(page)).to_have_count(0)
        await expect(requests(page)).to_have_count(1)
        await page.locator("select[name=api]").select_option("")
        await page.locator("select[name=only]").select_option("failed")
        await expect(requests(page)).to_have_count(2)
        await page.locator("select[name=only]").select_option("faulted")
        await expect(requests(page)).to_have_count(1)
        await expect(requests(page)).to_contain_text("fault: STATUS_503")

    async def test_requests_appear_with_what_was_ignored(self, page: Page, merchant: Merchant) -> None:
        """What was sent and answered, byte by byte, and what was not as documented."""
        await opened(page, merchant.sandbox)
        await merchant.create(colour="red", key="my-key")
        row = requests(page).first
        await expect(row).to_contain_text(re.compile("epayment.create.*201.*ignored: colour", re.DOTALL))
        await row.locator("summary").click()
        await expect(row.locator("pre").first).to_contain_text("Idempotency-Key: my-key")
        await expect(row.locator("pre").first).to_contain_text('"colour": "red"')
        await expect(row.locator("pre").last).to_contain_text('"redirectUrl"')

    async def test_a_reset_empties_the_page(self, page: Page, merchant: Merchant) -> None:
        """What the sandbox forgets, the page forgets, and a payment of the same name is a new one."""
        await merchant.create()
        await opened(page, merchant.sandbox)
        await expect(payments(page)).to_have_count(1)
        await merchant.sandbox.reset()
        await expect(payments(page)).to_have_count(0)

    async def test_the_page_comes_back(self, page: Page, merchant: Merchant) -> None:
        """It says that the sandbox is gone, connects again by itself, and shows what there is then, no more."""
        await merchant.create(reference="before-it-left")
        await opened(page, merchant.sandbox)
        await expect(payments(page)).to_have_count(1)
        async with merchant.sandbox.offline():
            await expect(page.get_by_text("Connecting again")).to_be_visible()
            await merchant.sandbox.approve("before-it-left")
        await expect(payments(page).locator(".state")).to_have_text("AUTHORIZED")
        async with merchant.sandbox.offline():
            await merchant.sandbox.reset()
        await expect(payments(page)).to_have_count(0)


class TestActing:
    """What the buttons do."""

    async def test_acting_on_payments(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """A press acts as the user or time does, with a fault if one is chosen; then nothing more is offered."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await opened(page, merchant.sandbox)
        for button, state in (("Approve", State.AUTHORIZED), ("Reject", State.ABORTED), ("Expire", State.EXPIRED)):
            reference = f"payment-to-{button}"
            await merchant.create(reference=reference)
            card = payments(page).filter(has_text=reference)
            await card.get_by_label("Fault of the delivery").select_option("DUPLICATE")
            await card.get_by_role("button", name=f"{button}: {reference}").click()
            await expect(card.locator(".state")).to_have_text(state)
            assert merchant.sandbox.payments[reference].state is state
            await expect(card.get_by_role("button", name=re.compile("Approve|Reject|Expire"))).to_have_count(0)
        await expect(deliveries(page)).to_have_count(2)

    async def test_acting_by_keyboard(self, page: Page, merchant: Merchant) -> None:
        """A key press does, and the focus stays in the card although its button is gone."""
        await merchant.create()
        card = payments(await opened(page, merchant.sandbox))
        await card.get_by_role("button", name="Approve").press("Enter")
        await expect(card.locator(".state")).to_have_text("AUTHORIZED")
        await expect(card.locator("summary")).to_be_focused()

    async def test_what_is_refused_is_told(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """The webhook was deleted meanwhile: the sandbox's own words appear."""
        webhook = (await merchant.register(shop.url, AUTHORIZED)).json["id"]
        await merchant.authorized()
        await opened(page, merchant.sandbox)
        await expect(deliveries(page)).to_have_count(1)
        await merchant.call("DELETE", f"/webhooks/v1/webhooks/{webhook}")
        await deliveries(page).locator("summary").click()
        await deliveries(page).get_by_role("button", name="Redeliver").click()
        refusal = deliveries(page).get_by_role("alert")
        await expect(refusal).to_contain_text("to a webhook that is still registered")
        await expect(refusal).to_be_in_viewport()
        assert len(shop.received) == 1

    async def test_a_refusal_goes_away(self, page: Page, merchant: Merchant) -> None:
        """It stands in the card until the next press, or until something happens to the payment."""
        await merchant.create(amount={"currency": "NOK", "value": 151})
        card = payments(await opened(page, merchant.sandbox))
        await card.get_by_role("button", name="Approve").click()
        await expect(card.get_by_role("alert")).to_contain_text("insufficient funds")
        await card.get_by_role("button", name="Reject").click()
        await expect(card.locator(".state")).to_have_text("ABORTED")
        await expect(card.get_by_role("alert")).to_have_count(0)

    async def test_news_covers_no_control(self, page: Page, merchant: Merchant) -> None:
        """On a phone with more cards than fit, wherever it is scrolled to, and a button stays where it is."""
        await page.set_viewport_size({"width": 375, "height": 667})
        for number in range(6):
            await merchant.create(reference=f"payment-{number}")
        await opened(page, merchant.sandbox)
        await expect(payments(page)).to_have_count(6)
        before = await payments(page).first.get_by_role("button", name="Approve").bounding_box()
        await merchant.sandbox.approve("payment-0")
        await expect(page.locator(NEWS)).to_have_text("AUTHORIZED 499.00\N{NO-BREAK SPACE}NOK: payment-0")
        assert await payments(page).first.get_by_role("button", name="Approve").bounding_box() == before
        for card in await payments(page).all():
            await card.scroll_into_view_if_needed()
            assert await page.evaluate(COVERED) == []

    async def test_redelivering(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """The same bytes go to the same webhook once more, and the page shows it."""
        await merchant.register(shop.url, AUTHORIZED)
        await merchant.authorized()
        await opened(page, merchant.sandbox)
        await deliveries(page).locator("summary").click()
        await deliveries(page).get_by_role("button", name=f"Redeliver: AUTHORIZED of {REFERENCE}").click()
        await expect(deliveries(page)).to_have_count(2)
        assert [body for _, body, _ in shop.received] == [shop.received[0][1]] * 2

    async def test_redelivering_with_a_fault(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """The fault that is chosen beside the button is suffered once, and shown; the choice is then back at none."""
        await merchant.register(shop.url, AUTHORIZED)
        await merchant.authorized()
        card = deliveries(await opened(page, merchant.sandbox)).last
        await card.locator("summary").click()
        await card.get_by_label("Fault of the delivery").select_option("DUPLICATE")
        await card.get_by_role("button", name="Redeliver").click()
        await expect(deliveries(page)).to_have_count(3)
        await expect(deliveries(page).first).to_contain_text("copy 2, fault: DUPLICATE")
        await expect(card.get_by_label("Fault of the delivery")).to_have_value("")
        assert [delivery.fault for delivery in merchant.sandbox.deliveries] == [None, "DUPLICATE", "DUPLICATE"]


class TestControls:
    """The clock, what is set up, and starting over."""

    async def test_the_clock(self, page: Page, merchant: Merchant) -> None:
        """It is moved on, which expires what falls due, and the page says how far it is ahead."""
        await merchant.create()
        await opened(page, merchant.sandbox)
        await page.get_by_role("button", name="A day on").click()
        await expect(payments(page).locator(".state")).to_have_text("EXPIRED")
        await expect(page.locator("#ahead")).to_have_text("ahead by 1 days")

    async def test_faults_are_injected_and_removed(self, page: Page, merchant: Merchant) -> None:
        """By operation, or into deliveries; what cannot be is said in the sandbox's own words."""
        await opened(page, merchant.sandbox)
        await page.locator("input[name=operation]").fill("epayment.capture")
        await page.locator("select[name=fault]").select_option("STATUS_503")
        await page.locator("input[name=times]").fill("2")
        await page.get_by_role("button", name="Inject").click()
        await expect(page.locator("#faults > li")).to_contain_text("epayment.capture: STATUS_503, 2 times")
        await page.locator("select[name=fault]").select_option("DUPLICATE")
        await page.get_by_role("button", name="Inject").click()
        await expect(page.locator("#faults > li").last).to_contain_text("deliveries: DUPLICATE")
        await page.get_by_role("button", name="Remove: epayment.capture").click()
        await expect(page.locator("#faults > li")).to_have_count(1)
        await page.locator("input[name=operation]").fill("nothing")
        await page.locator("select[name=fault]").select_option("STATUS_503")
        await page.get_by_role("button", name="Inject").click()
        await expect(page.get_by_role("alert")).to_contain_text("operation 'nothing' is none of")

    async def test_webhooks_are_removed(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """Each is shown with its address, and can be removed."""
        await merchant.register(shop.url, AUTHORIZED)
        await opened(page, merchant.sandbox)
        await expect(page.locator("#webhooks > li")).to_contain_text(f"{shop.url} (1 events)")
        await page.get_by_role("button", name=f"Remove: {shop.url}").click()
        await expect(page.get_by_text("None is registered.")).to_be_visible()

    async def test_everything_is_saved_and_loaded(self, page: Page, merchant: Merchant, tmp_path: Path) -> None:
        """Into a file, and out of it; what cannot be loaded is said."""
        await merchant.create()
        await opened(page, merchant.sandbox)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Save everything").click()
        file = tmp_path / "sandbox.json"
        await (await download.value).save_as(file)
        await page.locator("#load").set_input_files(file)
        await expect(page.get_by_role("alert")).to_contain_text(f"there is a payment '{REFERENCE}' already")
        await merchant.sandbox.reset()
        await expect(payments(page)).to_have_count(0)
        await page.locator("#load").set_input_files(file)
        await expect(payments(page)).to_have_count(1)

    async def test_everything_is_forgotten_only_when_that_is_meant(self, page: Page, merchant: Merchant) -> None:
        """The browser asks first."""
        await merchant.create()
        await opened(page, merchant.sandbox)
        page.once("dialog", lambda dialog: dialog.dismiss())
        await page.get_by_role("button", name="Forget everything").click()
        await expect(payments(page)).to_have_count(1)
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Forget everything").click()
        await expect(payments(page)).to_have_count(0)


class TestHostile:
    """What others choose is shown as they wrote it, and does nothing."""

    async def test_markup_stays_text(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """In an idempotency key, a webhook's URL and its answer; a script in them does not run."""
        hostile = "<img src=x onerror=alert(1)>"
        shop.answer = hostile
        await merchant.register(f"{shop.url}?<script>alert(2)</script>", AUTHORIZED)
        await merchant.authorized(key=hostile)
        await merchant.modify("capture", of(1), key="<b>key</b>")
        await opened(page, merchant.sandbox)
        await payments(page).locator("summary").click()
        await deliveries(page).locator("summary").click()
        await expect(payments(page).locator(".log > li").first).to_contain_text(f"key {hostile}")
        await expect(payments(page).locator(".log > li").last).to_contain_text("key <b>key</b>")
        await expect(deliveries(page).locator("pre").first).to_contain_text("?<script>alert(2)</script>")
        await expect(deliveries(page).locator("pre").last).to_contain_text(f"\n\n{hostile}")
        await expect(page.locator(":is(#payments, #deliveries) :is(img, script, b)")).to_have_count(0)

    async def test_no_secret_is_shown(self, page: Page, merchant: Merchant, shop: Shop) -> None:
        """Neither a key, a token nor a webhook's secret; a signature is, for who compares it."""
        secret = (await merchant.register(shop.url, AUTHORIZED)).json["secret"]
        await merchant.authorized()
        await opened(page, merchant.sandbox)
        signature = merchant.sandbox.deliveries[0].request_headers["Authorization"]
        await expect(deliveries(page).locator("pre").first).to_contain_text(f"Authorization: {signature}")
        shown = await page.content()
        for hidden in (secret, merchant.authorization["Authorization"], *merchant.token_headers.values()):
            assert hidden not in shown

    async def test_nothing_comes_from_elsewhere(self, page: Page, merchant: Merchant) -> None:
        """Every request of the dashboard and the landing page goes to the sandbox."""
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        created = await merchant.create()
        await opened(page, merchant.sandbox)
        await payments(page).locator("summary").click()
        await payments(page).get_by_role("link", name="Landing page").click()
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        assert page.url == created.json["redirectUrl"]
        assert len(addresses) >= 5
        assert all(address.startswith(merchant.sandbox.base_url) for address in addresses)
