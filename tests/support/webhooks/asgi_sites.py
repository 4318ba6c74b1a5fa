"""The receiver in ASGI applications as merchants have them, and uvicorn to serve them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import uvicorn
from django.conf import settings  # type: ignore[import-untyped]  # Django has no types
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]  # as above
from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]  # as above
from django.urls import path  # type: ignore[import-untyped]  # as above
from fastapi import Depends, FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.support.webhooks.deliveries import event, receiver_of, signed
from tests.support.webhooks.serving import Connection, head
from vipps_async import PaymentEvent
from vipps_async.webhooks import IncomingRequest, WebhookReceiver

Application = Callable[..., Awaitable[None]]
PATH = "/vipps/events"
LIMIT = 1000


class Shop:
    """A receiver of signed deliveries of up to 1000 bytes, whose handler waits until it is let go."""

    def __init__(self) -> None:
        self.receiver = receiver_of(max_body=LIMIT)
        self.notes: list[str] = []
        self.failures: list[Exception] = []
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.receiver.on(PaymentEvent)(self.handle)

    async def handle(self, _: PaymentEvent) -> None:
        """Handle an event slowly, and raise the next failure if there is one."""
        self.notes.append("begins")
        self.begun.set()
        await self.let_go.wait()
        if self.failures:
            raise self.failures.pop()
        self.notes.append("ends")


def alone(receiver: WebhookReceiver) -> Application:
    """The receiver, and nothing around it."""
    return receiver.asgi_app()


def in_fastapi(receiver: WebhookReceiver) -> Application:
    """Mounted in FastAPI, below a middleware that puts its own channels between server and application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/vipps", receiver.asgi_app())

    @app.middleware("http")
    async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    @app.get("/")
    async def front_page() -> str:
        return "the shop"

    return app


def in_starlette(receiver: WebhookReceiver) -> Application:
    """Mounted in Starlette."""
    return _starlette(receiver, Mount("/vipps", receiver.asgi_app()))


def mounted_at_its_path(receiver: WebhookReceiver) -> Application:
    """Mounted in Starlette at the registered URL's own path, as is tried first."""
    return _starlette(receiver, Mount(PATH, receiver.asgi_app()))


def at_a_route(receiver: WebhookReceiver) -> Application:
    """At one path of Starlette, which a mount never is."""
    return _starlette(receiver, Route(PATH, receiver.asgi_app()))


def added_to_starlette(receiver: WebhookReceiver) -> Application:
    """At one path of Starlette, added to it."""
    app = Starlette()
    app.routes.append(Route(PATH, receiver.asgi_app()))
    return app


def added_to_fastapi(receiver: WebhookReceiver) -> Application:
    """At one path of FastAPI, behind a middleware that has read the body."""
    app = FastAPI()
    app.routes.append(Route(PATH, receiver.asgi_app()))

    @app.middleware("http")
    async def log(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        await request.body()
        return await call_next(request)

    return app


def behind_a_reader(receiver: WebhookReceiver) -> Application:
    """Mounted in Starlette, behind a middleware that has read the body."""

    class Log(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
            await request.body()
            return await call_next(request)

    return Starlette(routes=[Mount("/vipps", receiver.asgi_app())], middleware=[Middleware(Log)])


def in_a_view_of_fastapi(receiver: WebhookReceiver) -> Application:
    """Called by an endpoint, behind a middleware and a dependency that have read the body."""
    app = FastAPI()

    async def log(request: Request) -> None:
        await request.json()

    @app.post(PATH, dependencies=[Depends(log)])
    async def events(request: Request) -> Response:
        reply = await receiver.handle(
            IncomingRequest(request.method, request.url.path, request.headers, await request.body())
        )
        return Response(reply.body, reply.status, dict(reply.headers))

    return app


def behind_a_thief(receiver: WebhookReceiver) -> Application:
    """Behind an ASGI application that takes the body, and keeps it to itself."""
    events = receiver.asgi_app()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "http" and (await receive())["more_body"]:
            pass
        await events(scope, receive, send)

    return application


def _starlette(receiver: WebhookReceiver, events: Mount | Route) -> Application:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with receiver:
            yield

    async def front_page(_: Request) -> Response:
        return PlainTextResponse("the shop")

    return Starlette(routes=[Route("/", front_page), events], lifespan=lifespan)


async def _django_front_page(_: HttpRequest) -> HttpResponse:
    return HttpResponse(b"the shop")


urlpatterns = [path("", _django_front_page)]


def configure_django() -> None:
    """Settle Django's settings for this process, which can be done once."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", LOGGING_CONFIG=None)


def beside_django(receiver: WebhookReceiver) -> Application:
    """Beside Django, which knows neither mounts nor the lifespan: its ``asgi.py`` tells the two apart by path."""
    configure_django()
    site = get_asgi_application()
    events = receiver.asgi_app()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        is_for_receiver = scope["type"] == "lifespan" or scope["path"].startswith("/vipps/")
        await (events if is_for_receiver else site)(scope, receive, send)

    return application


@attrs.define
class Site:
    """A shop's application, served by uvicorn."""

    server: uvicorn.Server
    port: int
    serving: asyncio.Task[None]

    def url(self, path: str) -> str:
        """Return the address of *path*."""
        return f"http://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Open a raw connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.transport.abort()

    async def has_noticed_hangups(self) -> None:
        """Wait until the server has no connection left."""
        while self.server.server_state.connections:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Shut down as uvicorn does on a signal."""
        self.server.should_exit = True
        await self.serving


@asynccontextmanager
async def served(
    app: Application, *, listener: socket.socket | None = None, grace: int | None = None
) -> AsyncIterator[Site]:
    """Serve *app*; requests that run at shutdown are cancelled after *grace* seconds, or never."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=grace)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    site = Site(server, port, serving)
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield site
    finally:
        await site.stop()


def raw_delivery(*headers: str, body: bytes | None = None) -> bytes:
    """Return the first bytes of a genuine delivery, up to its body, with other *headers* than its length if given."""
    body = event() if body is None else body
    lines = [f"{name}: {value}" for name, value in signed(body).items() if name != "Host"]
    return head(PATH, *lines, *(headers or [f"Content-Length: {len(body)}"]))
