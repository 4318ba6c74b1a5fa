"""How often a payment is read that is waited for, by one or by thousands, as the sandbox counts it."""

import asyncio
import gc
import time
from datetime import datetime
from itertools import pairwise

import attrs
import pytest

from tests.support.lagging import lagging
from tests.support.payments import PRICE, REFERENCE, authorize, create, polling, reads_of, requests_of
from vipps_async import Payment, PaymentState, RetryPolicy, VippsClient
from vipps_async._http.polling import Polls, PollSchedule, Waiter
from vipps_async._loops.light_event import LightEvent
from vipps_async.epayment._wait import PAYMENT
from vipps_async.errors import NotFound, WaitTimeout
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

MANY = 3000


def pauses(sandbox: Sandbox) -> list[float]:
    """The seconds between the reads that the sandbox received."""
    times: list[datetime] = [request.received_at for request in requests_of(sandbox, "get")]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


def receiver() -> WebhookReceiver:
    """A receiver, whose events are those that a test makes up."""
    return WebhookReceiver(store=MemoryStore(), allow_unsigned=True)


def test_schedule_is_the_documented_one() -> None:
    """Five seconds from the creation, then two; with a signal one read a minute, until an event comes."""
    schedule = PollSchedule()
    assert (schedule.first, schedule.interval, schedule.asleep, schedule.slowest) == (5, 2, 60, 60)


async def test_new_payment_is_read_at_once_after_five_seconds_and_then_every_two(
    sandbox: Sandbox, vipps: VippsClient
) -> None:
    """The guidance is kept in real time, though the first read comes at once, also for the copy of a client."""
    await create(vipps)
    created = sandbox.clock.now()
    waiting = asyncio.create_task(vipps.with_options(timeout=7).epayment.wait(REFERENCE, timeout=20))
    await reads_of(sandbox, 1)
    assert (sandbox.clock.now() - created).total_seconds() < 2
    await reads_of(sandbox, 2)
    assert (sandbox.clock.now() - created).total_seconds() > 4.9
    await sandbox.approve(REFERENCE)
    assert (await waiting).state is PaymentState.AUTHORIZED
    assert pauses(sandbox)[1] > 1.9


async def test_payment_that_another_client_created_needs_no_five_seconds(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Only who created a payment knows that it is new."""
    await create(vipps)
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as other:
        waiting = asyncio.create_task(polling(other, first=60, interval=0.02).wait(REFERENCE, timeout=30))
        async with asyncio.timeout(10):
            await reads_of(sandbox, 3)
        waiting.cancel()


async def test_three_thousand_waits_on_one_payment_read_it_as_one(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Waits by a client and its copies, with conditions and ends of their own, stay within a read every two seconds."""
    await create(vipps)
    async with VippsClient(sandbox.credentials, environment=sandbox.environment) as shop:
        copies = [shop, shop.with_options(timeout=7), shop.with_options(timeout=9)]
        signals = [None, receiver()]
        asked = 0

        def is_authorized(payment: Payment) -> bool:
            nonlocal asked
            asked += 1
            return payment.state is PaymentState.AUTHORIZED

        began = time.monotonic()
        waits = [
            asyncio.create_task(
                copies[number % 3].epayment.wait(
                    REFERENCE, timeout=30 + number, until=is_authorized, signal=signals[number % 2]
                )
            )
            for number in range(MANY)
        ]
        await reads_of(sandbox, 3)
        await sandbox.approve(REFERENCE)
        payments = await asyncio.gather(*waits)
    assert {payment.state for payment in payments} == {PaymentState.AUTHORIZED}
    assert len({id(payment) for payment in payments}) == 1
    reads = len(requests_of(sandbox, "get"))
    assert reads <= 1 + (time.monotonic() - began) / 2
    assert asked == MANY * reads


async def test_waits_that_come_and_go_read_no_more_than_one_that_stays(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A page that waits again and again, each time for an instant, does not get around the pause between reads."""
    await create(vipps)
    payments = polling(vipps, first=0.01, interval=0.3)
    for _ in range(20):
        with pytest.raises(WaitTimeout, match="it was last seen CREATED"):
            await payments.wait(REFERENCE, timeout=0.05)
    assert len(requests_of(sandbox, "get")) > 1
    assert min(pauses(sandbox)) >= 0.28


async def test_events_read_no_more_than_every_interval(sandbox: Sandbox, vipps: VippsClient) -> None:
    """However many events come, of a payment that changes or not, it is read after the usual pause."""
    await create(vipps)
    signal = receiver()
    waiting = asyncio.create_task(polling(vipps, first=0, interval=0.3).wait(REFERENCE, timeout=30, signal=signal))
    while len(requests_of(sandbox, "get")) < 4:
        signal._processor.get()._watchers.notify(REFERENCE)
        await asyncio.sleep(0.01)
    waiting.cancel()
    assert min(pauses(sandbox)) >= 0.28


@pytest.mark.parametrize(
    "fault", [Fault.STATUS_429, Fault.STATUS_503, Fault.STATUS_423, Fault.STATUS_408, Fault.STATUS_500]
)
async def test_time_that_the_server_asks_for_is_kept(sandbox: Sandbox, vipps: VippsClient, fault: Fault) -> None:
    """Whatever its status, neither an event nor another wait has the payment read before Retry-After has passed."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", fault, retry_after=1)
    signal = receiver()
    payments = polling(vipps, first=0, interval=0.02)
    with pytest.raises(WaitTimeout):
        await payments.wait(REFERENCE, timeout=0.3)
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=30, signal=signal))
    while not waiting.done():
        signal._processor.get()._watchers.notify(REFERENCE)
        await asyncio.sleep(0.02)
    assert (await waiting).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2
    assert pauses(sandbox)[0] >= 0.98


async def test_time_that_the_server_asks_for_outlives_a_wait_that_was_cancelled(
    sandbox: Sandbox, vipps: VippsClient
) -> None:
    """Nobody waits any more, and the time at which the wait would have ended passes: Retry-After still holds."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_503, retry_after=1)
    payments = polling(vipps, first=0, interval=0.02)
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=0.3))
    await reads_of(sandbox, 1)
    await asyncio.sleep(0.1)  # until the answer has come
    waiting.cancel()
    await asyncio.sleep(0.3)
    assert (await payments.wait(REFERENCE, timeout=30)).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2
    assert pauses(sandbox)[0] >= 0.98


async def test_each_429_slows_a_wait_at_once(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A poll that is refused with 429 is not repeated by itself: each one doubles the pause before the next."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_429, times=2)
    assert (await polling(vipps, interval=0.1).wait(REFERENCE, timeout=20)).state is PaymentState.AUTHORIZED
    first, second = pauses(sandbox)
    assert first >= 0.19
    assert second >= 0.39


async def test_slowest_pause_is_not_exceeded(sandbox: Sandbox, vipps: VippsClient) -> None:
    """The pause that every 429 doubles does not grow beyond the slowest."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_429, times=12)
    async with asyncio.timeout(10):
        payment = await polling(vipps, interval=0.01, slowest=0.02).wait(REFERENCE, timeout=60)
    assert payment.state is PaymentState.AUTHORIZED


async def test_wait_that_joins_is_answered_from_a_fresh_read(sandbox: Sandbox, vipps: VippsClient) -> None:
    """What was read a moment ago answers another wait, so that many reloads of a page do not read it each time."""
    await authorize(sandbox, vipps)
    payments = polling(vipps, first=0, interval=30)
    async with asyncio.timeout(10):
        for _ in range(50):
            assert (await payments.wait(REFERENCE, timeout=60)).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 1


async def test_wait_that_joins_later_has_the_payment_read(sandbox: Sandbox, vipps: VippsClient) -> None:
    """What was read long ago for a wait that rests answers no other: the payment is read for it at once."""
    await create(vipps)
    payments, signal = polling(vipps, first=0, interval=0.05, asleep=300), receiver()
    resting = asyncio.create_task(payments.wait(REFERENCE, timeout=300, signal=signal))
    await reads_of(sandbox, 1)
    await asyncio.sleep(0.06)  # until what was read is no longer fresh
    await sandbox.approve(REFERENCE)
    async with asyncio.timeout(10):
        assert (await payments.wait(REFERENCE, timeout=300, signal=signal)).state is PaymentState.AUTHORIZED
        assert (await resting).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2


async def test_what_was_true_long_ago_ends_no_wait(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A condition that held for what was read long ago, and holds no more, does not hold."""
    await authorize(sandbox, vipps)
    payments, signal = polling(vipps, interval=0.05, asleep=300), receiver()

    def is_captured(payment: Payment) -> bool:
        return payment.aggregate.captured_amount == PRICE

    resting = asyncio.create_task(payments.wait(REFERENCE, timeout=300, until=is_captured, signal=signal))
    await reads_of(sandbox, 1)
    await asyncio.sleep(0.1)  # until what was read is no longer fresh
    await vipps.epayment.capture(REFERENCE)
    with pytest.raises(WaitTimeout):
        await payments.wait(REFERENCE, timeout=0.3, until=lambda payment: not is_captured(payment), signal=signal)
    assert is_captured(await resting)


async def test_payments_of_two_merchants_with_one_reference_are_two(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A reference is unique for a merchant serial number alone, so that waits of two merchants share no read."""
    await create(vipps)
    other = vipps.with_options(merchant_serial_number="999999")
    waits = [asyncio.create_task(client.epayment.wait(REFERENCE, timeout=30)) for client in (vipps, other)]
    await reads_of(sandbox, 2)
    for waiting in waits:
        waiting.cancel()


async def test_error_that_ends_a_wait_reaches_all(sandbox: Sandbox, vipps: VippsClient) -> None:
    """What waiting on cannot mend is told to each who waits, from one read, with a traceback that does not grow."""
    waits = [vipps.epayment.wait("order-9999", timeout=30) for _ in range(100)]
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(end) for end in ends} == {NotFound}
    assert len(requests_of(sandbox, "get")) == 1
    depths = []
    for end in ends:
        assert isinstance(end, NotFound)
        trace, depth = end.__traceback__, 0
        while trace is not None:
            trace, depth = trace.tb_next, depth + 1
        depths.append(depth)
    assert max(depths) < 50


async def test_cancelled_wait_takes_nothing_from_the_others(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Who stops waiting, while a read is under way for all, leaves the read to the others."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.LATENCY, seconds=0.3)
    first, second = (asyncio.create_task(vipps.epayment.wait(REFERENCE, timeout=30)) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second).state is PaymentState.AUTHORIZED
    assert first.cancelled()
    assert len(requests_of(sandbox, "get")) == 1


async def test_last_one_to_leave_ends_the_read_and_then_the_poll(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Nothing is left of waits that were cancelled: no request, no watcher, and after the pause no poll."""
    await create(vipps)
    sandbox.fail("get", Fault.STALLED, times=None)
    patient = vipps.with_options(timeout=60, retry=RetryPolicy(attempt_timeout=60))
    signal, payments = receiver(), polling(patient, first=0, interval=0.05)
    waits = [asyncio.create_task(payments.wait(REFERENCE, timeout=600, signal=signal)) for _ in range(3)]
    await reads_of(sandbox, 1)
    polls = payments._polls._polls.get()
    assert len(polls) == 1
    for waiting in waits:
        waiting.cancel()
    await asyncio.wait(waits)
    assert not signal._processor.get()._watchers._waiting
    async with asyncio.timeout(5):
        while polls or any(task.get_name() == "vipps_async poll" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
    assert len(requests_of(sandbox, "get")) == 1


async def test_poll_that_was_given_up_is_taken_up_again(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait that begins in the moment in which the last one left is answered, after the usual pause."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STALLED)
    payments = polling(vipps, first=0, interval=0.05)
    first = asyncio.create_task(payments.wait(REFERENCE, timeout=600))
    await reads_of(sandbox, 1)
    first.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert (await payments.wait(REFERENCE, timeout=600)).state is PaymentState.AUTHORIZED


async def test_payment_that_reads_do_not_show_yet_is_waited_for(sandbox: Sandbox, vipps: VippsClient) -> None:
    """NotFound does not end a wait for a payment that this client created a moment ago: reads may lag behind it."""
    async with lagging(sandbox) as proxy:
        environment = attrs.evolve(sandbox.environment, base_url=proxy.url)
        async with VippsClient(sandbox.credentials, environment=environment) as client:
            with pytest.raises(NotFound):
                await client.epayment.get(REFERENCE)
            proxy.remember()
            payments = polling(client, first=0.5, interval=0.01)
            await payments.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
            await sandbox.approve(REFERENCE)
            proxy.lag("get", 2)
            payment = await payments.wait(REFERENCE, timeout=30)
            assert payment.state is PaymentState.AUTHORIZED


async def test_old_payment_that_is_not_found_ends_a_wait(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A payment that this client created a while ago is there, so that NotFound says something else."""
    payments = polling(vipps, first=0.01, interval=0.01)
    await payments.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
    await asyncio.sleep(0.02)
    sandbox.fail("get", "5090")
    with pytest.raises(NotFound):
        await payments.wait(REFERENCE, timeout=30)


async def test_creations_are_remembered_for_five_seconds_only(vipps: VippsClient) -> None:
    """What a client remembers of the payments that it created does not grow with their number."""
    polls = Polls(PollSchedule(first=0.05))
    for number in range(100):
        polls.note_creation(PAYMENT, ("123456", f"order-{number:04}"))
    await asyncio.sleep(0.06)
    polls.note_creation(PAYMENT, ("123456", "order-last"))
    assert list(polls._created) == [("payment", ("123456", "order-last"))]


async def test_waits_at_rest_hold_no_task_of_their_own(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Between two reads a wait has its caller's task alone, and the timer that all who wait for the payment share."""
    await create(vipps)
    payments = polling(vipps, first=300, interval=300)
    waits = {asyncio.create_task(payments.wait(REFERENCE, timeout=600)) for _ in range(10)}
    before = asyncio.all_tasks()
    await reads_of(sandbox, 1)
    async with asyncio.timeout(5):
        while any(task.get_name() == "vipps_async poll" for task in asyncio.all_tasks() - before):
            await asyncio.sleep(0.01)
    gc.collect()
    # Of this loop: those of a loop that ended with a timer set are garbage that has yet to be found.
    loop = asyncio.get_running_loop()
    handles = (each for each in gc.get_objects() if issubclass(type(each), asyncio.TimerHandle))
    timers = [handle for handle in handles if handle._loop is loop and not handle.cancelled()]
    assert sum("Poll._act" in repr(handle) for handle in timers) == 1
    for waiting in waits:
        waiting.cancel()
    await asyncio.wait(waits)


async def test_poll_that_is_due_does_not_hide_an_event() -> None:
    """What wakes a wait for its poll leaves its event unset, so that an event of the same moment is told from it."""
    happened = LightEvent()
    waiter = Waiter(happened, ends_at=0, has_signal=True)
    for comes_first in (None, True, False):
        waiting = asyncio.create_task(happened.wait())
        await asyncio.sleep(0)
        if comes_first is True:
            happened.set()
        waiter.wake()
        if comes_first is False:
            happened.set()
        assert await waiting
        assert happened.is_set() is (comes_first is not None)
        happened.clear()
