"""A receiver announces the events that it takes, so that a wait in another process ends, and keeps nobody waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.payments import REFERENCE, create, reads_of, requests_of
from tests.support.servers.redis import RedisServer
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from tests.support.webhooks.serving import serving
from tests.support.webhooks.signal_contract import frozen, happens, subscribed, wait
from vipps_async import PaymentState, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.signals.redis import RedisSignal
from vipps_async.webhooks.stores.redis import RedisStore


@asynccontextmanager
async def hearing(server: RedisServer) -> AsyncIterator[RedisSignal]:
    """A signal over a client of its own, as another process has it, that hears what is announced from now on."""
    async with server.client() as client, RedisSignal(client) as signal:
        await subscribed(signal)
        yield signal


async def test_an_event_that_another_process_received_ends_a_wait(
    redis_server: RedisServer, sandbox: Sandbox, vipps: VippsClient
) -> None:
    """A delivery to one process has the wait in another read the payment again, once."""
    app = web.Application()
    async with redis_server.client() as client, hearing(redis_server) as signal:
        receiver = WebhookReceiver(store=RedisStore(client), signal=RedisSignal(client), allow_unsigned=True)
        receiver.setup(app, "/vipps/events")
        async with serving(app) as server:
            await vipps.webhooks.register(server.url("/vipps/events"))
            await create(vipps)
            waiting = asyncio.create_task(wait(vipps, signal))
            await reads_of(sandbox, 1)
            await sandbox.approve(REFERENCE)
            async with asyncio.timeout(10):
                payment = await waiting
    assert payment.state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 2


async def test_a_receiver_hears_what_others_received(redis_server: RedisServer) -> None:
    """Who watches a receiver is woken by the events of all receivers on the signal."""
    async with redis_server.client() as client, hearing(redis_server) as signal:
        listening, other = receiver_of(signal=signal), receiver_of(signal=RedisSignal(client))
        with listening.watch(REFERENCE) as happened:
            assert (await other.handle(delivery(event(reference=REFERENCE)))).status == 200
            await happens(happened)
        await other.close()


async def test_a_creation_is_not_announced(redis_server: RedisServer) -> None:
    """An event that decides nothing wakes nobody."""
    async with hearing(redis_server) as signal:
        receiver = receiver_of(signal=signal)
        with receiver.watch(REFERENCE) as spared:
            await receiver.handle(delivery(event("CREATED", reference=REFERENCE)))
            await receiver.close()
            assert not spared.is_set()


async def test_a_silent_signal_does_not_delay_the_answer(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A delivery is answered 200 while its announcement hangs; closing waits for that, and nothing raises."""
    async with hearing(redis_server) as signal:
        receiver = receiver_of(signal=signal)
        with frozen(redis_server):
            assert (await receiver.handle(delivery(event()))).status == 200
            assert "cannot announce events" not in caplog.text
            await receiver.close()
    assert "cannot announce events" in caplog.text
