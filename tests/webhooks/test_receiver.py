"""A delivery is authenticated, claimed, handled once and answered, without any web framework."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import body, document
from tests.support.webhooks.deliveries import NOW, REFERENCE, SECRET, delivery, event, receiver_of, signed
from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.webhooks import IncomingRequest, WebhookEvent, WebhookReceiver

OTHER_SECRET = "another-secret"


def recording(receiver: WebhookReceiver) -> list[PaymentEvent]:
    """Let *receiver* record the events it handles."""
    handled: list[PaymentEvent] = []

    @receiver.on_failed(PaymentEvent)
    @receiver.on(PaymentEvent)
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


@pytest.mark.parametrize("takes_failed", [True, False])
async def test_a_failed_operation_runs_no_handler_of_its_name(takes_failed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Who ships on CAPTURED is not told of a capture that failed; on_failed is, or on_other where there is none."""
    receiver = receiver_of()
    heard: list[str] = []

    def hearing(name: str) -> Callable[[WebhookEvent], Awaitable[None]]:
        async def hear(event: WebhookEvent) -> None:
            heard.append(name)

        return hear

    receiver.on(PaymentEventName.CAPTURED)(hearing("captured"))
    receiver.on_all(hearing("all"))
    receiver.on_other(hearing("other"))
    if takes_failed:
        receiver.on_failed(hearing("failed"))
    reply = await receiver.handle(delivery(event(success=False)))
    assert reply.status == 200
    assert heard == (["all", "failed"] if takes_failed else ["all", "other"])


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
        {**signed(event()), "Authorization": "Bearer \udcff", "X-Vipps-Authorization": "\udcff"},
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
        ("POST", {"Content-Length": "²"}, 0, 401),
        ("POST", {"Content-Length": "٣٣٣٣٣"}, 0, 401),
        ("POST", {"Content-Encoding": "Identity"}, 0, 401),
    ],
)
async def test_what_is_no_delivery_is_refused_first(
    method: str, headers: dict[str, str], size: int, status: int
) -> None:
    """Another method, a compressed body and one too large are refused first; an unread body ends the connection."""
    reply = await receiver_of(max_body=1000).handle(IncomingRequest(method, "/", headers, b"x" * size))
    assert reply.status == status
    close = {"Connection": "close"}
    assert reply.headers == {405: {"Allow": "POST"}, 413: close, 415: close}.get(status, {})


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


async def test_a_failure_does_not_swallow_the_success() -> None:
    """A failed capture and the capture that then succeeded both take effect, under one ``pspReference``."""
    receiver = receiver_of()
    handled = recording(receiver)
    for success in (False, True, False, True):
        assert (await receiver.handle(delivery(event(success=success)))).status == 200
    assert [one.success for one in handled] == [False, True]


async def test_handlers_run_in_order_and_by_name() -> None:
    """The handlers of a name and those for all run one after the other, a fallback only without them."""
    receiver, ran = receiver_of(), list[str]()

    def noting(name: str) -> Callable[[WebhookEvent], Awaitable[None]]:
        async def note(_: WebhookEvent) -> None:
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
    (line,) = caplog.messages
    assert line.startswith(f"event epayments.payment.captured.v1 of {REFERENCE} (merchant 123456, receiver ")
    assert line.endswith("is given back for redelivery")
    assert [(await receiver.handle(delivery(event()))).status for _ in range(2)] == [200, 200]
    assert ran == ["first", "second", "first", "second"]


def test_the_example_is_the_documented_event() -> None:
    """The deliveries of these tests are the wire document's."""
    assert event() == body("current-webhook-epayment-captured")
    assert document("current-webhook-epayment-captured")["reference"] == REFERENCE
