"""Shops as merchants deploy them: what each kind of server is given to run, all of them with the same receiver.

Every effect is a row in the SQLite file that ``SHOP_FILE`` names, so that any number of processes can serve one shop.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from vipps_async import PaymentEvent
from vipps_async.testing.events import EventSource
from vipps_async.webhooks import IncomingRequest, WebhookReceiver, asgi_app, wsgi_app
from vipps_async.webhooks.stores.sqlite import SQLiteClaim, SQLiteStore

PATH = "/vipps/events"
HANGS = "TERMINATED"  # the event whose handler never returns
# Seconds that an answer is awaited, for as long as a test of a handler that hangs takes.
for adapter in (asgi_app, wsgi_app):
    setattr(adapter, "ANSWER_TIMEOUT", 2.0)  # noqa: B010 - neither module exports the name, for type checkers
logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")


def _receiver() -> WebhookReceiver:
    source = EventSource()
    receiver = WebhookReceiver(
        url=source.url, secrets=[source.secret], store=SQLiteStore(os.environ["SHOP_FILE"]), shutdown_timeout=1
    )

    @receiver.on(PaymentEvent)
    async def ship(event: PaymentEvent, claim: SQLiteClaim) -> None:
        await claim.connection.execute("INSERT INTO effects (psp_reference) VALUES (?)", [event.psp_reference])

    @receiver.on(HANGS)
    async def hang(_: PaymentEvent) -> None:
        print("hanging", flush=True)
        await asyncio.Event().wait()

    return receiver


def aiohttp_shop() -> web.Application:
    """In aiohttp, at one path."""
    app = web.Application()
    _receiver().setup(app, PATH)
    return app


def asgi_shop() -> Any:
    """The receiver alone, which starts and closes with the server."""
    return _receiver().asgi_app()


def fastapi_shop() -> Any:
    """In FastAPI, at one path and at all below another."""
    from fastapi import FastAPI  # noqa: PLC0415 - each server imports its own framework
    from starlette.routing import Route  # noqa: PLC0415 - as above

    receiver = _receiver()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.routes.append(Route(PATH, receiver.asgi_app()))
    app.mount("/behind", receiver.asgi_app())
    return app


def flask_shop() -> Any:
    """Beside Flask, at one path and all below it."""
    from flask import Flask  # noqa: PLC0415 - as above
    from werkzeug.middleware.dispatcher import DispatcherMiddleware  # noqa: PLC0415 - as above

    events = _receiver().wsgi_app()
    return DispatcherMiddleware(Flask(__name__).wsgi_app, {PATH: events, "/behind": events})


urlpatterns: list[Any] = []


def _set_up_django(view: Callable[..., Any]) -> None:
    from django.conf import settings  # type: ignore[import-untyped]  # noqa: PLC0415 - as above; Django has no types
    from django.urls import path  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from django.views.decorators.csrf import csrf_exempt  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", LOGGING_CONFIG=None)
    urlpatterns.append(path(PATH.lstrip("/"), csrf_exempt(view)))


def django_asgi_shop() -> Any:
    """In an asynchronous view of Django, whose server has one loop."""
    from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from django.http import HttpResponse  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    receiver = _receiver()

    async def receive(request: Any) -> HttpResponse:
        reply = await receiver.handle(
            IncomingRequest(request.method, request.get_full_path(), request.headers, request.body)
        )
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    _set_up_django(receive)
    return get_asgi_application()


def django_beside_shop() -> Any:
    """Beside Django, whose ``asgi.py`` tells the two apart, so that the receiver closes with the server."""
    from django.core.asgi import get_asgi_application  # noqa: PLC0415 - as above
    from django.http import HttpResponse  # noqa: PLC0415 - as above

    _set_up_django(lambda _: HttpResponse(status=404))
    site, events = get_asgi_application(), _receiver().asgi_app()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        is_for_receiver = scope["type"] == "lifespan" or scope["path"] == PATH
        await (events if is_for_receiver else site)(scope, receive, send)

    return application


def django_wsgi_shop() -> Any:
    """In a view of Django, whose server has threads and no loop."""
    from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
    from django.http import HttpResponse  # noqa: PLC0415 - as above

    events = _receiver().wsgi_app()

    def receive(request: Any) -> HttpResponse:
        reply = events.handle(IncomingRequest(request.method, request.get_full_path(), request.headers, request.body))
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    _set_up_django(receive)
    return get_wsgi_application()


if __name__ == "__main__":
    web.run_app(aiohttp_shop(), host="127.0.0.1", port=int(sys.argv[1]), shutdown_timeout=1, print=lambda *_: None)
