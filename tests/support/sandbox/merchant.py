"""A merchant that talks to the sandbox with nothing but aiohttp, and a shop server that webhooks can reach."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
from aiohttp import web
from multidict import CIMultiDict

from tests.support.raw_server import served
from vipps_async.sandbox import Sandbox

PAYMENTS = "/epayment/v1/payments"
REFERENCE = "acme-shop-123-order123abc"


@attrs.frozen(kw_only=True)
class Got:
    """A reply, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error code, where the problem has one."""
        details = self.json.get("extraDetails") or ()
        return next((each["reason"] for each in details if each["name"] == "ErrorCode"), None)

    @property
    def fields(self) -> dict[str, str]:
        """The bad fields of a validation problem."""
        return {each["name"]: each["reason"] for each in self.json.get("extraDetails") or ()}


def create_body(**changes: Any) -> dict[str, Any]:
    """Return the documented minimal create request with *changes*; ``None`` takes a field away."""
    body = {
        "amount": {"currency": "NOK", "value": 49900},
        "paymentMethod": {"type": "WALLET"},
        "reference": REFERENCE,
        "returnUrl": f"https://example.com/redirect?reference={REFERENCE}",
        "userFlow": "WEB_REDIRECT",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def of(value: int, currency: str = "NOK") -> dict[str, Any]:
    """Return the body of a modification."""
    return {"modificationAmount": {"currency": currency, "value": value}}


class Merchant:
    """Calls the API of one sandbox."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.keys = 0
        self.authorization: dict[str, str] = {}

    @property
    def token_headers(self) -> dict[str, str]:
        """The headers of a token request."""
        credentials = self.sandbox.credentials
        return {
            "client_id": str(credentials.client_id),
            "client_secret": str(credentials.client_secret),
            "Ocp-Apim-Subscription-Key": str(credentials.subscription_key),
        }

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an API call."""
        credentials = self.sandbox.credentials
        return {
            "Ocp-Apim-Subscription-Key": str(credentials.subscription_key),
            "Merchant-Serial-Number": credentials.merchant_serial_number,
            **self.authorization,
        }

    def fresh_key(self) -> str:
        """Return an idempotency key that was not used before."""
        self.keys += 1
        return f"key-{self.keys}"

    async def send(self, method: str, path: str, **kwargs: Any) -> Got:
        """Send a request as it is."""
        async with self.session.request(method, path, allow_redirects=False, **kwargs) as response:
            return Got(status=response.status, headers=response.headers, body=await response.read())

    async def sign_in(self) -> Got:
        """Fetch an access token and use it from now on."""
        got = await self.send("POST", "/accesstoken/get", headers=self.token_headers)
        self.authorization = {"Authorization": f"Bearer {got.json['access_token']}"}
        return got

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Got:
        """Call the API; a header that is ``None`` is left out."""
        merged = {**self.headers, **({"Idempotency-Key": key} if key else {}), **(headers or {})}
        sent = {name: value for name, value in merged.items() if value is not None}
        return await self.send(method, path, headers=sent, **({} if body is None else {"json": body}))

    async def create(self, *, key: str | None = None, **changes: Any) -> Got:
        """Create a payment from the documented minimal request."""
        return await self.call("POST", PAYMENTS, create_body(**changes), key=key or self.fresh_key())

    async def get(self, reference: str = REFERENCE) -> Got:
        """Read a payment."""
        return await self.call("GET", f"{PAYMENTS}/{reference}")

    async def events(self, reference: str = REFERENCE) -> list[Any]:
        """Read an event log."""
        got = await self.call("GET", f"{PAYMENTS}/{reference}/events")
        return list(got.json)

    async def modify(
        self, operation: str, body: Any = None, *, key: str | None = None, reference: str = REFERENCE
    ) -> Got:
        """Capture, refund or cancel."""
        return await self.call("POST", f"{PAYMENTS}/{reference}/{operation}", body, key=key or self.fresh_key())

    async def authorized(self, **changes: Any) -> str:
        """Create a payment, approve it, and return its reference."""
        reference: str = (await self.create(**changes)).json["reference"]
        await self.sandbox.approve(reference)
        return reference

    async def register(self, url: str, *events: str) -> Got:
        """Register a webhook through the API."""
        return await self.call("POST", "/webhooks/v1/webhooks", {"url": url, "events": list(events)})


@asynccontextmanager
async def at(sandbox: Sandbox) -> AsyncIterator[Merchant]:
    """Open a merchant that is signed in at *sandbox*."""
    async with aiohttp.ClientSession(sandbox.base_url) as session:
        merchant = Merchant(sandbox, session)
        await merchant.sign_in()
        yield merchant


async def until(condition: Callable[[], object], *, timeout: float = 5) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


@attrs.define
class Shop:
    """A server that takes deliveries: it answers with *statuses* one after the other, and 200 from then on."""

    url: str = ""
    answer: str = "thank you"
    statuses: list[int] = attrs.field(factory=list)
    received: list[tuple[Mapping[str, str], bytes, str]] = attrs.field(factory=list)
    refused_references: set[str] = attrs.field(factory=set)
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def bodies(self) -> list[Any]:
        """What was delivered, decoded."""
        return [json.loads(body) for _, body, _ in self.received]

    async def take(self, request: web.Request) -> web.Response:
        """Take one delivery."""
        await self.gate.wait()
        body = await request.read()
        self.received.append((request.headers, body, request.raw_path))
        if json.loads(body).get("reference") in self.refused_references:
            return web.Response(status=500, text="not this one")
        status = self.statuses.pop(0) if self.statuses else 200
        headers = [("Location", "/elsewhere"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        return web.Response(status=status, text=self.answer, headers=CIMultiDict(headers))


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """Open a shop on a free port."""
    opened = Shop()
    opened.gate.set()
    app = web.Application()
    app.router.add_post("/hook", opened.take)
    async with served(app) as address:
        opened.url = f"{address}/hook"
        try:
            yield opened
        finally:
            opened.gate.set()
