"""A server between a client and the sandbox that keeps every exchange, and that is the merchant's server as well."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from werkzeug.datastructures import Headers

from tests.conformance.documents import Exchange
from tests.support.raw_server import served

HOOK = "/epayment/webhook"
SHIPPING = "/epayment/merchant-dynamic-shipping-callback"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}
_OFFER = {
    "groups": [
        {
            "type": "PICKUP_POINT",
            "brand": "POSTEN",
            "options": [{"id": "pickup-1", "amount": {"currency": "NOK", "value": 4900}, "name": "The kiosk"}],
        }
    ]
}


class Recorder:
    """Passes requests on to *target*, takes deliveries at `HOOK`, and offers shipping at `SHIPPING`."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.exchanges: list[Exchange] = []
        self._target = target
        self._session = session

    def app(self) -> web.Application:
        """Return the server's application."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._record)
        return app

    async def _record(self, request: web.Request) -> web.Response:
        answer = {HOOK: self._take, SHIPPING: self._offer}.get(request.path, self._forward)
        response = await answer(request)
        body = response.body
        exchange = Exchange(
            method=request.method,
            path=request.raw_path,
            request_headers=Headers(list(request.headers.items())),
            request_body=await request.read(),
            status=response.status,
            response_headers=Headers(list(response.headers.items())),
            response_body=body if isinstance(body, bytes) else b"",
        )
        self.exchanges.append(exchange)
        return response

    async def _forward(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read()
        url = self._target + request.raw_path
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=("Content-Type",)
        ) as response:
            kept = {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(status=response.status, headers=kept, body=await response.read() or None)

    async def _take(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _offer(self, _: web.Request) -> web.Response:
        return web.json_response(_OFFER)


@asynccontextmanager
async def recording(target: str) -> AsyncIterator[Recorder]:
    """Open a recorder in front of *target* on a free port."""
    async with aiohttp.ClientSession() as session:
        recorder = Recorder(target, session)
        async with served(recorder.app()) as recorder.url:
            yield recorder
