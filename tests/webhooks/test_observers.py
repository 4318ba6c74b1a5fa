"""Whoever observes a receiver is told of every delivery and event, and changes nothing by that."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from aiohttp import web

from tests.support.webhooks.asgi_sites import alone, served
from tests.support.webhooks.deliveries import REFERENCE, delivery, event, receiver_of, signed
from tests.support.webhooks.inbox_shop import QUICK, shop, until
from tests.support.webhooks.places import Place, SqlitePlace
from tests.support.webhooks.serving import head, serving
from vipps_async import PaymentEvent
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import IncomingRequest, Notice, Stage, WebhookReceiver, aiohttp_app, asgi_app

PATH = "/vipps/events"


def observed(receiver: WebhookReceiver) -> list[Notice]:
    """Let everything that happens to *receiver* be noted."""
    notices: list[Notice] = []
    receiver.observe(notices.append)
    return notices


def stages(notices: list[Notice]) -> list[str]:
    """What happened."""
    return [str(notice.stage) for notice in notices]


async def test_an_event_that_is_handled_is_told_twice() -> None:
    """First that it was received, before its handler runs, and then that it was handled, with the time that took."""
    receiver = receiver_of()
    notices = observed(receiver)

    @receiver.on(PaymentEvent)
    async def look(_: PaymentEvent) -> None:
        assert stages(notices) == ["received"]

    await receiver.handle(delivery(event()))
    received, handled = notices
    assert received == Notice(stage=Stage.RECEIVED, event=received.event)
    assert isinstance(received.event, PaymentEvent)
    assert (received.event.reference, received.event.name) == (REFERENCE, "CAPTURED")
    assert handled.seconds is not None
    assert handled.seconds >= 0
    assert handled == Notice(stage=Stage.HANDLED, event=received.event, seconds=handled.seconds)


async def test_an_event_that_fails_is_told_with_its_error() -> None:
    """What the handler raised is told, and the redelivery as if it were the first."""
    receiver = receiver_of()
    notices = observed(receiver)
    failures = [RuntimeError("database")]

    @receiver.on(PaymentEvent)
    async def fail_once(_: PaymentEvent) -> None:
        if failures:
            raise failures[0]

    await receiver.handle(delivery(event()))
    assert stages(notices) == ["received", "failed"]
    assert (notices[1].event, notices[1].error, notices[1].attempt) == (notices[0].event, failures.pop(), 1)
    assert notices[1].seconds is not None
    await receiver.handle(delivery(event()))
    assert stages(notices) == ["received", "failed", "received", "handled"]


async def test_a_duplicate_is_told() -> None:
    """An event that took effect before is received, and then a duplicate."""
    receiver = receiver_of()
    notices = observed(receiver)
    for _ in range(2):
        await receiver.handle(delivery(event()))
    assert stages(notices) == ["received", "handled", "received", "duplicate"]
    assert notices[3].event == notices[0].event


async def test_an_event_that_is_put_off_is_told_as_held() -> None:
    """A delivery that is answered 503 because the event is being handled is counted as that."""
    receiver = receiver_of()
    notices = observed(receiver)
    begun, let_go = asyncio.Event(), asyncio.Event()

    @receiver.on(PaymentEvent)
    async def wait(_: PaymentEvent) -> None:
        begun.set()
        await let_go.wait()

    first = asyncio.create_task(receiver.handle(delivery(event())))
    await begun.wait()
    assert (await receiver.handle(delivery(event()))).status == 503
    let_go.set()
    await first
    assert stages(notices) == ["received", "received", "held", "handled"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (IncomingRequest("GET", PATH, {}, b""), "deliveries are posted"),
        (IncomingRequest("POST", PATH, {"Content-Encoding": "gzip"}, b""), "deliveries are not compressed"),
        (IncomingRequest("POST", PATH, {"Content-Length": "1001"}, b""), "the body is too large"),
        (IncomingRequest("POST", PATH, {}, b"x" * 1001), "the body is too large"),
        (delivery(event(), {}), "NotAuthentic"),
        (delivery(b"{}"), "NotAnEvent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_delivery_that_is_refused_is_told_with_the_reason(request_: IncomingRequest, reason: str) -> None:
    """Whatever is no delivery of an event is told once, without an event, and counted."""
    receiver = receiver_of(max_body=1000)
    notices = observed(receiver)
    await receiver.handle(request_)
    assert notices == [Notice(stage=Stage.REFUSED, reason=reason)]
    assert receiver.counts == {**dict.fromkeys(Stage, 0), Stage.REFUSED: 1}


async def test_a_delivery_to_a_receiver_that_closes_is_told() -> None:
    """It is refused unread, and comes again, to another process."""
    receiver = receiver_of()
    notices = observed(receiver)
    await receiver.close()
    assert (await receiver.handle(delivery(event()))).status == 503
    assert notices == [Notice(stage=Stage.REFUSED, reason="shutting down")]


async def test_deliveries_and_what_became_of_them_add_up() -> None:
    """Each that was received is told once more, whatever became of it; refused ones are not received."""
    receiver = receiver_of(handler_timeout=0.05, shutdown_timeout=0.05)
    begun = asyncio.Event()

    @receiver.on(PaymentEvent)
    async def handle(happened: PaymentEvent) -> None:
        if happened.name == "REFUNDED":
            raise RuntimeError
        if happened.name in {"CANCELLED", "EXPIRED"}:
            begun.set()
            await asyncio.Event().wait()

    for name in ("CAPTURED", "CAPTURED", "REFUNDED", "REFUNDED", "CANCELLED"):
        await receiver.handle(delivery(event(name)))
    await receiver.handle(delivery(event(), {}))
    begun.clear()
    cut_off = asyncio.create_task(receiver.handle(delivery(event("EXPIRED"))))
    await begun.wait()
    assert (await receiver.handle(delivery(event("EXPIRED")))).status == 503
    await receiver.close()
    await cut_off
    assert (await receiver.handle(delivery(event()))).status == 503
    counts = dict(receiver.counts)
    assert counts == {
        Stage.RECEIVED: 7,
        Stage.REFUSED: 2,
        Stage.HANDLED: 1,
        Stage.DUPLICATE: 1,
        Stage.FAILED: counts[Stage.FAILED],
        Stage.TIMED_OUT: 4 - counts[Stage.FAILED],
        Stage.HELD: 1,
        Stage.DEAD: 0,
    }


async def test_the_registration_is_told() -> None:
    """What a delivery says of its registration comes with each notice of it, on one line; nothing depends on it."""
    receiver = receiver_of()
    notices = observed(receiver)
    for headers in (signed(event()), {}):
        await receiver.handle(delivery(event(), {**headers, "Webhook-Id": "39c2\n\x1bfb44" + "x" * 500}))
    assert stages(notices) == ["received", "handled", "refused"]
    for notice in notices:
        assert notice.webhook_id is not None
        assert notice.webhook_id.startswith("39c2 \\x1bfb44xxx")
        assert len(notice.webhook_id) <= 201


Serve = Callable[[WebhookReceiver], Any]


@asynccontextmanager
async def in_aiohttp(receiver: WebhookReceiver) -> AsyncIterator[int]:
    """Serve with aiohttp, on the port that is given."""
    app = web.Application()
    receiver.setup(app, PATH)
    async with serving(app, cancels=False) as server:
        yield server.port


@asynccontextmanager
async def in_uvicorn(receiver: WebhookReceiver) -> AsyncIterator[int]:
    """Serve with uvicorn, on the port that is given."""
    async with served(alone(receiver)) as site:
        yield site.port


@pytest.mark.parametrize("serve", [in_aiohttp, in_uvicorn], ids=lambda serve: serve.__name__)
async def test_what_a_server_refuses_is_told_and_counted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is too large or too slow never reaches the receiver, and is a refusal all the same."""
    for adapter in (aiohttp_app, asgi_app):
        monkeypatch.setattr(adapter, "READ_TIMEOUT", 0.1)
    receiver = receiver_of(max_body=1000)
    notices = observed(receiver)
    chunked = head(PATH, "Transfer-Encoding: chunked")
    async with serve(receiver) as port:
        for sent in (
            head(PATH, "Content-Length: 1001"),
            chunked + (b"1F4\r\n" + b"x" * 500 + b"\r\n") * 3,
            chunked + b"5\r\nhello\r\n",
            head(PATH, "Content-Length: 100") + b"a part",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await reader.readline()
            writer.transport.abort()
        async with asyncio.timeout(5):
            while len(notices) < 4:
                await asyncio.sleep(0.01)
    too_large, too_slow = "the body is too large", "the body took too long"
    assert [notice.reason for notice in notices] == [too_large, too_large, too_slow, too_slow]
    assert receiver.counts[Stage.REFUSED] == 4


@pytest.mark.parametrize("serve", [in_aiohttp, in_uvicorn], ids=lambda serve: serve.__name__)
async def test_a_client_that_hangs_up_within_a_body_is_told(serve: Serve) -> None:
    """Half a delivery is refused as broken."""
    receiver = receiver_of()
    notices = observed(receiver)
    async with serve(receiver) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(PATH, "Content-Length: 100") + b"a part")
        await writer.drain()
        await asyncio.sleep(0.1)  # for the server to begin
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not notices:
                await asyncio.sleep(0.01)
    assert notices == [Notice(stage=Stage.REFUSED, reason="the body is broken")]


async def test_an_inbox_tells_every_attempt(place: Place) -> None:
    """An event fails as often as its handler does, each with its number, and is dead once, with the last error."""

    async def fail(name: str) -> None:
        if name == "a1":
            raise ValueError(site.begun.count("a1"))

    async with shop(place, fail, attrs.evolve(QUICK, attempts=3)) as site:
        await site.deliver("a1", "b1", "a1")
        await site.is_dead("a1")
        await site.has_shipped("b1")
        told = [
            one
            for one in site.notices
            if isinstance(one.event, PaymentEvent | None) and (not one.event or one.event.psp_reference == "a1")
        ]
        tries = [(one.stage, one.attempt, repr(one.error)) for one in told if one.error]
        assert tries == [
            ("failed", 1, "ValueError(1)"),
            ("failed", 2, "ValueError(2)"),
            ("failed", 3, "ValueError(3)"),
            ("dead", 3, "ValueError(3)"),
        ]
        assert {stage: count for stage, count in site.receiver.counts.items() if count} == {
            Stage.RECEIVED: 3,
            Stage.DUPLICATE: 1,
            Stage.HANDLED: 1,
            Stage.FAILED: 3,
            Stage.DEAD: 1,
        }


async def test_an_event_that_cannot_be_held_has_failed(sqlite_place: SqlitePlace) -> None:
    """A delivery that is answered 500, because the store is away, is told with the store's error."""
    async with shop(sqlite_place) as site:
        await sqlite_place.sql("DROP TABLE vipps_inbox")
        assert await site.deliver("a1") == [500]
        assert stages(site.notices) == ["received", "failed"]
        assert "no such table" in str(site.notices[1].error)


async def test_an_observer_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The event takes effect, the answer is 200, other observers are told in their order, and the log says why."""
    receiver = receiver_of()
    told: list[str] = []

    @receiver.observe
    def first(notice: Notice) -> None:
        told.append(f"first {notice.stage}")
        raise RuntimeError("metrics")

    @receiver.observe
    def second(notice: Notice) -> None:
        told.append(f"second {notice.stage}")

    assert (await receiver.handle(delivery(event()))).status == 200
    assert (await receiver.handle(delivery(event(), {}))).status == 401
    assert told == [f"{who} {stage}" for stage in ("received", "handled", "refused") for who in ("first", "second")]
    assert "an observer failed at a notice of stage handled" in caplog.text
    assert "RuntimeError: metrics" in caplog.text


async def test_an_observer_that_raises_ends_no_worker(sqlite_place: SqlitePlace) -> None:
    """Events out of the inbox take effect, and are not tried again."""
    async with shop(sqlite_place) as site:
        site.receiver.observe(lambda _: 1 / 0)
        await site.deliver("a1", "b1")
        await site.has_shipped("a1", "b1")
        assert sorted(site.begun) == ["a1", "b1"]
        await until(site.is_empty)


def test_an_async_observer_is_refused() -> None:
    """It would never run: the error comes where it is registered."""

    async def observer(notice: Notice) -> None: ...

    class Observing:
        async def __call__(self, notice: Notice) -> None: ...

    for one in (observer, functools.partial(observer), Observing()):
        with pytest.raises(ConfigurationError, match="must be a plain function: the receiver does not await observers"):
            receiver_of().observe(one)


def test_an_observer_stays_what_it_was() -> None:
    """The decorator returns the function."""

    def observer(notice: Notice) -> None: ...

    assert receiver_of().observe(observer) is observer


async def test_counts_are_the_receiver_s_own() -> None:
    """They begin at 0 for every stage, and cannot be changed from outside."""
    receiver = receiver_of()
    before: Any = receiver.counts
    assert before == dict.fromkeys(Stage, 0)
    before[Stage.HANDLED] = 99
    await receiver.handle(delivery(event()))
    assert receiver.counts[Stage.HANDLED] == 1
    assert receiver_of().counts[Stage.HANDLED] == 0


@pytest.mark.parametrize("stage", Stage)
def test_stages_are_named_for_metrics(stage: Stage) -> None:
    """A stage reads as its name."""
    assert f"{stage}" == stage.value == stage.name.lower()
