"""Express payments, and a merchant's shipping callback that the sandbox asks over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web


@attrs.define
class Callback:
    """A merchant's shipping callback.

    Attributes:
        url: where it is.
        answer: what it says.
        gate: set when it may say so.
        asked: headers and body of each question.
    """

    url: str = ""
    answer: web.Response = attrs.field(factory=web.Response)
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)
    asked: list[tuple[Mapping[str, str], Any]] = attrs.field(factory=list)

    def say(self, body: Any, status: int = 200) -> None:
        """Answer with *body*, as JSON unless it is bytes, and at once."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = web.Response(status=status, body=data, headers={"Location": "/elsewhere"})
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        """Take one question."""
        self.asked.append((request.headers, await request.json()))
        await self.gate.wait()
        return self.answer


@asynccontextmanager
async def callback() -> AsyncIterator[Callback]:
    """Open a shipping callback on a free port."""
    served = Callback()
    app = web.Application()
    app.router.add_post("/shipping", served.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{site.port}/shipping"
    try:
        yield served
    finally:
        served.gate.set()
        await runner.cleanup()


def express(url: str, **shipping: Any) -> dict[str, Any]:
    """Return what makes a payment an Express payment with dynamic options."""
    options = {"callbackUrl": url, "callbackAuthorizationToken": "a1b2-c3d4"}
    return {
        "profile": {"scope": "name address email phoneNumber"},
        "shipping": {"dynamicOptions": options, **shipping},
    }
