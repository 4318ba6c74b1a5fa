"""Waiting for a payment with a receiver: its events hurry the reads, and reads make up for events that do not come."""

import asyncio

from tests.support.payments import PRICE, REFERENCE, authorize, create, polling, reads_of, requests_of
from vipps_async import Amount, Payment, PaymentState, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


async def test_event_ends_a_wait(sandbox: Sandbox, vipps: VippsClient) -> None:
    """With a receiver as signal, an event has the payment read before a poll is due, and until() asked."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await authorize(sandbox, vipps)

    def all_captured(payment: Payment) -> bool:
        return payment.aggregate.captured_amount == PRICE

    payments = polling(vipps, interval=0.05, asleep=300, awake=0)
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=300, until=all_captured, signal=receiver))
    async with asyncio.timeout(10):
        await reads_of(sandbox, 1)
        for reads, part in enumerate((Amount(400, "NOK"), Amount(600, "NOK")), start=2):
            await vipps.epayment.capture(REFERENCE, part)
            receiver._processor.get()._watchers.notify(REFERENCE)
            await reads_of(sandbox, reads)
        payment = await waiting
    assert payment.aggregate.captured_amount == PRICE
    assert len(requests_of(sandbox, "get")) == 3


async def test_event_that_came_before_the_wait_has_it_read_once(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A shopper who returns after the event arrived is not kept waiting, and costs one read."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await authorize(sandbox, vipps)
    receiver._processor.get()._watchers.notify(REFERENCE)
    assert (await vipps.epayment.wait(REFERENCE, timeout=4, signal=receiver)).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 1


async def test_event_that_the_api_does_not_show_yet_is_read_for_closely(sandbox: Sandbox, vipps: VippsClient) -> None:
    """After an event the payment is read every interval, until the API shows what the event announced."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    payments = polling(vipps, first=300, interval=0.02, asleep=300)
    await payments.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=300, signal=receiver))
    async with asyncio.timeout(10):
        await reads_of(sandbox, 1)
        receiver._processor.get()._watchers.notify(REFERENCE)
        await reads_of(sandbox, 4)
        await sandbox.approve(REFERENCE)
        assert (await waiting).state is PaymentState.AUTHORIZED


async def test_event_for_one_wait_answers_the_others(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Waits with signals of their own share the reads: what one of them hears of is told to all."""
    receivers = [WebhookReceiver(store=MemoryStore(), allow_unsigned=True) for _ in range(3)]
    await create(vipps)
    payments = polling(vipps, interval=0.02, asleep=300)
    waits = [asyncio.create_task(payments.wait(REFERENCE, timeout=300, signal=signal)) for signal in receivers]
    async with asyncio.timeout(10):
        await reads_of(sandbox, 1)
        await sandbox.approve(REFERENCE)
        receivers[1]._processor.get()._watchers.notify(REFERENCE)
        payments_seen = await asyncio.gather(*waits)
    assert {payment.state for payment in payments_seen} == {PaymentState.AUTHORIZED}
    assert len(requests_of(sandbox, "get")) == 2


async def test_wait_without_a_signal_reads_for_those_with_one(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait that has to see for itself polls, and what it sees is told to a wait whose event never comes."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await create(vipps)
    payments = polling(vipps, first=0, interval=0.05, asleep=300)
    with_signal = asyncio.create_task(payments.wait(REFERENCE, timeout=300, signal=receiver))
    async with asyncio.timeout(10):
        await reads_of(sandbox, 1)
        without = asyncio.create_task(payments.wait(REFERENCE, timeout=300))
        await reads_of(sandbox, 3)
        await sandbox.approve(REFERENCE)
        assert await with_signal is await without


async def test_wait_reads_a_last_time_before_it_ends(sandbox: Sandbox, vipps: VippsClient) -> None:
    """An approval whose event never arrives is seen all the same, by a read just before the end."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    await create(vipps)
    payments = polling(vipps, interval=0.1)
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=3, signal=receiver))
    await reads_of(sandbox, 1)
    await sandbox.approve(REFERENCE)
    assert (await waiting).state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2


async def test_event_of_another_merchant_s_payment_wakes_nobody(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A reference is unique for one merchant only: what happens to another's payment has this one not read."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    payments = polling(vipps, first=300, interval=0.02, asleep=300)
    await payments.create(amount=PRICE, reference=REFERENCE, return_url="https://shop.example/")
    waiting = asyncio.create_task(payments.wait(REFERENCE, timeout=300, signal=receiver))
    watchers = receiver._processor.get()._watchers
    async with asyncio.timeout(10):
        await reads_of(sandbox, 1)
        watchers.notify(REFERENCE, "999999")
        await asyncio.sleep(0.1)
        assert len(requests_of(sandbox, "get")) == 1
        await sandbox.approve(REFERENCE)
        watchers.notify(REFERENCE, sandbox.credentials.merchant_serial_number)
        assert (await waiting).state is PaymentState.AUTHORIZED
