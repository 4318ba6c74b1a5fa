"""Deliveries that arrive together: one effect, one at a time for a payment, nothing lost at shutdown."""

import asyncio

import pytest

from tests.support.webhooks.deliveries import REFERENCE, SlowShop, delivery, event
from vipps_async import PaymentEvent
from vipps_async.webhooks import Reply, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

OTHER = "acme-shop-123-other"


class Shop(SlowShop):
    """A shop that takes unsigned deliveries."""

    def deliver(self, name: str = "CAPTURED", reference: str = REFERENCE) -> "asyncio.Task[Reply]":
        """Deliver an event in the background."""
        return asyncio.create_task(self.receiver.handle(delivery(event(name, reference=reference), {})))


@pytest.fixture
async def shop() -> Shop:
    """A shop whose handler waits."""
    return Shop(WebhookReceiver(allow_unsigned=True, store=MemoryStore()))


async def test_a_delivery_of_an_event_under_way_is_put_off(shop: Shop) -> None:
    """While an event is handled, the same event is answered 503 with the seconds after which to come again."""
    first = shop.deliver()
    await shop.begun.wait()
    reply = await shop.deliver()
    assert (reply.status, reply.headers, reply.body) == (503, {"Retry-After": "2"}, b"being handled")
    assert not first.done()
    shop.let_go.set()
    assert (await first).status == 200
    assert (await shop.deliver()).status == 200
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_events_of_one_payment_are_handled_one_at_a_time(shop: Shop) -> None:
    """A second event of a payment begins when the first has ended, in the order in which they came."""
    deliveries = [shop.deliver("AUTHORIZED"), shop.deliver("CAPTURED"), shop.deliver("REFUNDED")]
    await shop.begun.wait()
    await shop.receiver.handle(delivery(b"{}", {}))
    assert shop.notes == ["AUTHORIZED begins"]
    shop.let_go.set()
    assert [reply.status for reply in await asyncio.gather(*deliveries)] == [200, 200, 200]
    begins_and_ends = [
        f"{name} {what}" for name in ("AUTHORIZED", "CAPTURED", "REFUNDED") for what in ("begins", "ends")
    ]
    assert shop.notes == begins_and_ends


async def test_events_of_other_payments_do_not_wait(shop: Shop) -> None:
    """Two payments' events are handled side by side."""
    pending = [shop.deliver("AUTHORIZED"), shop.deliver("CAPTURED", OTHER)]
    async with asyncio.timeout(2):
        while len(shop.notes) < 2:
            await asyncio.sleep(0)
    assert shop.notes == ["AUTHORIZED begins", "CAPTURED begins"]
    shop.let_go.set()
    await asyncio.gather(*pending)


async def test_a_payment_s_turn_goes_on_after_a_failure(shop: Shop) -> None:
    """A handler that raises does not keep the payment's next event waiting for ever."""
    failures = [RuntimeError("once")]

    @shop.receiver.on("AUTHORIZED")
    async def fail(_: PaymentEvent) -> None:
        raise failures.pop()

    first, second = shop.deliver("AUTHORIZED"), shop.deliver("CAPTURED")
    shop.let_go.set()
    assert ((await first).status, (await second).status) == (500, 200)
    assert len(shop.receiver._processor.get()._dispatcher._turns) == 0


async def test_a_caller_that_gives_up_does_not_stop_the_handler(shop: Shop) -> None:
    """Cancelling the call cancels no handler: the event takes effect, and its redelivery is answered 200."""
    first = shop.deliver()
    await shop.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert shop.notes == ["CAPTURED begins"]
    shop.let_go.set()
    await shop.receiver.close()
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


async def test_a_handler_that_is_cancelled_gives_the_event_back(shop: Shop) -> None:
    """When the handler's own task is cancelled the answer is 500, and the redelivery runs it again."""
    first = shop.deliver()
    await shop.begun.wait()
    (work,) = shop.receiver._processor.get()._tasks._running
    work.cancel()
    reply = await first
    assert (reply.status, reply.body) == (500, b"not handled")
    shop.let_go.set()
    assert (await shop.deliver()).status == 200
    assert shop.notes == ["CAPTURED begins", "CAPTURED begins", "CAPTURED ends"]


async def test_a_handler_that_raises_a_cancellation_gives_the_event_back(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that awaits a task which was cancelled has failed: 500, an error, and the redelivery runs it again."""
    shop.let_go.set()
    cancelled = asyncio.create_task(asyncio.sleep(9))
    cancelled.cancel()
    awaited: list[asyncio.Future[None]] = [cancelled]

    @shop.receiver.on("CAPTURED")
    async def fail(_: PaymentEvent) -> None:
        if awaited:
            await awaited.pop()

    reply = await shop.deliver()
    assert (reply.status, reply.body) == (500, b"not handled")
    assert f"event epayments.payment.captured.v1 of {REFERENCE}" in caplog.text
    assert "is given back for redelivery" in caplog.text
    assert (await shop.deliver()).status == 200
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"] * 2


async def test_closing_waits_for_handlers_and_refuses_what_comes(shop: Shop) -> None:
    """Closing returns when the handlers have ended; what arrives meanwhile, and later, is to come again."""
    first = shop.deliver()
    await shop.begun.wait()
    closing = asyncio.create_task(shop.receiver.close())
    await asyncio.sleep(0)
    for name in ("CAPTURED", "REFUNDED"):
        reply = await shop.deliver(name)
        assert (reply.status, reply.headers, reply.body) == (503, {"Retry-After": "2"}, b"shutting down")
    assert not closing.done()
    shop.let_go.set()
    await closing
    assert first.done()
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]
    assert (await shop.deliver("REFUNDED")).status == 503
    await shop.receiver.close()


async def test_a_delivery_wakes_who_waits_for_its_payment(shop: Shop) -> None:
    """`watch` is set by a delivery for that reference, duplicates included, and by no other; then it is forgotten."""
    shop.let_go.set()
    with shop.receiver.watch(REFERENCE) as happened, shop.receiver.watch(REFERENCE) as too:
        await shop.deliver("CAPTURED", OTHER)
        assert not happened.is_set()
        await shop.deliver()
        assert happened.is_set()
        assert too.is_set()
        happened.clear()
        await shop.deliver()
        assert happened.is_set()
    happened.clear()
    await shop.deliver("REFUNDED")
    assert not happened.is_set()


async def test_a_refused_delivery_wakes_nobody(shop: Shop) -> None:
    """A body that is no event sets nothing."""
    with shop.receiver.watch(REFERENCE) as happened:
        await shop.receiver.handle(delivery(f'{{"reference":"{REFERENCE}"}}'.encode(), {}))
        assert not happened.is_set()
