"""No handler keeps what it does not own: not its event, nor a worker, nor the receiver's end."""

import asyncio
import logging
from datetime import timedelta

import attrs
import pytest

from tests.support.webhooks.deliveries import REFERENCE, delivery, event, receiver_of
from tests.support.webhooks.inbox_shop import QUICK, Shop, never, shop, until
from tests.support.webhooks.places import Place
from vipps_async import PaymentEvent
from vipps_async.errors import HandlerTimeout
from vipps_async.webhooks import InboxPolicy, Notice, Stage, WebhookReceiver
from vipps_async.webhooks import _tasks as _background

SHORT = timedelta(milliseconds=100)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cancelled has a moment to end."""
    monkeypatch.setattr(_background, "UNWINDING", 0.05)


async def swallow(_: str) -> None:
    """Handle an event without end, and take no cancellation for an answer."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if _over.is_set():
                raise


_over = asyncio.Event()


@pytest.fixture(autouse=True)
async def _end_of_the_stubborn() -> object:
    """Let what was left behind end with the test."""
    _over.clear()
    yield
    _over.set()
    for task in asyncio.all_tasks():
        if "handler" in task.get_name():
            task.cancel()
            await asyncio.wait({task})


def hanging(receiver: WebhookReceiver) -> asyncio.Event:
    """Let the receiver's handler hang; return what is set when it runs."""
    runs = asyncio.Event()

    @receiver.on(PaymentEvent)
    async def handle(_: PaymentEvent) -> None:
        runs.set()
        await asyncio.Event().wait()

    return runs


@pytest.mark.parametrize("limit", [SHORT, 0.1])
async def test_a_handler_that_takes_too_long_is_cancelled(
    limit: float | timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    """Its delivery is answered 500, told and logged with the handler's name, and the event comes again."""
    receiver, notices = receiver_of(handler_timeout=limit), list[Notice]()
    receiver.observe(notices.append)
    hanging(receiver)
    for _ in range(2):
        assert (await receiver.handle(delivery(event()))).status == 500
    assert [notice.stage for notice in notices] == ["received", "timed_out"] * 2
    assert isinstance(notices[1].error, HandlerTimeout)
    assert "handler hanging.<locals>.handle took longer than 0:00:00.100000" in caplog.text


async def test_a_handler_that_swallows_its_cancellation_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Its event is given back all the same, and handled when it comes again; the log names both."""
    receiver = receiver_of(handler_timeout=SHORT)
    attempts = 0

    @receiver.on(PaymentEvent)
    async def handle(_: PaymentEvent) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await swallow("")

    assert [(await receiver.handle(delivery(event()))).status for _ in range(2)] == [500, 200]
    assert attempts == 2
    (line,) = [line for line in caplog.messages if "left behind" in line]
    assert line.startswith("vipps_async handler test_a_handler_that_swallows")
    assert f"of {REFERENCE}" in line


async def test_a_handler_that_returns_only_when_it_is_cancelled_has_not_handled_its_event() -> None:
    """Whatever it returns then: an event that comes again is better than one that is lost."""
    receiver = receiver_of(handler_timeout=SHORT)

    @receiver.on(PaymentEvent)
    async def handle(_: PaymentEvent) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    assert [(await receiver.handle(delivery(event()))).status for _ in range(2)] == [500, 500]


@pytest.mark.parametrize("handle", [never, swallow])
async def test_hung_handlers_keep_no_worker(place: Place, handle: object) -> None:
    """With each worker's handler hung, other payments are handled, and what hung is an attempt that failed."""

    async def hang(name: str) -> None:
        if name[0] in "ab":
            await (never if handle is never else swallow)(name)

    policy = attrs.evolve(QUICK, workers=2, attempts=2)
    async with shop(place, hang, policy, handler_timeout=SHORT) as site:
        await site.deliver("a1", "b1", "c1", "d1")
        await site.has_shipped("c1", "d1")
        await until(lambda: _dead(site, 2))
    assert site.receiver.counts[Stage.TIMED_OUT] == 4
    assert site.receiver.counts[Stage.DEAD] == 2


async def _dead(site: Shop, number: int) -> bool:
    return (await site.store.inbox.size()).dead == number


async def test_closing_ends_although_a_handler_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """After its time the delivery is answered, its event is given back, and the log says what was given up."""
    receiver = receiver_of(shutdown_timeout=SHORT)
    runs = hanging(receiver)
    answer = asyncio.create_task(receiver.handle(delivery(event())))
    await runs.wait()
    async with asyncio.timeout(5):
        await receiver.close()
    assert (await answer).status == 500
    (line,) = [line for line in caplog.messages if "gave up" in line]
    assert f"event epayments.payment.captured.v1 of {REFERENCE}" in line
    assert receiver.counts[Stage.FAILED] == 1


@pytest.mark.parametrize("handle", [never, swallow])
async def test_closing_an_inbox_ends_although_a_handler_hangs(
    place: Place, handle: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Its event is given back without an attempt, and the log names it."""
    policy = attrs.evolve(QUICK, shutdown_timeout=SHORT)
    async with asyncio.timeout(20):
        async with shop(place, never if handle is never else swallow, policy) as site:
            await site.deliver("a1")
            await until(lambda: site.begun == ["a1"])
        assert await place.sql("SELECT holder, attempts FROM vipps_inbox") == [(None, 0)]
    assert any("gave up the handlers of event" in line and "2:a1," in line for line in caplog.messages)


async def test_a_hung_payment_is_in_nobody_s_way() -> None:
    """While one payment's handler hangs, the events of other payments are handled."""
    receiver, handled = receiver_of(handler_timeout=timedelta(seconds=1)), list[str]()

    @receiver.on(PaymentEvent)
    async def handle(happened: PaymentEvent) -> None:
        if happened.reference == REFERENCE:
            await asyncio.Event().wait()
        handled.append(happened.reference)

    hung = asyncio.create_task(receiver.handle(delivery(event())))
    assert (await receiver.handle(delivery(event(reference="acme-shop-2")))).status == 200
    assert not hung.done()
    assert (await hung).status == 500
    assert handled == ["acme-shop-2"]


async def test_what_the_store_cannot_claim_is_no_attempt(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose handlers never ran has all its attempts left, and takes effect once the store has room."""
    caplog.set_level(logging.ERROR)
    async with shop(place, policy=attrs.evolve(QUICK, attempts=1)) as site:
        claim, errors = site.store.claim, [TimeoutError("no connection"), OSError("away"), TimeoutError("again")]

        def busy(key: str) -> object:
            if errors:
                raise errors.pop()
            return claim(key)

        monkeypatch.setattr(site.store, "claim", busy)
        monkeypatch.setattr("vipps_async.webhooks._inbox._PAUSE_OF_UNTRIED", timedelta(milliseconds=10))
        await site.deliver("a1")
        await site.has_shipped("a1")
        assert errors == []
        assert [str(notice.stage) for notice in site.notices] == ["received", "handled"]


def test_the_policy_s_limit_is_for_the_inbox() -> None:
    """A receiver's own limit is for deliveries that are being answered."""
    assert InboxPolicy().shutdown_timeout == timedelta(seconds=20)
