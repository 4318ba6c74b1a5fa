"""Receive events in an aiohttp application that does other things too.

Register the URL once, and keep the secret that comes back::

    registration = await vipps.webhooks.register("https://shop.example/vipps/events")

Then run ``python examples/webhook_server.py`` with ``VIPPS_WEBHOOK_URL`` and ``VIPPS_WEBHOOK_SECRET`` set.
"""

import logging
import os
from collections import Counter

from aiohttp import web

from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.webhooks import WebhookEvent, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

logger = logging.getLogger("shop")
shipped: web.AppKey[Counter[str]] = web.AppKey("shipped", Counter)


async def front_page(request: web.Request) -> web.Response:
    """Show what was shipped: the part of the application that has nothing to do with Vipps MobilePay."""
    return web.json_response(request.app[shipped])


def make_app(url: str, secret: str) -> web.Application:
    """Make the application; *url* is the registered URL as Vipps MobilePay sees it, whatever proxy is in between."""
    app = web.Application()
    app[shipped] = Counter()
    app.router.add_get("/", front_page)

    receiver = WebhookReceiver(url=url, secrets=[secret], store=MemoryStore())

    @receiver.on(PaymentEventName.AUTHORIZED)
    async def ship(event: PaymentEvent) -> None:
        app[shipped][event.reference] += 1

    @receiver.on(PaymentEventName.ABORTED, PaymentEventName.EXPIRED, PaymentEventName.TERMINATED)
    async def release_stock(event: PaymentEvent) -> None:
        logger.info("%s came to nothing: %s", event.reference, event.name)

    @receiver.on_failed(PaymentEvent)
    async def alert(event: PaymentEvent) -> None:
        logger.error("%s: %s of %s failed", event.reference, event.name, event.amount)

    @receiver.on_other
    async def note(event: WebhookEvent) -> None:
        logger.info("%s of %s", event.type, event.subject)

    receiver.setup(app, "/vipps/events")
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(make_app(os.environ["VIPPS_WEBHOOK_URL"], os.environ["VIPPS_WEBHOOK_SECRET"]), port=8080)
