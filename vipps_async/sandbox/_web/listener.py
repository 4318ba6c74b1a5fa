"""Listen on a TCP port with aiohttp; go away and come back on the same one."""

import asyncio
import logging
import ssl
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from vipps_async.sandbox._web.http import BODY_LIMIT

_log = logging.getLogger("vipps_async.sandbox")

_SHUTDOWN = 1.0  # seconds that a request in progress has left once the server stops
_BACKLOG = 4096
# A server that listens on every interface is reached through loopback.
_REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound to


class Listener:
    """A server for one application.

    Args:
        host: the interface.
        port: 0 for any free one.
        ssl_context: for https; ``None`` for http.
        routes: what it serves.
        middlewares: wrap every handler, the first one outermost.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        routes: Iterable[web.RouteDef],
        middlewares: Iterable[Middleware],
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._bound: int | None = None
        self._routes = tuple(routes)
        self._middlewares = tuple(middlewares)
        self._runner: web.AppRunner | None = None
        self._outage: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        """The address, without a slash at its end.

        Raises:
            RuntimeError: the server was not started.
        """
        if self._bound is None:
            raise RuntimeError("the sandbox has no address before it is started")
        scheme = "http" if self._ssl_context is None else "https"
        return str(URL.build(scheme=scheme, host=_REACHED_BY.get(self._host, self._host), port=self._bound))

    async def start(self) -> None:
        """Start to listen.

        Raises:
            RuntimeError: it listens already.
            OSError: the port is taken.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox is running already")
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=self._middlewares)
        app.add_routes(self._routes)
        # Handlers run to their end when a client leaves, as they do at the real platform.
        runner = web.AppRunner(
            app,
            logger=_log,
            access_log=None,
            handler_cancellation=False,
            auto_decompress=False,
            shutdown_timeout=_SHUTDOWN,
        )
        await runner.setup()
        try:
            await self._listen(runner, self._bound or self._port)
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop to listen, cut what is open, and let the rest end."""
        if self._outage is not None:
            self._outage.cancel()
            await asyncio.wait([self._outage])
            self._outage = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await self._hang_up(runner)
            await runner.cleanup()

    async def go_offline(self) -> None:
        """Refuse new connections and cut the open ones."""
        if self._runner is not None:
            await self._hang_up(self._runner)

    async def come_back(self) -> None:
        """Listen again, on the same port."""
        if self._runner is not None:
            await self._listen(self._runner, self._bound or self._port)

    def refuse_connections(self, seconds: float) -> None:
        """Go offline in the background, and come back after *seconds*."""
        if self._outage is None or self._outage.done():
            self._outage = asyncio.create_task(self._stay_away(seconds))

    async def _stay_away(self, seconds: float) -> None:
        await self.go_offline()
        await asyncio.sleep(seconds)
        await self.come_back()

    async def _listen(self, runner: web.AppRunner, port: int) -> None:
        site = web.TCPSite(runner, self._host, port, backlog=_BACKLOG, ssl_context=self._ssl_context)
        await site.start()
        self._bound = runner.addresses[0][1]

    async def _hang_up(self, runner: web.AppRunner) -> None:
        for site in runner.sites:
            await site.stop()
        # One turn of the loop, in which connections that were accepted become known to the server.
        await asyncio.sleep(0)
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
