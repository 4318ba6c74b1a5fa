"""An API that the package has never heard of is entered from outside: called, delivered, received and handled."""

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from aiohttp import web

from vipps_async import BadRequest, ConfigurationError, Forbidden, VippsClient
from vipps_async._events import netstrings
from vipps_async._http.call import read, write
from vipps_async._http.reply import read_as
from vipps_async.sandbox import APIS, ApiDefinition, SampleFacts, Sandbox
from vipps_async.sandbox._platform.api import Platform
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._platform.problems import coded, plain
from vipps_async.sandbox._platform.replies import HttpReply, of_json
from vipps_async.sandbox._platform.routes import ApiRequest, Key, Route
from vipps_async.sandbox._platform.schema import Check, record, text
from vipps_async.webhooks import FAMILIES, EventFamily, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

SECRET = "of-the-toy-s-webhook"
PARKED = "toy.car-parked.v1"
ERRORS = {"9010": (400, "Car park full", "There is no space left.")}


# The client's folder


@attrs.frozen(kw_only=True)
class Ticket:
    """A model."""

    car_id: str
    hours: int
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class CarParked:
    """An event."""

    car_id: str
    occurred: datetime
    msn: str
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    type = PARKED
    success = True

    @property
    def dedup_key(self) -> str:
        """What makes two deliveries the same."""
        return netstrings(self.msn, self.type, self.car_id)

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.car_id

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return self.occurred


PARKING = EventFamily(model=CarParked, types=(PARKED,), recognise=lambda said: said.get("eventType") == PARKED)


class Toy:
    """Calls the API."""

    def __init__(self, vipps: VippsClient) -> None:
        self._session = vipps.session

    async def park(self, car_id: str, *, hours: int, key: str) -> Ticket:
        """Buy a ticket."""
        call = write("park", "/toy/v1/tickets", {"carId": car_id, "hours": hours}, key=key)
        return await self._session.send(call, lambda document: read_as(document, Ticket))

    async def get(self, car_id: str) -> Ticket:
        """Look at one."""
        return await self._session.send(
            read("get ticket", f"/toy/v1/tickets/{car_id}"), lambda document: read_as(document, Ticket)
        )


# The sandbox's folder


class CarPark:
    """The API of one sandbox."""

    page = None

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.tickets: dict[str, dict[str, Any]] = {}

    def expire_due(self, *, now: datetime) -> None:
        """Nothing falls due."""

    def clear(self) -> None:
        """Forget everything."""
        self.tickets.clear()

    def save(self) -> Any:
        """Return the tickets."""
        return self.tickets

    def restore(self, data: Any) -> None:
        """Sell the tickets again."""
        self.tickets |= data

    def park(self, request: ApiRequest) -> HttpReply:
        """Sell a ticket."""
        if self.tickets:
            raise coded(ERRORS, "9010")
        ticket = {"carId": request.body["carId"], "hours": request.body["hours"]}
        self.tickets[ticket["carId"]] = ticket
        msn = self.platform.credentials.merchant_serial_number
        self.platform.publish(
            SandboxEvent(
                type=PARKED,
                name=PARKED,
                reference=ticket["carId"],
                id="1",
                amount=None,
                occurred_at=request.now,
                render=lambda: body_of(ticket["carId"], msn, request.now),
            )
        )
        return of_json(201, ticket)

    def get(self, request: ApiRequest) -> HttpReply:
        """Show one."""
        if request.resource not in self.tickets:
            raise plain(404, "There is no such ticket.")
        return of_json(200, self.tickets[request.resource])


def body_of(car_id: str, msn: str, now: datetime) -> bytes:
    """Return an event's body."""
    said = {"eventType": PARKED, "carId": car_id, "msn": msn, "occurred": now.astimezone(UTC).isoformat()}
    return json.dumps(said).encode()


def _any(_: Any, __: str) -> Any:
    return iter(())


TOY = ApiDefinition(
    name="toy",
    prefix="/toy",
    routes=(
        Route(
            "toy.park",
            "POST",
            "/toy/v1/tickets",
            handle=CarPark.park,
            key=Key.REQUIRED,
            body=record(required={"carId": text(), "hours": Check(_any)}),
            subject="carId",
        ),
        Route(
            "toy.get-ticket",
            "GET",
            "/toy/v1/tickets/{car}",
            handle=CarPark.get,
            subject="{car}",
            reads=True,
        ),
    ),
    open=CarPark,
    errors=ERRORS,
    event_types={PARKED: PARKED},
    sample=lambda _, facts: body_of(facts.reference or "EL1", facts.msn, facts.now),
)


@pytest.fixture
async def sandbox() -> Any:
    """A sandbox that serves the API beside its own."""
    async with Sandbox(apis=(*APIS, TOY), retry_delays=[0.02]) as running:
        yield running


@asynccontextmanager
async def shop(parked: list[CarParked]) -> AsyncIterator[str]:
    """A server with a receiver that knows the API's events; yields the URL of its webhook."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/events"
        receiver = WebhookReceiver(url=url, secrets=[SECRET], store=MemoryStore(), families=(*FAMILIES, PARKING))

        @receiver.on(CarParked)
        async def note(event: CarParked) -> None:
            parked.append(event)

        app = web.Application()
        receiver.setup(app, "/events")
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield url
        await runner.cleanup()


async def test_it_is_called_answered_delivered_received_and_handled(sandbox: Sandbox, vipps: VippsClient) -> None:
    """From the call to the handler of its event, which is delivered twice and handled once."""
    parked: list[CarParked] = []
    async with shop(parked) as url:
        await sandbox.add_webhook(url, [PARKED], secret=SECRET)
        sandbox.fail_delivery("duplicate", event=PARKED)
        ticket = await Toy(vipps).park("EL12345", hours=2, key="k1")
        assert ticket == await Toy(vipps).get("EL12345")
        await sandbox.settled()
    assert (ticket.car_id, ticket.hours) == ("EL12345", 2)
    assert [(event.car_id, event.msn) for event in parked] == [("EL12345", "123456")]
    assert [(one.event, one.reference, one.status) for one in sandbox.deliveries] == [(PARKED, "EL12345", 200)] * 2


async def test_its_rules_are_the_platform_s(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Its key is answered once, its error code comes with its words, and a copy of the client calls it as another."""
    toy = Toy(vipps)
    first = await toy.park("EL1", hours=1, key="k1")
    assert await toy.park("EL1", hours=1, key="k1") == first
    with pytest.raises(BadRequest, match="Car park full") as caught:
        await toy.park("EL2", hours=1, key="k2")
    assert (caught.value.code, caught.value.operation) == ("9010", "park")
    operations = [(request.operation, request.took_effect) for request in sandbox.requests[1:]]
    assert operations == [("toy.park", True), ("toy.park", False), ("toy.park", False)]
    with pytest.raises(Forbidden):
        await Toy(vipps.with_options(merchant_serial_number="654321")).get("EL1")


@pytest.mark.parametrize("named", ["toy.park", "park"])
async def test_faults_are_injected_into_it(sandbox: Sandbox, vipps: VippsClient, named: str) -> None:
    """By the whole name of an operation, by the end of it, by its reference, and by its error code."""
    sandbox.fail(named, "9010")
    with pytest.raises(BadRequest, match="Car park full"):
        await Toy(vipps).park("EL1", hours=1, key="k1")
    assert sandbox.injected_faults[-1].operation == "toy.park"
    with pytest.raises(BadRequest, match="Car park full"):
        await Toy(vipps).park("EL1--fault-park-9010", hours=1, key="k2")
    await Toy(vipps).park("EL1--fault-park-9010", hours=1, key="k2")


async def test_a_fault_of_another_api_s_word_misses_it(sandbox: Sandbox, vipps: VippsClient) -> None:
    """``capture`` names no operation of it, and an operation that nobody has is refused with what there is."""
    sandbox.fail("capture", "STATUS_503", times=None)
    await Toy(vipps).park("EL1", hours=1, key="k1")
    with pytest.raises(ConfigurationError, match=r"is none of accesstoken\.issue-token, .*toy\.get-ticket"):
        sandbox.fail("drive", "STATUS_503")


async def test_a_reset_empties_it(sandbox: Sandbox, vipps: VippsClient) -> None:
    """It begins anew with the sandbox."""
    await Toy(vipps).park("EL1", hours=1, key="k1")
    await sandbox.reset()
    assert (await Toy(vipps).park("EL2", hours=1, key="k1")).car_id == "EL2"


def test_it_makes_a_sample_of_its_event() -> None:
    """As whoever wants to see what a receiver does with it asks for one."""
    assert TOY.sample is not None
    facts = SampleFacts(reference=None, amount=1, currency="NOK", event_id=None, msn="123456", now=datetime.now(UTC))
    assert json.loads(TOY.sample(PARKED, facts))["carId"] == "EL1"
