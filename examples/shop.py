"""A web shop with a pay button, against a sandbox on this machine.

Run it with ``python examples/shop.py``, open http://127.0.0.1:8080, press the button, and approve or reject.
"""

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import attrs
from aiohttp import web

from vipps_async import Amount, PaymentEvent, PaymentEventName, VippsClient, WaitTimeout
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

PRICE = Amount(49900, "NOK")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 3rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .7rem 1.4rem; border: 0; border-radius: .5rem; background: #ff5b24; color: #000 }}
</style>
<h1>{title}</h1>
{content}
"""
WAITING = "waiting for payment: reload this page"
OUTCOMES = {
    PaymentEventName.AUTHORIZED: "paid",
    PaymentEventName.ABORTED: "not paid: you rejected the payment",
    PaymentEventName.EXPIRED: "not paid: the payment ran out of time",
    PaymentEventName.TERMINATED: "not paid: we had to cancel",
}


@attrs.define
class Shop:
    """Orders, and what became of them."""

    vipps: VippsClient
    url: str
    receiver: WebhookReceiver
    orders: dict[str, str] = attrs.field(factory=dict)

    def make_app(self) -> web.Application:
        """Make the web application, events included."""
        app = web.Application()
        app.router.add_get("/", self.front_page)
        app.router.add_post("/pay", self.pay)
        app.router.add_get("/orders/{reference}", self.order)
        self.receiver.on(*OUTCOMES)(self.decide)
        self.receiver.setup(app, "/vipps/events")
        return app

    async def front_page(self, _: web.Request) -> web.Response:
        """Offer socks."""
        button = f'<form method="post" action="/pay"><button>Pay {PRICE} with Vipps</button></form>'
        return page("One pair of socks", button)

    async def pay(self, _: web.Request) -> web.Response:
        """Create a payment, and send the shopper to it."""
        reference = f"socks-{uuid4()}"
        created = await self.vipps.epayment.create(
            amount=PRICE,
            reference=reference,
            return_url=f"{self.url}/orders/{reference}",
            payment_description="One pair of socks",
        )
        self.orders[reference] = WAITING
        raise web.HTTPSeeOther(created.redirect_url)

    async def order(self, request: web.Request) -> web.Response:
        """Show what became of an order; the shopper often returns a moment before the event arrives."""
        reference = request.match_info["reference"]
        if reference not in self.orders:
            raise web.HTTPNotFound
        if self.orders[reference] == WAITING:
            with suppress(WaitTimeout):
                payment = await self.vipps.epayment.wait(reference, timeout=10, signal=self.receiver)
                self.orders[reference] = OUTCOMES[PaymentEventName(payment.state)]
        return page("Your order", f"<p>Your order is <strong>{html.escape(self.orders[reference])}</strong>.</p>")

    async def decide(self, event: PaymentEvent) -> None:
        """Book an outcome; runs once an event, however often it is delivered."""
        self.orders[event.reference] = OUTCOMES[event.name]


def page(title: str, content: str) -> web.Response:
    """Render a page."""
    return web.Response(text=PAGE.format(title=html.escape(title), content=content), content_type="text/html")


@asynccontextmanager
async def open_shop(sandbox: Sandbox, port: int) -> AsyncIterator[str]:
    """Serve a shop that sells through *sandbox*; yield its URL."""
    url = f"http://127.0.0.1:{port}"
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps:
        registration = await vipps.webhooks.register(f"{url}/vipps/events", OUTCOMES)
        receiver = WebhookReceiver(url=registration.url, secrets=[registration.secret], store=MemoryStore())
        runner = web.AppRunner(Shop(vipps, url, receiver).make_app())
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield url
        finally:
            await runner.cleanup()


async def main() -> None:
    """Run the sandbox and the shop until Ctrl-C."""
    async with Sandbox() as sandbox, open_shop(sandbox, 8080) as url:
        print(f"The shop is open at {url}; its payments go to {sandbox.base_url}.")
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("Closed.")
