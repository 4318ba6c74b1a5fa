"""What the sandbox's page costs a browser with 5,000 payments, against 50: to show them, and to scroll through it."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Page, async_playwright

from benchmarks.pairs import Cost, Row, Work, compare
from tests.support.sandbox.merchant import at
from vipps_async.sandbox import Sandbox

FEW, MANY = 50, 5000
ROUNDS = 21
# Resolves once the first rows are laid out and painted, with the milliseconds since the navigation began.
PAINTED = """() => new Promise((resolve) => {
  const look = () => document.querySelector("#payments > li")
    ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
    : requestAnimationFrame(look);
  look();
})"""
SCROLLED = """async () => {
  const began = performance.now();
  for (let y = 0; y < document.documentElement.scrollHeight; y += 300) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began;
}"""


@asynccontextmanager
async def filled(payments: int) -> AsyncIterator[Sandbox]:
    """Run a sandbox that has so many payments."""
    async with Sandbox(rate_limits=False) as sandbox, at(sandbox) as merchant:
        for number in range(payments):
            await merchant.create(reference=f"payment-{number:05}")
        yield sandbox


def works(page: Page, sandbox: Sandbox) -> tuple[Work, Work]:
    """Return what is measured: showing the page, and scrolling it from its beginning to its end."""

    async def show() -> Cost:
        await page.goto("about:blank")
        await page.goto(sandbox.base_url)
        return _cost(await page.evaluate(PAINTED))

    async def scroll() -> Cost:
        await page.evaluate("scrollTo(0, 0)")
        return _cost(await page.evaluate(SCROLLED))

    return Work(show), Work(scroll)


def _cost(milliseconds: float) -> Cost:
    return Cost(wall=milliseconds / 1000, cpu=milliseconds / 1000)  # the browser's, which tells one time


async def compare_pages() -> Sequence[Row]:
    """Return what both cost."""
    binary = shutil.which("chromium")
    if binary is None:
        return []
    async with AsyncExitStack() as opened:
        browser = await (await opened.enter_async_context(async_playwright())).chromium.launch(
            executable_path=binary, args=["--no-sandbox"]
        )
        sides = []
        for payments in (FEW, MANY):
            sandbox = await opened.enter_async_context(filled(payments))
            sides.append(works(await browser.new_page(), sandbox))
        (few_shown, few_scrolled), (many_shown, many_scrolled) = sides
        shown = await compare(few_shown, many_shown, rounds=ROUNDS, units=1)
        scrolled = await compare(few_scrolled, many_scrolled, rounds=ROUNDS, units=1)
        await browser.close()
    return [{"work": "first paint", **shown}, {"work": "scroll", **scrolled}]
