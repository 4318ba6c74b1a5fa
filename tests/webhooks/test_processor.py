"""A receiver works in one event loop after another; in a second one it is refused by name, and nothing hangs."""

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.loops import another_loop
from tests.support.webhooks.deliveries import REFERENCE, delivery, event, receiver_of
from vipps_async import PaymentEvent
from vipps_async.errors import WrongEventLoop
from vipps_async.webhooks import Stage, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


def counting(receiver: WebhookReceiver) -> list[str]:
    """Let the receiver's handler note what it handles, under a payment's lock that others wait for."""
    handled: list[str] = []

    @receiver.on(PaymentEvent)
    async def handle(happened: PaymentEvent) -> None:
        await asyncio.sleep(0.01)
        handled.append(happened.name)

    return handled


async def _deliver(receiver: WebhookReceiver, *names: str) -> list[int]:
    replies = await asyncio.gather(*(receiver.handle(delivery(event(name))) for name in names))
    return [reply.status for reply in replies]


def test_a_receiver_works_in_one_loop_after_another() -> None:
    """Each loop has locks of its own; what took effect in one is a duplicate in the next."""
    receiver = receiver_of(store=MemoryStore())
    handled = counting(receiver)
    for _ in range(3):
        assert asyncio.run(_deliver(receiver, "CAPTURED", "REFUNDED")) == [200, 200]
    assert handled == ["CAPTURED", "REFUNDED"]


def test_a_receiver_that_was_closed_in_one_loop_works_in_the_next() -> None:
    """Closing is for what runs in a loop."""
    receiver = receiver_of(store=MemoryStore())
    counting(receiver)

    async def live() -> list[int]:
        async with receiver:
            statuses = await _deliver(receiver, "CAPTURED")
        return statuses + await _deliver(receiver, "CAPTURED")

    assert [asyncio.run(live()) for _ in range(2)] == [[200, 503], [200, 503]]


def test_a_second_loop_is_refused_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """Its deliveries are answered 503 at once and counted as refused, and its start, close and waits raise."""
    receiver = receiver_of(store=MemoryStore())
    handled = counting(receiver)

    async def be_refused() -> None:
        assert await _deliver(receiver, "REFUNDED") == [503]
        for use in (receiver.start, lambda: receiver.watch(REFERENCE)):
            with pytest.raises(WrongEventLoop, match=r"the receiver shop\.example/vipps/events\?shop=1 belongs to"):
                use()
        with pytest.raises(WrongEventLoop):
            await receiver.close()

    with another_loop() as loop:
        assert asyncio.run_coroutine_threadsafe(_deliver(receiver, "CAPTURED"), loop).result(5) == [200]
        asyncio.run(be_refused())
        assert asyncio.run_coroutine_threadsafe(_deliver(receiver, "REFUNDED"), loop).result(5) == [200]
    assert handled == ["CAPTURED", "REFUNDED"]
    assert receiver.counts[Stage.REFUSED] == 1
    assert "belongs to another event loop" in caplog.text


def test_of_threads_that_deliver_at_once_each_is_answered() -> None:
    """With a loop for each delivery, as threaded servers make them, each is handled once or told to come again."""
    receiver = receiver_of(store=MemoryStore())
    handled = counting(receiver)
    names = ["AUTHORIZED", "CAPTURED", "REFUNDED", "CANCELLED"]

    def deliver_until_handled(name: str) -> list[int]:
        answers: list[int] = []
        while 200 not in answers:
            answers += asyncio.run(_deliver(receiver, name))
        return answers

    with ThreadPoolExecutor(8) as threads:
        for answers in threads.map(deliver_until_handled, names * 4, timeout=30):
            assert set(answers) <= {200, 503}
    assert sorted(handled) == sorted(names)


def _deliver_in_child(receiver: WebhookReceiver, answers: Any) -> None:
    answers.put(asyncio.run(_deliver(receiver, "CAPTURED", "REFUNDED")))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_receiver_that_was_used_before_a_fork_works_in_the_child() -> None:
    """The child has locks and tasks of its own."""
    receiver = receiver_of(store=MemoryStore())
    counting(receiver)
    assert await _deliver(receiver, "CAPTURED") == [200]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    # From a thread, so that no loop is running where the child begins.
    child = context.Process(target=_deliver_in_child, args=(receiver, answers))
    await asyncio.to_thread(child.start)
    assert await asyncio.to_thread(answers.get, timeout=10) == [200, 200]
    await asyncio.to_thread(child.join, 10)
