"""A delivery is authenticated, claimed, handled once and answered, without any web framework."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webhooks.deliveries import NOW, REFERENCE, SECRET, URL, at_now, delivery, event, signed
from tests.wire import body, document
from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import IncomingRequest, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

OTHER_SECRET = "another-secret"


def receiver_of(**settings: Any) -> WebhookReceiver:
    """A receiver of signed deliveries, unless the settings say otherwise."""
    signing = {} if settings.get("allow_unsigned") else {"url": URL, "secrets": [SECRET]}
    return WebhookReceiver(**{"store": MemoryStore(), "clock": at_now, **signing, **settings})


def recording(receiver: WebhookReceiver) -> list[PaymentEvent]:
    """Let *receiver* record the events it handles."""
    handled: list[PaymentEvent] = []

    @receiver.on_all
    async def record(event: PaymentEvent) -> None:
        handled.append(event)

    return handled


async def test_an_authentic_event_is_handled_and_answered_200() -> None:
    """The handler gets the event that was delivered, before the answer is 200."""
    receiver = receiver_of()
    handled = recording(receiver)
    reply = await receiver.handle(delivery(event()))
    assert (reply.status, reply.body) == (200, b"")
    assert [(one.reference, one.psp_reference, one.name) for one in handled] == [(REFERENCE, "2018200034", "CAPTURED")]


async def test_a_redelivery_is_answered_200_without_running() -> None:
    """An event that took effect is answered 200 however often it comes, also when signed anew."""
    receiver = receiver_of()
    handled = recording(receiver)
    headers = signed(event(), date=NOW - timedelta(minutes=1))
    replies = [await receiver.handle(delivery(event(), sent)) for sent in (None, None, headers)]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len(handled) == 1


async def test_either_secret_is_taken() -> None:
    """While one registration replaces another, deliveries signed with either secret are handled."""
    receiver = receiver_of(secrets=(secret for secret in (SECRET, OTHER_SECRET)))
    handled = recording(receiver)
    for secret, name in ((SECRET, "CAPTURED"), (OTHER_SECRET, "REFUNDED")):
        sent = event(name)
        assert (await receiver.handle(delivery(sent, signed(sent, secret=secret)))).status == 200
    assert [one.name for one in handled] == ["CAPTURED", "REFUNDED"]


async def test_names_of_headers_have_no_case() -> None:
    """The signature is found whatever the case in which a server passes the headers' names."""
    headers = {name.upper(): value for name, value in signed(event()).items()}
    assert (await receiver_of().handle(delivery(event(), headers))).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(event(), secret=OTHER_SECRET),
        signed(event(), url="https://shop.example/vipps/events"),
        signed(event(), url="https://evil.example/vipps/events?shop=1"),
        signed(event("REFUNDED")),
        signed(event(), date=NOW - timedelta(days=7, seconds=1)),
        signed(event(), date=NOW + timedelta(minutes=5, seconds=1)),
        {**signed(event()), "Authorization": "Bearer \udcff"},
        {**signed(event()), "x-ms-date": "ø"},
    ],
)
async def test_what_is_not_authentic_is_answered_401(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """A delivery that is unsigned, signed for something else, or too old is refused and not handled."""
    receiver = receiver_of()
    handled = recording(receiver)
    reply = await receiver.handle(delivery(event(), headers))
    assert (reply.status, reply.body) == (401, b"NotAuthentic")
    assert handled == []
    assert "refused a delivery to /vipps/events" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=7), -timedelta(minutes=5)])
async def test_a_delivery_is_taken_as_long_as_it_is_redelivered(age: timedelta) -> None:
    """By default a date up to 7 days old, and 5 minutes ahead, is taken."""
    assert (await receiver_of().handle(delivery(event(), signed(event(), date=NOW - age)))).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        "{}".encode("utf-16"),
        event(amount={"currency": "NOK", "value": 1.9}),
        event(amount=None),
        event(timestamp="yesterday"),
        event(success="true"),
        b'{"customerToken":"x","merchantQrId":"y","msn":"1","initiatedAt":"2026-01-01T00:00:00Z"}',
        b"[" * 3000,
    ],
    ids=repr,
)
async def test_what_is_authentic_but_no_event_is_answered_400(sent: bytes) -> None:
    """A signed body that is no payment's event is refused and not handled."""
    receiver = receiver_of()
    handled = recording(receiver)
    reply = await receiver.handle(delivery(sent))
    assert (reply.status, reply.body) == (400, b"NotAnEvent")
    assert handled == []


@settings(deadline=None)
@given(
    sent=st.binary(max_size=60),
    headers=st.dictionaries(st.sampled_from(["authorization", "x-ms-date"]), st.text(st.characters(codec="latin-1"))),
)
async def test_no_delivery_raises(sent: bytes, headers: dict[str, str]) -> None:
    """Whatever the bytes and headers, signed or not, there is an answer."""
    assert (await receiver_of().handle(delivery(sent, headers))).status == 401
    assert (await receiver_of().handle(delivery(sent))).status == 400
    assert (await receiver_of(allow_unsigned=True).handle(delivery(sent, {}))).status == 400


@pytest.mark.parametrize(
    ("method", "headers", "size", "status"),
    [
        ("GET", {}, 0, 405),
        ("PUT", {}, 0, 405),
        ("post", {}, 0, 405),
        ("POST", {"Content-Encoding": "gzip"}, 0, 415),
        ("POST", {"CONTENT-ENCODING": "BR"}, 0, 415),
        ("POST", {"Content-Length": "1001"}, 0, 413),
        ("POST", {"Content-Length": "9" * 5000}, 0, 413),
        ("POST", {}, 1001, 413),
        ("POST", {"Content-Length": "1000"}, 1000, 401),
        ("POST", {"Content-Length": "-1"}, 0, 401),
        ("POST", {"Content-Encoding": "Identity"}, 0, 401),
    ],
)
async def test_what_is_no_delivery_is_refused_first(
    method: str, headers: dict[str, str], size: int, status: int
) -> None:
    """Another method, a compressed body and one beyond the limit are refused before anything is verified."""
    reply = await receiver_of(max_body=1000).handle(IncomingRequest(method, "/", headers, b"x" * size))
    assert reply.status == status
    assert reply.headers == ({"Allow": "POST"} if status == 405 else {})


async def test_unsigned_deliveries_are_taken_only_where_that_is_asked_for() -> None:
    """The draft's unsigned notification is handled with `allow_unsigned`, and refused without it."""
    sent = delivery(body("draft-notification-authorisation"), {})
    receiver = receiver_of(allow_unsigned=True)
    handled = recording(receiver)
    assert (await receiver.handle(sent)).status == 200
    assert [one.name for one in handled] == [PaymentEventName.AUTHORIZED]
    assert (await receiver_of().handle(sent)).status == 401


async def test_one_psp_reference_over_two_actions_takes_effect_twice() -> None:
    """The draft's creation and authorisation share a ``pspReference``, and neither is lost as a duplicate."""
    receiver = receiver_of(allow_unsigned=True)
    handled = recording(receiver)
    for name in ("creation", "authorisation", "creation", "authorisation"):
        assert (await receiver.handle(delivery(body(f"draft-notification-{name}"), {}))).status == 200
    assert [one.name for one in handled] == ["CREATED", "AUTHORIZED"]


async def test_another_key_may_tell_events_apart() -> None:
    """A receiver's key function decides which deliveries are one event."""
    receiver = receiver_of(key=lambda one: f"{one.reference}:{one.name}")
    handled = recording(receiver)
    for psp_reference in ("1", "2"):
        await receiver.handle(delivery(event(pspReference=psp_reference)))
    assert len(handled) == 1


async def test_handlers_run_in_order_and_by_name() -> None:
    """The handlers of a name and those for all run one after the other, a fallback only without them."""
    receiver, ran = receiver_of(), list[str]()

    def noting(name: str) -> Callable[[PaymentEvent], Awaitable[None]]:
        async def note(_: PaymentEvent) -> None:
            ran.append(f"{name} begins")
            await asyncio.sleep(0)
            ran.append(f"{name} ends")

        return note

    receiver.on(PaymentEventName.CAPTURED)(noting("first"))
    receiver.on_all(noting("second"))
    receiver.on_other(noting("other"))
    await receiver.handle(delivery(event()))
    assert ran == ["first begins", "first ends", "second begins", "second ends"]
    ran.clear()
    await receiver.handle(delivery(event("DISPUTED")))
    assert ran == ["second begins", "second ends", "other begins", "other ends"]


@pytest.mark.parametrize("error", [RuntimeError("database"), TimeoutError(), asyncio.InvalidStateError()])
async def test_a_handler_that_raises_gives_the_event_back(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The answer is 500, the failure is logged, and the redelivery runs all handlers of the event again."""
    receiver, ran = receiver_of(), list[str]()

    @receiver.on("CAPTURED")
    async def first(_: PaymentEvent) -> None:
        ran.append("first")

    @receiver.on("CAPTURED")
    async def second(_: PaymentEvent) -> None:
        ran.append("second")
        if len(ran) == 2:
            raise error

    with caplog.at_level(logging.ERROR):
        reply = await receiver.handle(delivery(event()))
    assert (reply.status, reply.body) == (500, b"not handled")
    assert f"event CAPTURED of payment {REFERENCE} is given back for redelivery" in caplog.text
    assert [(await receiver.handle(delivery(event()))).status for _ in range(2)] == [200, 200]
    assert ran == ["first", "second", "first", "second"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"secrets": []}, "no webhook secret: pass secrets=[…], or allow_unsigned=True"),
        ({"secrets": [SECRET, ""]}, "a webhook secret is empty"),
        ({"secrets": SECRET}, "secrets takes a list: secrets=[secret]"),
        ({"allow_unsigned": True, "secrets": [SECRET]}, "secrets protect nothing with allow_unsigned=True"),
        ({"url": None}, "url=None must be the registered URL"),
        ({"url": ""}, "url='' must be the registered URL"),
        ({"url": "/vipps/events"}, "url='/vipps/events' must be the registered URL"),
        ({"url": "http://shop.example/vipps"}, "url='http://shop.example/vipps' must be the registered URL"),
        ({"allow_unsigned": True, "url": "shop.example"}, "url='shop.example' must be the registered URL"),
        ({"store": MemoryStore(retention=timedelta(days=7))}, "the store remembers events for 7 days, 0:00:00"),
        ({"max_age": timedelta(days=9)}, "raise the store's retention, or lower max_age"),
        ({"leeway": timedelta(days=2)}, "deliveries are taken for 9 days, 0:00:00"),
    ],
)
def test_a_receiver_that_could_not_protect_is_refused(settings: dict[str, Any], message: str) -> None:
    """No secret, a wrong URL and a store that forgets too early are errors from the start, and show no secret."""
    with pytest.raises(ConfigurationError) as refusal:
        receiver_of(**settings)
    assert message in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_a_store_may_remember_exactly_as_long() -> None:
    """A retention of maximum age and leeway together is enough."""
    assert receiver_of(store=MemoryStore(retention=timedelta(days=7, minutes=5)))


@pytest.mark.parametrize("names", [(), (print,), ("CAPTURED", None)])
def test_on_takes_names(names: Any) -> None:
    """Forgetting the parentheses, or a name, is an error where the handler is written."""
    with pytest.raises(
        ConfigurationError, match=r"on\(\) takes one or more event names; for every event there is on_all"
    ):
        receiver_of().on(*names)


def test_no_repr_shows_a_secret() -> None:
    """Neither the receiver, nor what it holds, nor a delivery shows a secret or a signature."""
    receiver = receiver_of()
    for text in (repr(receiver), repr(vars(receiver)), repr(delivery(event()))):
        assert SECRET not in text
        assert signed(event())["Authorization"] not in text
    assert "2018200034" not in repr(delivery(event()))


def test_the_example_is_the_documented_event() -> None:
    """The deliveries of these tests are the wire document's."""
    assert event() == body("current-webhook-epayment-captured")
    assert document("current-webhook-epayment-captured")["reference"] == REFERENCE
