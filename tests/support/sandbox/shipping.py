"""Express payments, and a merchant's shipping callback that the sandbox asks over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web

from tests.support.raw_server import served


@attrs.define
class Callback:
    """A merchant's shipping callback.

    Attributes:
        url: where it is.
        status: of its answer.
        answer: the answer's body.
        gate: set when it may say so.
        asked: headers and body of each question.
    """

    url: str = ""
    status: int = 200
    answer: bytes = b""
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)
    asked: list[tuple[Mapping[str, str], Any]] = attrs.field(factory=list)

    def say(self, body: Any, status: int = 200) -> None:
        """Answer with *body*, as JSON unless it is bytes, and at once."""
        self.answer = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        """Take one question."""
        self.asked.append((request.headers, await request.json()))
        await self.gate.wait()
        return web.Response(status=self.status, body=self.answer, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def callback() -> AsyncIterator[Callback]:
    """Open a shipping callback on a free port."""
    opened = Callback()
    app = web.Application()
    app.router.add_post("/shipping", opened.take)
    async with served(app) as address:
        opened.url = f"{address}/shipping"
        try:
            yield opened
        finally:
            opened.gate.set()


def express(url: str, *, authorization: str = "a1b2-c3d4", **shipping: Any) -> dict[str, Any]:
    """Return what makes a payment an Express payment with dynamic options."""
    options = {"callbackUrl": url, "callbackAuthorizationToken": authorization}
    return {
        "profile": {"scope": "name address email phoneNumber"},
        "shipping": {"dynamicOptions": options, **shipping},
    }


def option(identifier: str, value: int, **changes: Any) -> dict[str, Any]:
    """Return a shipping option that costs *value* minor units of NOK."""
    return {"id": identifier, "amount": {"currency": "NOK", "value": value}, "name": f"By {identifier}", **changes}


HOME = {"brand": "POSTEN", "type": "HOME_DELIVERY", "options": [option("van", 9900), option("bike", 4900)]}
PICKUP = {"brand": "POSTNORD", "type": "PICKUP_POINT", "options": [option("locker", 1900)]}

ELSEWHERE = {
    "addressLine1": "Storgata 1",
    "addressLine2": "c/o Babbage",
    "city": "Bergen",
    "postCode": "5003",
    "country": "NO",
}


def fixed(*groups: Any) -> dict[str, Any]:
    """Return what makes a payment of 10.00 NOK an Express payment with fixed options."""
    return {
        "amount": {"currency": "NOK", "value": 1000},
        "profile": {"scope": "name address email phoneNumber"},
        "shipping": {"fixedOptions": list(groups)},
    }
