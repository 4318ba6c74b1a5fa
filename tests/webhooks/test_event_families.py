"""Events of every API are received: read by their family, or as unknown ones, once each, and answered 200."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from aiohttp import web

from tests.support.raw_server import served
from tests.support.vectors import document, names
from tests.support.webhooks.deliveries import SECRET, delivery, event, receiver_of
from vipps_async import PaymentEvent
from vipps_async._events import netstrings
from vipps_async.errors import NotAnEvent
from vipps_async.sandbox import Sandbox
from vipps_async.testing.events import SignedDelivery
from vipps_async.webhooks import FAMILIES, EventFamily, UnknownEvent, WebhookEvent, WebhookReceiver
from vipps_async.webhooks._events import known_types, read_event
from vipps_async.webhooks.signature import SignedUrl, sign
from vipps_async.webhooks.stores.memory import MemoryStore

DONATION = {
    "agreementId": "don-ADbq4JK",
    "amount": 49900,
    "eventType": "donations.agreement.started.v1",
    "occurred": "2026-10-02T10:20:01.0070000Z",
    "msn": "123456",
}
CHECK_IN = {
    "customerToken": "dG9rZW4=",
    "merchantQrId": "till-1",
    "msn": "123456",
    "initiatedAt": "2026-11-02T09:15Z",
}
PING = {"auth_req_id": "1c266114-a1be-4252-8ad1-04986c5b9ac1"}


def body(said: Any) -> bytes:
    """Return a document's bytes."""
    return json.dumps(said).encode()


def unknown(said: Mapping[str, Any]) -> UnknownEvent:
    """Return the unknown event that a document is."""
    found = read_event(body(said))
    assert isinstance(found, UnknownEvent)
    return found


def test_an_unknown_event_says_what_its_document_tells() -> None:
    """Type, subject, merchant and time are read where they are told, and the document is kept."""
    donation = unknown(DONATION)
    assert (donation.type, donation.subject) == ("donations.agreement.started.v1", "don-ADbq4JK")
    assert donation.msn == "123456"
    assert donation.occurred_at == datetime(2026, 10, 2, 10, 20, 1, 7000, tzinfo=UTC)
    assert (donation.success, donation.raw) == (True, DONATION)
    check_in = unknown(CHECK_IN)
    assert (check_in.type, check_in.subject) == ("user.checked-in.v1", "dG9rZW4=")
    assert check_in.occurred_at == datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
    ping = unknown(PING)
    assert (ping.type, ping.subject) == ("login.merchant-initiated.ping.v1", PING["auth_req_id"])
    assert (ping.msn, ping.occurred_at) == (None, None)


@pytest.mark.parametrize(
    "said", [{"carId": "EL 12345"}, {"eventType": 7, "occurred": "yesterday", "msn": None}, {"agreementId": "x" * 65}]
)
def test_an_unknown_event_may_tell_nothing(said: dict[str, Any]) -> None:
    """An event without a type, an id or a time that can be read is its own subject, and holds up no other."""
    found = unknown(said)
    assert (found.type, found.msn, found.occurred_at) == ("", None, None)
    assert found.subject == found.dedup_key


def test_the_same_unknown_event_is_the_same_however_it_is_spelt() -> None:
    """Order and spaces make no other event; another value, type or merchant does."""
    reordered = json.dumps(dict(reversed(DONATION.items())), indent=1).encode()
    assert read_event(reordered).dedup_key == unknown(DONATION).dedup_key
    changes: list[dict[str, Any]] = [
        {"agreementId": "don-2"},
        {"occurred": "2026-10-02T10:20:02Z"},
        {"msn": "654321"},
        {"amount": 1},
    ]
    keys = {unknown({**DONATION, **change}).dedup_key for change in [{}, *changes]}
    assert len(keys) == len(changes) + 1


@pytest.mark.parametrize("said", [{}, [], "text", 1, None, True])
def test_what_is_no_object_is_no_event(said: Any) -> None:
    """Such a body is refused, and comes again."""
    with pytest.raises(NotAnEvent, match="the body is no JSON object"):
        read_event(body(said))


def test_what_is_nested_without_end_is_no_event() -> None:
    """It is refused like what no parser takes, and fails nothing."""
    with pytest.raises(NotAnEvent, match=r"nested too deeply|not JSON"):
        read_event(b'{"x": ' + b"[" * 990 + b"]" * 990 + b"}")


@pytest.mark.parametrize("missing", ["reference", "pspReference", "name", "amount", "timestamp"])
def test_a_malformed_event_of_a_payment_is_no_unknown_one(missing: str) -> None:
    """What can only be an event of a payment, and cannot be read, is refused: answered 200, its money would be lost."""
    said = {name: value for name, value in json.loads(event()).items() if name != missing}
    with pytest.raises(NotAnEvent, match="the body is not a PaymentEvent"):
        read_event(body(said))


@pytest.mark.parametrize("pattern", ["current-webhook-epayment-*", "draft-notification-*"])
def test_every_sample_of_a_payment_s_event_is_one(pattern: str) -> None:
    """The family recognises the events of both dialects, and each has a type that tells its name."""
    found = [read_event(body(document(name))) for name in names(pattern)]
    assert all(isinstance(one, PaymentEvent) and one.type == one.name.event_type for one in found)
    assert all(one.subject == one.raw["reference"] and one.occurred_at is not None for one in found)


@attrs.frozen(kw_only=True)
class CarLeft:
    """An event of an API that this package has never heard of."""

    car_id: str
    occurred: datetime
    msn: str | None = None
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    type = "parking.car-left.v1"
    success = True

    @property
    def dedup_key(self) -> str:
        """What makes two deliveries the same."""
        return netstrings(self.msn or "", self.type, self.car_id)

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.car_id

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return self.occurred


PARKING = EventFamily(
    model=CarLeft,
    types=("parking.car-left.v1",),
    recognise=lambda said: str(said.get("eventType")).startswith("parking."),
    type_of={"LEFT": "parking.car-left.v1"}.get,
)
CAR = {"eventType": "parking.car-left.v1", "carId": "EL12345", "occurred": "2026-11-02T09:15:30Z", "msn": "123456"}


async def test_a_family_from_outside_is_received() -> None:
    """Its events are read as their class, go to who asks for the class, the type or the name, and wake who waits."""
    receiver, seen = receiver_of(families=(*FAMILIES, PARKING)), list[str]()

    @receiver.on(CarLeft)
    async def by_class(event: CarLeft) -> None:
        seen.append(f"class {event.car_id}")

    @receiver.on("parking.car-left.v1")
    async def by_type(event: CarLeft) -> None:
        seen.append("type")

    @receiver.on("LEFT")
    async def by_name(event: CarLeft) -> None:
        seen.append("name")

    @receiver.on_other
    async def other(event: WebhookEvent) -> None:
        seen.append(event.type)

    with receiver.watch("EL12345", msn="123456") as happened, receiver.watch("EL12345", msn="654321") as elsewhere:
        assert (await receiver.handle(delivery(body(CAR)))).status == 200
        assert (happened.is_set(), elsewhere.is_set()) == (True, False)
    assert (await receiver.handle(delivery(body(CAR)))).status == 200
    assert seen == ["class EL12345", "type", "name"]
    assert (await receiver.handle(delivery(body({**CAR, "carId": None})))).status == 400
    assert (await receiver.handle(delivery(event()))).status == 200
    assert seen[3:] == ["epayments.payment.captured.v1"]


async def _deliver(said: bytes, receiver: WebhookReceiver, times: int) -> list[int]:
    app = web.Application()
    receiver.setup(app, "/vipps/events")
    target = SignedUrl.of("https://shop.example/vipps/events?shop=1")
    headers = sign(SECRET, target, said, date=datetime(2026, 1, 20, 8, 0, 13, tzinfo=UTC))
    del headers["Host"]
    sent = SignedDelivery(
        target=target.path_and_query, headers={**headers, "Content-Type": "application/json"}, body=said
    )
    async with served(app) as url:
        return [(await sent.post(f"{url}/vipps/events")).status for _ in range(times)]


@pytest.mark.parametrize("said", [DONATION, CHECK_IN, PING, {"eventType": "parking.car-left.v1"}, {"x": 1}])
async def test_an_event_of_no_family_is_handled_once_and_answered_200(said: dict[str, Any]) -> None:
    """Whoever registered for it must not have it redelivered for a week."""
    receiver, seen = receiver_of(), list[UnknownEvent]()

    @receiver.on_other
    async def other(event: WebhookEvent) -> None:
        assert isinstance(event, UnknownEvent)
        seen.append(event)

    assert await _deliver(body(said), receiver, 2) == [200, 200]
    assert [one.raw for one in seen] == [said]


async def test_an_unknown_event_that_nobody_asks_for_is_answered_200() -> None:
    """A receiver without a handler for it has handled it by that."""
    assert await _deliver(body(DONATION), receiver_of(), 1) == [200]
    assert await _deliver(body([DONATION]), receiver_of(), 1) == [400]


async def test_every_known_type_can_be_registered_and_asked_for() -> None:
    """The types that the package knows are those of the API: the sandbox takes a webhook for each."""
    receiver = WebhookReceiver(allow_unsigned=True, store=MemoryStore())
    async with Sandbox() as sandbox:
        for name in known_types(FAMILIES):
            await sandbox.add_webhook("https://shop.example/vipps/events", [name])
            receiver.on(name)(_nothing)


async def _nothing(event: WebhookEvent) -> None: ...
