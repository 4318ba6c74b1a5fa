"""Receive events in a FastAPI application, or in any other that speaks ASGI.

Register the URL once, and keep the secret that comes back::

    registration = await vipps.webhooks.register("https://shop.example/vipps/events")

Then run ``python examples/fastapi_server.py`` with ``VIPPS_WEBHOOK_URL`` and ``VIPPS_WEBHOOK_SECRET`` set. It needs
``pip install fastapi uvicorn``.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


def make_app(url: str, secret: str) -> FastAPI:
    """Make the application; *url* is the registered URL as Vipps MobilePay sees it, whatever proxy is in between."""
    # This store serves one process; several workers need one that they share.
    receiver = WebhookReceiver(url=url, secrets=[secret], store=MemoryStore())
    shipped: Counter[str] = Counter()

    @receiver.on(PaymentEventName.AUTHORIZED)
    async def ship(event: PaymentEvent) -> None:
        shipped[event.reference] += 1

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # FastAPI tells nobody else of startup and shutdown, so that the handlers are awaited here.
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    # Not mounted: FastAPI answers the very path of a mount with a redirect, which Vipps MobilePay does not follow.
    app.routes.append(Route("/vipps/events", receiver.asgi_app()))

    @app.get("/")
    async def front_page() -> dict[str, int]:
        return shipped

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(os.environ["VIPPS_WEBHOOK_URL"], os.environ["VIPPS_WEBHOOK_SECRET"]), port=8080)
