"""What a sandbox has can be saved, and loaded into another: a shop's demo data stays."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from tests.support.running import command
from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, of
from vipps_async import PaymentEvent
from vipps_async.cli import main
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import IncomingRequest, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

AUTHORIZED = "epayments.payment.authorized.v1"
HOUR = timedelta(hours=1)


@pytest.fixture
async def other() -> AsyncIterator[Sandbox]:
    """Another sandbox, on another port."""
    async with Sandbox(retry_delays=[0.02]) as running:
        yield running


def through_json(data: Any) -> Any:
    """What is read of what was written."""
    return json.loads(json.dumps(data))


async def fill(merchant: Merchant) -> None:
    """Have payments in several states."""
    await merchant.authorized(reference="paid-in-part", metadata={"cart": "7"}, profile={"scope": "name"})
    await merchant.modify("capture", of(10000), reference="paid-in-part")
    await merchant.modify("refund", of(2500), reference="paid-in-part")
    await merchant.create(reference="still-open")
    await merchant.create(reference="being-paid", amount={"currency": "NOK", "value": 201})
    await merchant.sandbox.approve("being-paid")


async def test_payments_go_on_elsewhere(merchant: Merchant, other: Sandbox) -> None:
    """With all that happened to them; their users come to the sandbox that has them now."""
    await fill(merchant)
    other.load(through_json(merchant.sandbox.save()))
    before, after = merchant.sandbox.payments, other.payments
    assert list(after) == list(before)
    for reference, payment in after.items():
        assert payment == attrs.evolve(before[reference], redirect_url=payment.redirect_url)
        assert str(payment.redirect_url).startswith(other.base_url)
    async with at(other) as there:
        assert (await there.modify("capture", of(39900), reference="paid-in-part")).status == 200
        assert (await there.get("paid-in-part")).json["metadata"] == {"cart": "7"}
        assert (await there.create(reference="still-open")).code == "4150"
    await other.approve("still-open")
    assert after["still-open"].state == "AUTHORIZED"


async def test_a_call_that_is_repeated_by_its_key_takes_no_effect_twice(merchant: Merchant, other: Sandbox) -> None:
    """It is answered as before, but for where the user is sent; the key with another body is refused."""
    created = await merchant.create(key="create-1")
    await merchant.sandbox.approve(REFERENCE)
    captured = await merchant.modify("capture", of(10000), key="capture-1")
    other.load(through_json(merchant.sandbox.save()))
    async with at(other) as there:
        again = await there.create(key="create-1")
        assert (again.status, again.json["reference"]) == (created.status, REFERENCE)
        assert again.json["redirectUrl"] == other.payments[REFERENCE].redirect_url
        assert (await there.modify("capture", of(10000), key="capture-1")).json == captured.json
        assert other.payments[REFERENCE].captured_amount == 10000
        assert (await there.modify("capture", of(20000), key="capture-1")).code == "4010"


async def test_deadlines_go_on(merchant: Merchant, other: Sandbox) -> None:
    """Those that were to come, and an outcome that was not known yet."""
    await fill(merchant)
    other.load(through_json(merchant.sandbox.save()))
    other.clock.advance(HOUR)
    states = {reference: payment.state.value for reference, payment in other.payments.items()}
    assert states == {"paid-in-part": "AUTHORIZED", "still-open": "EXPIRED", "being-paid": "AUTHORIZED"}
    other.clock.advance(timedelta(days=181))
    assert other.payments["paid-in-part"].cancelled_amount == 39900


async def test_the_clock_is_no_earlier_than_it_was(merchant: Merchant, other: Sandbox) -> None:
    """And what fell due is done."""
    merchant.sandbox.clock.advance(timedelta(days=30))
    await merchant.sign_in()
    await merchant.create()
    data = through_json(merchant.sandbox.save())
    other.load(data)
    assert other.clock.now() >= datetime.fromisoformat(data["now"])
    ahead = other.clock.offset
    await other.reset()
    other.clock.advance(timedelta(days=31))
    other.load(data)
    assert other.clock.offset == timedelta(days=31) > ahead
    assert other.payments[REFERENCE].state == "EXPIRED"


async def test_webhooks_are_signed_as_before(merchant: Merchant, other: Sandbox, shop: Shop) -> None:
    """With the secret that the shop keeps."""
    registered = (await merchant.register(shop.url, AUTHORIZED)).json
    other.load(through_json(merchant.sandbox.save()))
    async with at(other) as there:
        await there.authorized()
    await other.settled()
    ((headers, body, target),) = shop.received
    receiver = WebhookReceiver(url=shop.url, secrets=[registered["secret"]], store=MemoryStore())
    taken: list[str] = []

    @receiver.on(PaymentEvent)
    async def note(event: PaymentEvent) -> None:
        taken.append(event.reference)

    assert (await receiver.handle(IncomingRequest("POST", target, headers, body))).status == 200
    assert (taken, headers["Webhook-Id"]) == ([REFERENCE], registered["id"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        lambda data: {**data, "version": 2},
        lambda data: {**data, "now": "yesterday"},
        lambda data: {**data, "webhooks": [{"id": "1"}]},
        lambda data: {**data, "answers": [{"key": "1"}]},
        lambda data: {**data, "addresses": None},
        lambda data: {**data, "apis": {"epayment": {"payments": [{"reference": "x"}]}}},
    ],
)
async def test_what_was_not_saved_is_refused(merchant: Merchant, other: Sandbox, spoil: Any) -> None:
    """In Python and over HTTP, and nothing is changed."""
    await merchant.create()
    data = spoil(through_json(merchant.sandbox.save()))
    with pytest.raises(ConfigurationError):
        other.load(data)
    async with at(other) as there:
        assert (await there.send("POST", "/sandbox/state", json=data)).status == 400
    assert not other.payments


async def test_what_is_there_is_not_overwritten(merchant: Merchant) -> None:
    """A payment of that reference is in the way, and is named."""
    await merchant.create()
    data = through_json(merchant.sandbox.save())
    with pytest.raises(ConfigurationError, match=REFERENCE):
        merchant.sandbox.load(data)
    await merchant.sandbox.reset()
    merchant.sandbox.load(data)
    assert list(merchant.sandbox.payments) == [REFERENCE]


async def test_a_file_is_saved_over_http_and_loaded_on_the_command_line(merchant: Merchant, tmp_path: Path) -> None:
    """As the page's link saves it."""
    await fill(merchant)
    file = tmp_path / "shop.json"
    file.write_bytes((await merchant.send("GET", "/sandbox/state")).body)
    async with (
        command("sandbox", "--port", "0", "--load", str(file), exports=5) as running,
        aiohttp.ClientSession() as session,
        session.get(running.environ["VIPPS_ENVIRONMENT"] + "/sandbox/payments") as answer,
    ):
        payments = (await answer.json())["payments"]
    assert [payment["reference"] for payment in payments] == ["paid-in-part", "still-open", "being-paid"]


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("no JSON", "Expecting value")])
def test_a_file_that_holds_no_state_is_named(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything starts."""
    file = tmp_path / "shop.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit):
        main(["sandbox", "--load", str(file)])
    told = " ".join(capsys.readouterr().err.split())
    assert "holds no state of a sandbox" in told
    assert said in told
