"""The fixtures of the pytest plugin, in tests with an event loop and in tests without one."""

import asyncio
import socket
import threading
from collections import Counter
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.agreements import draft
from tests.support.payments import PRICE, REFERENCE, create
from vipps_async import Amount, PaymentEvent, PaymentState, VippsClient
from vipps_async.errors import BadRequest, ConfigurationError, ConnectionFailed
from vipps_async.recurring import AgreementEvent, AgreementEventType, ChargeEvent, ChargeEventType
from vipps_async.sandbox import Fault, Sandbox, UnknownReference, run_in_thread
from vipps_async.sandbox._epayment.lifecycle import State
from vipps_async.testing.events import EventSource
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

DRAFT = pytest.mark.parametrize("vipps_sandbox", [{"dialect": "draft"}], indirect=True)


async def test_a_payment_in_an_asynchronous_test(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """Client and sandbox are used in the test's own loop; what was read of the sandbox does not change."""
    before = vipps_sandbox.payments
    await create(vipps_client)
    assert not before
    approved = await vipps_sandbox.approve(REFERENCE)
    assert approved == vipps_sandbox.payments[REFERENCE]
    captured = await vipps_client.epayment.capture(REFERENCE)
    assert captured.aggregate.captured_amount == PRICE


def test_a_payment_in_a_synchronous_test(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """Client and sandbox are used in one loop after another, and no loop's end leaves anything open."""
    asyncio.run(create(vipps_client))
    asyncio.run(vipps_sandbox.approve(REFERENCE))
    assert asyncio.run(vipps_client.epayment.get(REFERENCE)).state is PaymentState.AUTHORIZED
    assert vipps_sandbox.payments[REFERENCE].state is State.AUTHORIZED
    assert len(vipps_sandbox.requests) == 3


@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_client_errors_in_a_synchronous_test(operation: str, vipps_client: VippsClient) -> None:
    """A refusal is raised as in an asynchronous test, and leaves nothing open either."""
    asyncio.run(create(vipps_client))
    with pytest.raises(BadRequest):
        asyncio.run(getattr(vipps_client.epayment, operation)(REFERENCE, PRICE))


@pytest.mark.parametrize("vipps_sandbox", [{"retry_delays": [3600]}], indirect=True)
async def test_what_each_apis_handle_brings_about_is_sent(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """The users of payments and of agreements act in the sandbox's loop, from which events go out."""
    await vipps_sandbox.add_webhook(f"{vipps_sandbox.base_url}/nobody")
    await create(vipps_client)
    await vipps_sandbox.recurring.accept(await draft(vipps_client))
    await vipps_sandbox.epayment.reject(REFERENCE)
    assert vipps_sandbox.epayment.payments[REFERENCE].state is State.ABORTED

    def sent() -> set[str]:
        return {delivery.event for delivery in vipps_sandbox.deliveries}

    async with asyncio.timeout(10):
        while not {"CREATED", "recurring.agreement-activated.v1"} <= sent():
            await asyncio.sleep(0.01)


async def test_events_reach_a_webhook_in_the_tests_own_loop(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """What a call, an approval and a moved clock bring about is delivered while the test waits, failures again."""
    statuses = [500]

    async def take(_: web.Request) -> web.Response:
        return web.Response(status=statuses.pop() if statuses else 200)

    app = web.Application()
    app.router.add_post("/hook", take)
    async with TestServer(app) as server:
        await vipps_sandbox.add_webhook(str(server.make_url("/hook")))
        await create(vipps_client)
        await vipps_sandbox.settled()
        await vipps_sandbox.approve(REFERENCE)
        await create(vipps_client, "order-0002")
        vipps_sandbox.clock.advance(timedelta(minutes=11))
        await vipps_sandbox.settled()
    assert Counter(delivery.status for delivery in vipps_sandbox.deliveries) == {500: 1, 200: 4}
    assert {delivery.event for delivery in vipps_sandbox.deliveries} == {"CREATED", "AUTHORIZED", "EXPIRED"}


async def test_faults_strike_and_are_withdrawn(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """Faults, revoked tokens and an outage are what they are without the plugin."""
    vipps_sandbox.fail("epayment.create", Fault.RESET_AFTER)
    vipps_sandbox.fail("get", Fault.STATUS_503, times=None)
    await create(vipps_client)
    vipps_sandbox.clear_faults()
    vipps_sandbox.revoke_tokens()
    async with vipps_sandbox.offline():
        with pytest.raises(ConnectionFailed):
            await vipps_client.epayment.get(REFERENCE)
    assert (await vipps_client.epayment.get(REFERENCE)).state is PaymentState.CREATED
    assert [(request.operation, request.fault, request.status) for request in vipps_sandbox.requests] == [
        ("accesstoken.issue-token", None, 200),
        ("epayment.create", Fault.RESET_AFTER, None),
        ("epayment.create", None, 201),
        ("epayment.get", None, 401),
        ("accesstoken.issue-token", None, 200),
        ("epayment.get", None, 200),
    ]


async def test_errors_come_as_they_are(vipps_sandbox: Sandbox) -> None:
    """What a sandbox raises, by a call or by a coroutine, arrives in the test."""
    with pytest.raises(UnknownReference):
        await vipps_sandbox.approve("order-9999")
    with pytest.raises(ValueError, match=r"is none of accesstoken\.issue-token, epayment\.create"):
        vipps_sandbox.fail("steal", Fault.STATUS_500)
    with pytest.raises(AttributeError):
        vipps_sandbox.steal  # type: ignore[attr-defined]  # noqa: B018 - that there is no such thing is the claim


@DRAFT
async def test_settings_are_given_by_parametrization(vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """A sandbox with other settings: here one that speaks the draft."""
    await create(vipps_client)
    await vipps_sandbox.approve(REFERENCE)
    assert (await vipps_client.epayment.capture(REFERENCE, PRICE)).is_accepted_only


seen: list[str] = []


@pytest.mark.parametrize("turn", range(3))
async def test_each_test_has_a_sandbox_to_itself(turn: int, vipps_sandbox: Sandbox, vipps_client: VippsClient) -> None:
    """Nothing of a test is there in the next: payment, key, webhook, delivery, fault, time, token, thread."""
    assert vipps_sandbox.clock.offset == timedelta()
    assert [*vipps_sandbox.payments, *vipps_sandbox.deliveries, *vipps_sandbox.requests] == []
    assert await vipps_client.webhooks.list() == []
    for token in seen:
        assert await _status_with(token, vipps_sandbox) == 401
    await vipps_client.epayment.create(
        amount=PRICE, reference=f"{REFERENCE}-{turn}", return_url="https://shop.example/", idempotency_key="the-same"
    )
    await vipps_client.webhooks.register("http://127.0.0.1:9/hook")
    vipps_sandbox.clock.advance(timedelta(hours=1))
    vipps_sandbox.fail("list", Fault.STATUS_500, times=None)
    seen.append(next(iter(vipps_client._tokens._token.headers.values())))  # type: ignore[union-attr]  # it has one
    assert [thread.name for thread in threading.enumerate()].count("vipps_sandbox") == 1


async def _status_with(authorization: str, sandbox: Sandbox) -> int:
    headers = {
        "Authorization": authorization,
        "Ocp-Apim-Subscription-Key": sandbox.credentials.subscription_key,
        "Merchant-Serial-Number": sandbox.credentials.merchant_serial_number,
    }
    url = f"{sandbox.base_url}/epayment/v1/payments/{REFERENCE}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status


@pytest.fixture
def receiver(vipps_event: EventSource) -> WebhookReceiver:
    """A receiver of what `vipps_event` makes."""
    return WebhookReceiver(url=vipps_event.url, secrets=[vipps_event.secret], store=MemoryStore())


async def test_events_are_handled_once(vipps_event: EventSource, receiver: WebhookReceiver) -> None:
    """A delivery is authentic and says what was asked for; made twice, it has one effect."""
    handled: list[PaymentEvent] = []

    @receiver.on("AUTHORIZED")
    async def note(event: PaymentEvent) -> None:
        handled.append(event)

    delivery = vipps_event("AUTHORIZED", reference=REFERENCE, amount=PRICE, idempotency_key="key")
    assert [(await receiver.handle(delivery.request)).status for _ in range(2)] == [200, 200]
    assert [(event.name, event.reference, event.amount, event.idempotency_key) for event in handled] == [
        ("AUTHORIZED", REFERENCE, PRICE, "key")
    ]


async def test_each_call_makes_another_event(vipps_event: EventSource, receiver: WebhookReceiver) -> None:
    """Two events of one name are two, one can tell of a failure, and the draft's names are understood."""
    handled: list[tuple[str, bool]] = []

    @receiver.on_failed(PaymentEvent)
    @receiver.on(PaymentEvent)
    async def note(event: PaymentEvent) -> None:
        handled.append((event.name, event.success))

    told = [("CAPTURED", True), ("CAPTURED", True), ("CAPTURED", False), ("AUTHORISATION", True)]
    for name, success in told:
        await receiver.handle(vipps_event(name, success=success).request)
    assert handled == [*told[:3], ("AUTHORIZED", True)]


@pytest.mark.parametrize("name", ["CAPTURD", "authorized", ""])
def test_a_name_that_no_event_has_is_refused(vipps_event: EventSource, name: str) -> None:
    """A test of a misspelt event would pass by handling nothing."""
    with pytest.raises(ConfigurationError, match=rf"name='{name}' is none of CREATED, .*CAPTURED"):
        vipps_event(name)


async def test_events_are_posted_to_a_server(vipps_event: EventSource, receiver: WebhookReceiver) -> None:
    """A delivery that is posted to the receiver where the test serves it is taken, and with another secret is not."""
    app = web.Application()
    receiver.setup(app, "/anywhere")

    @receiver.on(PaymentEvent)
    async def note(_: PaymentEvent) -> None:
        return

    async with TestServer(app) as server:
        url = str(server.make_url("/anywhere"))
        assert (await vipps_event("CREATED").post(url)).status == 200
        assert (await EventSource(secret="another")("CREATED").post(url)).status == 401


@pytest.fixture(scope="module")
def addresses(vipps_sandbox_session: Sandbox) -> list[str]:
    """What a fixture that lives longer than a test is told, and what tests add."""
    return [vipps_sandbox_session.base_url]


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_session_has_one_sandbox(vipps_sandbox_session: Sandbox, addresses: list[str], time: str) -> None:
    """Each test has the same one, and finds it empty if the one before reset it."""
    assert vipps_sandbox_session.base_url == addresses[0]
    assert not vipps_sandbox_session.payments

    async def check_out() -> None:
        sandbox = vipps_sandbox_session
        async with VippsClient(sandbox.credentials, environment=sandbox.environment) as client:
            await create(client)

    asyncio.run(check_out())
    asyncio.run(vipps_sandbox_session.approve(REFERENCE))
    assert vipps_sandbox_session.payments[REFERENCE].state is State.AUTHORIZED
    asyncio.run(vipps_sandbox_session.reset())


def test_a_sandbox_in_a_thread_ends_with_its_block() -> None:
    """Its settings are those of Sandbox; at the end, or if it does not start, no port and no thread is left."""
    before = threading.active_count()
    with run_in_thread(dialect="draft", copies=2) as sandbox:
        port = urlsplit(sandbox.base_url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), run_in_thread(port=port):
            pytest.fail("two servers cannot have one port")
    with pytest.raises(ConfigurationError, match="dialect"), run_in_thread(dialect="klingon"):
        pytest.fail("there is no such dialect")
    with socket.create_server(("127.0.0.1", port)):
        assert threading.active_count() == before


async def test_events_of_agreements_and_charges_are_made_too(vipps_event: EventSource) -> None:
    """By their types, of a charge and an agreement that a test names."""
    receiver = WebhookReceiver(url=vipps_event.url, secrets=[vipps_event.secret], store=MemoryStore())
    seen = list[tuple[str, str, Amount]]()

    @receiver.on(ChargeEventType.CAPTURED)
    async def taken(event: ChargeEvent) -> None:
        seen.append((event.agreement_id, event.charge_id, event.amount_captured))

    @receiver.on(AgreementEventType.STOPPED)
    async def stopped(event: AgreementEvent) -> None:
        seen.append((event.agreement_id, str(event.actor), Amount(0, "NOK")))

    made = vipps_event(ChargeEventType.CAPTURED, reference="order-1", agreement_id="agr_1", amount=Amount(100, "EUR"))
    stop = vipps_event("recurring.agreement-stopped.v1", agreement_id="agr_1")
    for delivery in (made, made, stop):
        assert (await receiver.handle(delivery.request)).status == 200
    assert seen == [("agr_1", "order-1", Amount(100, "EUR")), ("agr_1", "USER", Amount(0, "NOK"))]
    with pytest.raises(ConfigurationError, match="must be one of"):
        vipps_event("recurring.charge-doubted.v1")
