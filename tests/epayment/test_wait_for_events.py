"""Waiting for a payment with a receiver: its events hurry the reads, and reads make up for events that do not come."""

import asyncio

from tests.support import PRICE, REFERENCE, authorize, create, requests_of
from vipps_async import Amount, Payment, PaymentState, VippsClient
from vipps_async.epayment._wait import PollSchedule, is_decided, wait_for
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


async def wait(vipps: VippsClient, receiver: WebhookReceiver, schedule: PollSchedule, timeout: float = 5) -> Payment:
    """Wait with a schedule for tests."""
    return await wait_for(
        vipps.epayment.get,
        REFERENCE,
        timeout=timeout,
        until=is_decided,
        signal=receiver,
        schedule=schedule,
    )


async def test_event_does_not_hurry_a_wait_that_was_told_to_wait(sandbox: Sandbox, vipps: VippsClient) -> None:
    """After a 429 not even an event has the payment read before the time in Retry-After has passed."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_429, times=4, retry_after=0.5)
    waiting = asyncio.create_task(wait(vipps, receiver, PollSchedule(first=0.05, interval=0.02)))
    while len(requests_of(sandbox, "get")) < 4:
        await asyncio.sleep(0.01)
    for _ in range(3):
        receiver._processor.get()._watchers.notify(REFERENCE)
        await asyncio.sleep(0.05)
    assert (await waiting).state is PaymentState.AUTHORIZED
    *_, refused, answered = (read.received_at for read in requests_of(sandbox, "get"))
    assert len(requests_of(sandbox, "get")) == 5
    assert (answered - refused).total_seconds() >= 0.5


async def test_event_ends_a_wait_at_once(sandbox: Sandbox, vipps: VippsClient) -> None:
    """With a receiver as signal, an event has the payment read before a poll is due, and until() asked."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await create(vipps)
    await sandbox.approve(REFERENCE)

    def all_captured(payment: Payment) -> bool:
        return payment.aggregate.captured_amount == PRICE

    waiting = asyncio.create_task(vipps.epayment.wait(REFERENCE, timeout=4, until=all_captured, signal=receiver))
    async with asyncio.timeout(4):
        for reads, part in enumerate((Amount(400, "NOK"), Amount(600, "NOK")), start=1):
            await vipps.epayment.capture(REFERENCE, part)
            receiver._processor.get()._watchers.notify(REFERENCE)
            while len(requests_of(sandbox, "get")) < reads:
                await asyncio.sleep(0.01)
    payment = await waiting
    assert payment.aggregate.captured_amount == PRICE
    assert len(requests_of(sandbox, "get")) == 2


async def test_event_that_came_before_the_wait_ends_it_at_once(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A shopper who returns after the event arrived is not kept waiting for the first poll."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await authorize(sandbox, vipps)
    receiver._processor.get()._watchers.notify(REFERENCE)
    assert (await vipps.epayment.wait(REFERENCE, timeout=4, signal=receiver)).state is PaymentState.AUTHORIZED


async def test_event_that_the_api_does_not_show_yet_is_read_for_closely(sandbox: Sandbox, vipps: VippsClient) -> None:
    """After an event the payment is read every interval, until the API shows what the event announced."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await create(vipps)
    schedule = PollSchedule(first=30, interval=0.02, asleep=60)
    waiting = asyncio.create_task(wait(vipps, receiver, schedule, timeout=30))
    async with asyncio.timeout(4):
        while not receiver._processor.get()._watchers._waiting:
            await asyncio.sleep(0.01)
        receiver._processor.get()._watchers.notify(REFERENCE)
        while len(requests_of(sandbox, "get")) < 4:
            await asyncio.sleep(0.01)
        await sandbox.approve(REFERENCE)
        assert (await waiting).state is PaymentState.AUTHORIZED


async def test_wait_reads_a_last_time_before_it_ends(sandbox: Sandbox, vipps: VippsClient) -> None:
    """An approval whose event never arrives is seen all the same, by a read just before the end."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await create(vipps)
    waiting = asyncio.create_task(vipps.epayment.wait(REFERENCE, timeout=7, signal=receiver))
    while not requests_of(sandbox, "get"):
        await asyncio.sleep(0.02)
    await sandbox.approve(REFERENCE)
    assert (await waiting).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2
