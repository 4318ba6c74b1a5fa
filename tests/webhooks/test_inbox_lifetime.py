"""What was answered 200 is handled, whenever processes start and end, however they end, and whatever is away."""

import asyncio
import multiprocessing
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta

import attrs
import pytest
from aiohttp import web

from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks import inbox_process
from tests.support.webhooks.asgi_sites import alone, in_fastapi, in_starlette, served
from tests.support.webhooks.deliveries import NAME, key_of, receiver_of
from tests.support.webhooks.inbox_shop import (
    EMPTY,
    NO_GRACE,
    PATH,
    QUICK,
    at_once,
    event_of,
    name_of,
    never,
    shop,
    shop_receiver,
    until,
)
from tests.support.webhooks.places import Place, PostgresPlace, SqlitePlace
from tests.support.webhooks.serving import serving
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores import _sqlite_writer


def running() -> list[str]:
    """The names of the tasks that a receiver has."""
    return sorted(task.get_name() for task in asyncio.all_tasks() if "vipps_async" in task.get_name())


async def test_what_was_left_is_handled_after_a_restart(place: Place) -> None:
    """Events that were answered and not handled are handled by whoever starts next, in order, without a delivery."""
    async with shop(place, never, attrs.evolve(QUICK, shutdown_timeout=NO_GRACE)) as site:
        assert await site.deliver("a1", "a2", "b1", "a3") == [200] * 4
    async with shop(place) as site:
        await site.has_shipped("a1", "a2", "a3", "b1")
        assert [name for name in site.begun if name[0] == "a"] == ["a1", "a2", "a3"]
        assert {notice.attempt for notice in site.notices} == {1}


@asynccontextmanager
async def in_aiohttp(receiver: WebhookReceiver) -> AsyncIterator[None]:
    """At a path of an aiohttp application."""
    app = web.Application()
    receiver.setup(app, PATH)
    async with serving(app):
        yield


@asynccontextmanager
async def below_aiohttp(receiver: WebhookReceiver) -> AsyncIterator[None]:
    """Below a prefix of an aiohttp application."""
    app = web.Application()
    app.add_subapp("/vipps", receiver.aiohttp_app())
    async with serving(app):
        yield


def by_asgi(receiver: WebhookReceiver) -> AbstractAsyncContextManager[object]:
    """As an ASGI application of its own."""
    return served(alone(receiver))


def by_fastapi(receiver: WebhookReceiver) -> AbstractAsyncContextManager[object]:
    """Mounted in FastAPI."""
    return served(in_fastapi(receiver))


def by_starlette(receiver: WebhookReceiver) -> AbstractAsyncContextManager[object]:
    """Mounted in Starlette."""
    return served(in_starlette(receiver))


def by_itself(receiver: WebhookReceiver) -> AbstractAsyncContextManager[object]:
    """In no server."""
    return receiver


@pytest.mark.parametrize(
    "run",
    [in_aiohttp, below_aiohttp, by_asgi, by_fastapi, by_starlette, by_itself],
    ids=lambda run: run.__name__,
)
async def test_workers_start_and_end_with_the_application(
    sqlite_place: SqlitePlace, run: Callable[[WebhookReceiver], AbstractAsyncContextManager[object]]
) -> None:
    """Every application begins to handle what the inbox holds when it starts, and has ended that when it ends."""
    begun: list[str] = []
    async with sqlite_place.opened() as store:
        receiver = shop_receiver(sqlite_place, store, at_once, QUICK, begun)
        assert await store.inbox.put(key_of(event_of("a1")), "order-a", event_of("a1"), receiver=NAME)
        async with run(receiver):
            await until(lambda: begun == ["a1"])
        assert await store.inbox.size() == EMPTY
        assert running() == []


async def test_starting_twice_starts_once(sqlite_place: SqlitePlace) -> None:
    """Whoever starts a receiver that runs changes nothing; one that was closed stays so, and closes once more."""
    async with shop(sqlite_place) as site:
        before = running()
        site.receiver.start()
        assert running() == before
        await site.receiver.close()
        site.receiver.start()
        assert await site.deliver("a1") == [503]
        await site.receiver.close()
        assert running() == []


async def test_a_receiver_that_never_started_closes(sqlite_place: SqlitePlace) -> None:
    """Without workers there is nothing to wait for, and none starts afterwards."""
    async with sqlite_place.opened() as store:
        receiver = receiver_of(store=store, inbox=QUICK)
        await receiver.close()
        receiver.start()
        assert running() == []


async def test_shutdown_finishes_what_runs(place: Place) -> None:
    """Handlers that run are waited for; nothing new is begun, also of the same payment, and it stays for the next."""
    let_go = asyncio.Event()

    async def wait(_: str) -> None:
        await let_go.wait()

    async with shop(place, wait, attrs.evolve(QUICK, workers=2)) as site:
        await site.deliver("a1", "a2", "b1", "c1")
        await until(lambda: len(site.begun) == 2)
        closing = asyncio.create_task(site.receiver.close())
        await asyncio.sleep(0)
        assert await site.deliver("d1") == [503]
        assert not closing.done()
        let_go.set()
        await closing
        assert sorted(site.begun) == ["a1", "b1"]
        await site.has_shipped("a1", "b1")
    async with shop(place) as site:
        await site.has_shipped("a1", "a2", "b1", "c1")


async def test_shutdown_hands_back_what_takes_too_long(place: Place) -> None:
    """After the grace handlers are cancelled, and another process has their events at once, as if never tried."""
    cancelled: list[str] = []

    async def hang(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # a handler may take a moment to clean up
            cancelled.append(name)

    async with shop(place, hang, attrs.evolve(QUICK, shutdown_timeout=NO_GRACE, attempts=1)) as first:
        await first.deliver("a1", "b1")
        await until(lambda: len(first.begun) == 2)
        async with shop(place, policy=attrs.evolve(QUICK, attempts=1)) as second:
            await first.receiver.close()
            assert sorted(cancelled) == ["a1", "b1"]
            await second.has_shipped("a1", "b1")
            assert {notice.attempt for notice in second.notices} == {1}


async def test_a_handler_may_take_longer_than_the_lease(place: Place) -> None:
    """As long as its process lives, an event is nobody else's, and is not tried a second time."""
    let_go = asyncio.Event()

    async def wait(_: str) -> None:
        await let_go.wait()

    leases: set[tuple[object, ...]] = set()
    async with shop(place, wait, attrs.evolve(QUICK, lease=timedelta(seconds=1))) as site, place.opened() as other:
        await site.deliver("a1")
        await until(lambda: len(site.begun) == 1)
        while len(leases) < 5:  # each ends a third of a lease after the one before
            leases.update(await place.sql("SELECT holder, attempts, due_at FROM vipps_inbox"))
            await asyncio.sleep(0.01)
        assert len({(holder, attempts) for holder, attempts, _ in leases}) == 1
        assert await other.inbox.take(NAME, "other", timedelta(seconds=1)) is None
        let_go.set()
        await site.has_shipped("a1")
        assert site.begun == ["a1"]


async def test_receivers_share_an_inbox(place: Place) -> None:
    """Three receivers on stores of their own take turns, each event once, in order for each payment."""
    names = [f"{payment}{number}" for number in range(6) for payment in "abcdef"]
    let_go = asyncio.Event()
    order: list[str] = []

    async def note(name: str) -> None:
        await let_go.wait()
        order.append(name)

    two_each = attrs.evolve(QUICK, workers=2)
    async with (
        shop(place, note, two_each) as first,
        shop(place, note, two_each) as second,
        shop(place, note, two_each) as third,
    ):
        await asyncio.gather(*(site.deliver(*names[number::3]) for number, site in enumerate((first, second, third))))
        arrived = [name_of(key) for (key,) in await place.sql("SELECT key FROM vipps_inbox ORDER BY id")]
        await until(lambda: all(len(site.begun) == 2 for site in (first, second, third)))
        let_go.set()
        await first.has_shipped(*names)
        assert sorted(order) == sorted(names)
        for payment in "abcdef":
            assert [name for name in order if name[0] == payment] == [name for name in arrived if name[0] == payment]


async def test_a_locked_file_is_answered_503(
    sqlite_place: SqlitePlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be written down is not answered 200; with the file free again everything goes on by itself."""
    async with shop(sqlite_place) as site:
        await site.deliver("a1")
        await site.has_shipped("a1")
        with closing(sqlite3.connect(sqlite_place.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with monkeypatch.context() as patch:
                patch.setattr(_sqlite_writer, "WRITE_TIMEOUT", 0.1)
                assert await site.deliver("b1") == [503]
            other.execute("ROLLBACK")
        assert await site.deliver("b1") == [200]
        await site.has_shipped("a1", "b1")


@pytest.mark.parametrize("how", [PostgresServer.kill, PostgresServer.stop])
async def test_a_restarted_server_loses_nothing(
    postgres_place: PostgresPlace, postgres_server: PostgresServer, how: Callable[[PostgresServer], None]
) -> None:
    """PostgreSQL crashes, or is restarted, under the handlers: every event takes effect once, without a manual step."""
    names = [f"{payment}{number}" for number in "12" for payment in "abcd"]

    async def crash_once(name: str) -> None:
        if len(site.begun) == 4:
            how(postgres_server)
            postgres_server.start()

    async with shop(postgres_place, crash_once, attrs.evolve(QUICK, lease=timedelta(seconds=1))) as site:
        for name in names:
            while await site.deliver(name) != [200]:
                await asyncio.sleep(0.01)
        await until(lambda: len(site.begun) > 4)  # before which asking the server could break off, too
        await site.has_shipped(*names)
        for payment in "abcd":
            begun = [name for name in site.begun if name[0] == payment]
            assert begun == sorted(begun)


async def test_a_server_that_is_away_is_waited_for(
    postgres_place: PostgresPlace, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Meanwhile deliveries are answered 500, and the log says so once; afterwards workers go on by themselves."""
    async with shop(postgres_place, never, attrs.evolve(QUICK, shutdown_timeout=NO_GRACE)) as site:
        assert await site.deliver("a1") == [200]
    async with shop(postgres_place) as site:
        await site.has_shipped("a1")
        caplog.clear()
        postgres_server.stop()
        try:
            await until(lambda: "out of reach" in caplog.text)
            assert await site.deliver("b1", "b1", "b1") == [500, 500, 500]
            await asyncio.sleep(5 * QUICK.poll_interval.total_seconds())
        finally:
            postgres_server.start()
        assert caplog.text.count("the inbox is out of reach") == 1
        assert await site.deliver("b1") == [200]
        await site.has_shipped("a1", "b1")


async def test_an_event_that_kills_its_process_becomes_a_dead_letter(place: Place) -> None:
    """Processes that die by kill -9 in its handler use its attempts up; the next one gives it up without a handler."""
    async with place.opened() as store:
        for name in ("a1", "b1"):
            assert await store.inbox.put(key_of(event_of(name)), f"order-{name[0]}", event_of(name), receiver=NAME)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([inbox_process.__name__])
        for ending in (-signal.SIGKILL, -signal.SIGKILL, 0):
            process = context.Process(target=inbox_process.handle_or_die, args=(place, "a1"), daemon=True)
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.join, 30)
            assert process.exitcode == ending
            await place.elapse(timedelta(hours=1))
        (letter,) = await store.inbox.dead_letters()
        assert letter.key == key_of(event_of("a1"))
        assert "the process that handled it died" in letter.error
        assert await place.sql("SELECT reference FROM effects") == [("b1",)]


async def test_an_idle_inbox_closes_at_once(place: Place) -> None:
    """However far the next poll is, and however long handlers might take."""
    patient = attrs.evolve(QUICK, poll_interval=timedelta(hours=1), shutdown_timeout=timedelta(hours=1))
    async with shop(place, policy=patient) as site:
        await site.deliver("a1")
        await site.has_shipped("a1")
        async with asyncio.timeout(20):
            await site.receiver.close()
