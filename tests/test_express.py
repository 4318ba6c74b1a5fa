"""The shop's endpoint for shipping options, asked by the sandbox and by others."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Route

from tests.support.payments import REFERENCE
from tests.support.webhooks.asgi_sites import served
from vipps_async import Address, Amount, InvalidRequest, ShippingGroup, ShippingOption, VippsClient
from vipps_async.errors import ConfigurationError
from vipps_async.express import ShippingEndpoint, ShippingRequest
from vipps_async.sandbox import ActionRefused, Sandbox
from vipps_async.webhooks import IncomingRequest

TOKEN = "a1b2-c3d4"
PATH = "/vipps/shipping"
HOME = ShippingOption(id="home", name="To your door", amount=Amount(9900, "NOK"))
GROUPS = [ShippingGroup(type="HOME_DELIVERY", brand="POSTEN", options=[HOME])]
QUESTION = {
    "reference": REFERENCE,
    "AddressLine1": "Storgata 1",
    "AddressLine2": None,
    "City": "Oslo",
    "PostCode": "0155",
    "Country": "NO",
}


@attrs.define
class Shop:
    """A shop's options: what it was asked, and what it does."""

    asked: list[ShippingRequest] = attrs.field(factory=list)
    groups: Any = GROUPS
    hangs: bool = False

    async def options(self, request: ShippingRequest) -> Any:
        """Return the options."""
        self.asked.append(request)
        if self.hangs:
            await asyncio.sleep(60)
        if isinstance(self.groups, Exception):
            raise self.groups
        return self.groups


def endpoint(shop: Shop, url: str = "https://shop.example/shipping", timeout: float = 5) -> ShippingEndpoint:
    """Make an endpoint."""
    return ShippingEndpoint(shop.options, url=url, token=TOKEN, timeout=timeout)


def incoming(body: Any = QUESTION, *, token: str | None = TOKEN, method: str = "POST") -> IncomingRequest:
    """Return a question."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return IncomingRequest(method, PATH, {} if token is None else {"Authorization": token}, data)


@asynccontextmanager
async def open_shop(shop: Shop) -> AsyncIterator[ShippingEndpoint]:
    """Serve an endpoint in an aiohttp application."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shipping = endpoint(shop, f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
        app = web.Application()
        shipping.setup(app, PATH)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield shipping
        finally:
            await runner.cleanup()


async def create(vipps: VippsClient, shipping: ShippingEndpoint) -> None:
    """Create an Express payment."""
    await vipps.epayment.create(
        amount=Amount(49900, "NOK"),
        reference=REFERENCE,
        return_url="https://shop.example/",
        profile_scope="name address email phoneNumber",
        shipping=shipping.shipping,
    )


@pytest.mark.parametrize("mode", [pytest.param("lenient"), pytest.param("strict", marks=pytest.mark.strict)])
async def test_the_sandbox_asks_and_the_user_chooses(mode: str, sandbox: Sandbox, vipps: VippsClient) -> None:
    """In whichever spelling, the shop reads the address; the price of the option is added."""
    shop = Shop()
    async with open_shop(shop) as shipping:
        await create(vipps, shipping)
        payment = await sandbox.approve(REFERENCE)
    (asked,) = shop.asked
    assert (asked.reference, asked.address.city, asked.address.country) == (REFERENCE, "Oslo", "NO")
    assert asked.address.address_line1 == "Robert Levins gate 5"
    assert asked.address.address_line2 is None
    assert ("addressLine1" in asked.raw) is (mode == "lenient")
    assert payment.authorized_amount == 49900 + 9900
    read = await vipps.epayment.get(REFERENCE)
    assert read.shipping_details is not None
    assert read.shipping_details.shipping_option_id == "home"


async def test_an_address_that_is_not_served(sandbox: Sandbox, vipps: VippsClient) -> None:
    """The user learns so, and the payment stays as it was."""
    shop = Shop(groups=[])
    async with open_shop(shop) as shipping:
        await create(vipps, shipping)
        with pytest.raises(ActionRefused, match="answered 400"):
            await sandbox.approve(REFERENCE)
    assert sandbox.payments[REFERENCE].state == "CREATED"


async def test_in_starlette() -> None:
    """By a route of its own."""
    shop = Shop()
    app = Starlette(routes=[Route(PATH, endpoint(shop).asgi_app())])
    async with served(app) as site, aiohttp.ClientSession() as session:
        async with session.post(site.url(PATH), json=QUESTION, headers={"Authorization": TOKEN}) as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
            (group,) = (await answer.json())["groups"]
        assert group["options"] == [
            {"id": "home", "name": "To your door", "amount": {"value": 9900, "currency": "NOK"}}
        ]
        async with session.post(site.url(PATH), json=QUESTION) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        {name[:1].lower() + name[1:]: value for name, value in QUESTION.items()},
        {"Reference" if name == "reference" else name: value for name, value in QUESTION.items()},
        {**{name[:1].lower() + name[1:]: None for name in QUESTION}, **QUESTION},
    ],
    ids=["documented", "small", "as an older guide has it", "both, of which one is empty"],
)
async def test_every_spelling_is_read(question: Any) -> None:
    """What is there counts."""
    shop = Shop()
    assert (await endpoint(shop).handle(incoming(question))).status == 200
    address = Address(address_line1="Storgata 1", city="Oslo", post_code="0155", country="NO")
    assert [(asked.reference, asked.address) for asked in shop.asked] == [(REFERENCE, address)]


@pytest.mark.parametrize("token", [None, "", "a1b2-c3d", f"{TOKEN}x", f"Bearer {TOKEN}", "å", "\udcff"])
async def test_a_question_without_the_token_is_not_answered(token: str | None) -> None:
    """Nor read."""
    shop = Shop()
    assert (await endpoint(shop).handle(incoming(b"no JSON", token=token))).status == 401
    assert not shop.asked


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (incoming(method="GET"), 405),
        (incoming(b"{"), 400),
        (incoming([]), 400),
        (incoming({}), 400),
        (incoming({**QUESTION, "reference": 5}), 400),
        (incoming(b"[" * 100_000), 413),
        (incoming(b"[" * 50_000), 400),
    ],
)
async def test_what_is_no_question_is_refused(request_: IncomingRequest, status: int) -> None:
    """Without a call of the shop's function."""
    shop = Shop()
    assert (await endpoint(shop).handle(request_)).status == status
    assert not shop.asked


@pytest.mark.parametrize("groups", [RuntimeError("no connection"), None, [{"type": "OTHER"}], "text", 5])
async def test_a_function_that_fails_is_logged(groups: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And answered 500, also where what it returns is no groups."""
    assert (await endpoint(Shop(groups=groups)).handle(incoming())).status == 500
    assert f"the shipping options of {REFERENCE} failed" in caplog.text


async def test_a_function_that_takes_too_long_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The user is waiting."""
    assert (await endpoint(Shop(hangs=True), timeout=0.05).handle(incoming())).status == 503
    assert "took longer than" in caplog.text
    assert (await endpoint(Shop(groups=TimeoutError())).handle(incoming())).status == 500


def test_what_cannot_be_an_endpoint_is_refused() -> None:
    """Where it is made, and the token is shown nowhere."""

    def not_async(_: ShippingRequest) -> list[ShippingGroup]:
        return GROUPS

    url = "https://shop.example/shipping"
    with pytest.raises(ConfigurationError, match="must be an `async def`"):
        ShippingEndpoint(not_async, url=url, token=TOKEN)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(InvalidRequest, match="callback_url"):
        ShippingEndpoint(Shop().options, url="http://shop.example/", token=TOKEN)
    with pytest.raises(InvalidRequest) as refusal:
        ShippingEndpoint(Shop().options, url=url, token="not a token")
    assert "not a token" not in str(refusal.value)
    with pytest.raises(ConfigurationError, match="timeout"):
        endpoint(Shop(), timeout=0)
    assert TOKEN not in repr(endpoint(Shop()).shipping)
