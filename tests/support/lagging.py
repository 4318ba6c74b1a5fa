"""A proxy in front of a sandbox whose reads can lag behind what was written, as those of a replica do."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from tests.support.raw_server import served
from vipps_async.sandbox import Sandbox


class LaggingReads:
    """Passes requests on, and answers some reads with what was true before.

    Attributes:
        url: where it listens.
    """

    def __init__(self, session: aiohttp.ClientSession, target: str) -> None:
        self.url = ""
        self._session = session
        self._target = target
        self._latest: dict[str, tuple[int, bytes]] = {}
        self._remembered: dict[str, tuple[int, bytes]] = {}
        self._lagging: Counter[str] = Counter()

    def remember(self) -> None:
        """Remember what each read was answered last."""
        self._remembered = dict(self._latest)

    def lag(self, operation: str, times: int) -> None:
        """Answer the next reads, ``"get"`` or ``"events"``, with what was remembered."""
        self._lagging[operation] = times

    async def answer(self, request: web.Request) -> web.Response:
        """Serve one request."""
        operation = "events" if request.path.endswith("/events") else "get"
        if request.method == "GET" and self._lagging[operation]:
            self._lagging[operation] -= 1
            status, body = self._remembered[request.path]
        else:
            status, body = await self._passed_on(request)
        if request.method == "GET":
            self._latest[request.path] = status, body
        return web.Response(status=status, body=body, content_type="application/json")

    async def _passed_on(self, request: web.Request) -> tuple[int, bytes]:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        url, body = f"{self._target}{request.path}", await request.read()
        try:
            async with self._session.request(request.method, url, headers=headers, data=body) as reply:
                return reply.status, await reply.read()
        except aiohttp.ClientError:
            assert request.transport is not None
            request.transport.abort()  # as the sandbox did
            raise web.HTTPBadGateway from None


@asynccontextmanager
async def lagging(sandbox: Sandbox) -> AsyncIterator[LaggingReads]:
    """Such a proxy, on a free port."""
    async with aiohttp.ClientSession() as session:
        proxy = LaggingReads(session, sandbox.base_url)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", proxy.answer)
        async with served(app) as proxy.url:
            yield proxy
