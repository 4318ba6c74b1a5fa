"""Whose event it is counts: receivers that share a store, merchants that share a reference, and the log's copy."""

import asyncio
import itertools
from typing import Any, Literal

import attrs
import pytest
from aiohttp import web

from tests.support.payments import REFERENCE, authorize
from tests.support.vectors import document
from tests.support.webhooks.deliveries import delivery, event, receiver_of, signed
from tests.support.webhooks.inbox_shop import QUICK, until
from tests.support.webhooks.places import Place, SqlitePlace
from tests.support.webhooks.serving import serving
from vipps_async import Amount, PaymentEvent, VippsClient
from vipps_async._wire.converter import structure
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks import Stage, WebhookReceiver
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks.stores.memory import MemoryStore

ONE, OTHER = "https://one.example/vipps", "https://other.example/vipps"


def noting(receiver: WebhookReceiver) -> list[str]:
    """Let the receiver's handler note whose event it handles."""
    handled: list[str] = []

    @receiver.on(PaymentEvent)
    async def handle(happened: PaymentEvent) -> None:
        handled.append(happened.psp_reference)

    return handled


async def deliver(receiver: WebhookReceiver, body: bytes, url: str) -> int:
    """Deliver to the receiver of *url*, and return the status."""
    return (await receiver.handle(delivery(body, signed(body, url=url)))).status


async def test_two_receivers_on_one_store_know_nothing_of_each_other() -> None:
    """An event that is delivered to both takes effect in both."""
    store = MemoryStore()
    receivers = {url: receiver_of(store=store, url=url) for url in (ONE, OTHER)}
    handled = {url: noting(receiver) for url, receiver in receivers.items()}
    for url, receiver in receivers.items():
        assert [await deliver(receiver, event(), url) for _ in range(2)] == [200, 200]
    assert handled == {ONE: ["2018200034"], OTHER: ["2018200034"]}


async def test_receivers_of_one_name_are_one(place: Place) -> None:
    """Two processes' receivers, though of two URLs while one replaces the other, share what took effect."""
    async with place.opened() as store, place.opened() as too:
        first = receiver_of(store=store, url=ONE, name="shop")
        second = receiver_of(store=too, url=OTHER, name="shop")
        handled = [noting(first), noting(second)]
        assert await deliver(first, event(), ONE) == 200
        assert await deliver(second, event(), OTHER) == 200
        assert handled == [["2018200034"], []]
        assert second.counts[Stage.DUPLICATE] == 1


async def test_receivers_that_share_an_inbox_handle_their_own_events(place: Place) -> None:
    """However their deliveries mix, nothing goes to the receiver that has no handler for it."""
    names = [f"psp-{number}" for number in range(20)]
    async with place.opened() as store, place.opened() as too:
        one = receiver_of(store=store, url=ONE, inbox=QUICK)
        other = receiver_of(store=too, url=OTHER, inbox=QUICK)
        handled = [noting(one), noting(other)]
        async with one, other:
            for name in names:
                body = event(pspReference=name)
                for receiver, url in ((one, ONE), (other, OTHER)):
                    assert await deliver(receiver, body, url) == 200
            await until(lambda: all(len(each) >= len(names) for each in handled))
        assert handled == [names, names]
        assert (await store.inbox.size()).waiting == 0


async def test_a_dead_letter_of_one_merchant_stops_no_other(sqlite_place: SqlitePlace) -> None:
    """Two merchants' payments of one reference share no order."""
    handled: list[str | None] = []
    async with sqlite_place.opened() as store:
        receiver = receiver_of(store=store, inbox=attrs.evolve(QUICK, attempts=1))

        @receiver.on(PaymentEvent)
        async def handle(happened: PaymentEvent) -> None:
            if happened.psp_reference == "bad":
                raise RuntimeError
            handled.append(happened.msn)

        async with receiver:
            for msn, psp_reference in (("1", "bad"), ("1", "late"), ("2", "good")):
                await receiver.handle(delivery(event(msn=msn, pspReference=psp_reference)))
            await until(lambda: receiver.counts[Stage.DEAD] == 1 and bool(handled))
            await until(lambda: _waits(store, 1))
        assert handled == ["2"]


async def _waits(store: Any, number: int) -> bool:
    return bool((await store.inbox.size()).waiting == number)


async def test_merchants_with_one_reference_wait_for_their_own_events() -> None:
    """An event wakes who waits for its merchant's payment, or for anybody's; one that tells no merchant wakes all."""
    receiver = receiver_of()

    async def woken_by(msn: str | None) -> list[bool]:
        with (
            receiver.watch(REFERENCE, msn="1") as first,
            receiver.watch(REFERENCE, msn="2") as second,
            receiver.watch(REFERENCE) as anybody,
        ):
            for happened in (first, second, anybody):
                happened.clear()
            await receiver.handle(delivery(event(reference=REFERENCE, msn=msn, pspReference=str(msn))))
            return [happened.is_set() for happened in (first, second, anybody)]

    assert await woken_by("1") == [True, False, True]
    with receiver.watch(REFERENCE, msn="2") as second:
        assert not second.is_set()
    assert await woken_by("2") == [False, True, True]
    assert await woken_by(None) == [True, True, True]


def test_no_two_texts_agree() -> None:
    """Whatever a name, a merchant or a reference ends with: where one text ends and the next begins counts."""
    texts = ["", "1", "1:", "1:1,", "1,", ",", "1:1,1:1,"]
    subjects, keys = set[str](), set[str]()
    combinations = list(itertools.product(texts, repeat=3))
    for name, msn, reference in combinations:
        identity = Identity(name=name, key_of=lambda happened: happened.dedup_key)
        happened = _event(msn, reference)
        subjects.add(identity.subject(happened))
        keys.add(identity.key(happened))
    assert len(subjects) == len(keys) == len(combinations)


def _event(msn: str, reference: str) -> PaymentEvent:
    said = {**document("current-webhook-epayment-captured"), "msn": msn, "reference": reference}
    return structure(said, PaymentEvent)


@pytest.mark.parametrize("dialect", ["current", "draft"])
async def test_an_entry_of_the_log_is_the_event_that_was_delivered(dialect: Literal["current", "draft"]) -> None:
    """Key and subject of a delivery and of its entry in the event log are the same, in both dialects."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    delivered: list[PaymentEvent] = []
    all_came = asyncio.Event()

    @receiver.on(PaymentEvent)
    async def note(happened: PaymentEvent) -> None:
        delivered.append(happened)
        if len(delivered) == 3:
            all_came.set()

    app = web.Application()
    receiver.setup(app, "/vipps/events")
    async with (
        serving(app) as server,
        Sandbox(dialect=dialect, retry_delays=[0.02]) as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        await sandbox.add_webhook(server.url("/vipps/events"))
        await authorize(sandbox, vipps)
        await vipps.epayment.capture(REFERENCE, Amount(400, "NOK"))
        async with asyncio.timeout(10):
            await all_came.wait()
        logged = await vipps.epayment.events(REFERENCE)
    assert {one.dedup_key for one in logged} == {one.dedup_key for one in delivered}
    assert len({one.dedup_key for one in logged}) == 3
    assert {one.msn for one in logged} == {one.msn for one in delivered}
