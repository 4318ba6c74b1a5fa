"""What every signal between processes has to hold to; a signal's tests subclass this with a ``site`` fixture."""

import asyncio
import logging
import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import pytest

from tests.support.payments import REFERENCE, create, polling, reads_of, requests_of
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import RedisServer
from vipps_async import Payment, PaymentState, VippsClient
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Sandbox
from vipps_async.webhooks.signals import _listening
from vipps_async.webhooks.signals._listening import ListeningSignal
from vipps_async.webhooks.signals.base import Signal

LAST = "acme-shop-the-last-one"
_PATIENCE = 10  # seconds, for what takes an instant unless the machine is busy; less than a heartbeat


class Site(Protocol):
    """A server, and what tests do to it and see of it.

    Attributes:
        url: what a client connects to.
        program: a Python program that announces the reference in its second argument through the URL in its first.
    """

    url: str
    program: str

    @property
    def server(self) -> PostgresServer | RedisServer:
        """Where announcements go through."""
        ...

    def opened(self, *, connections: int = 5, **settings: Any) -> AbstractAsyncContextManager[ListeningSignal]:
        """A signal that is not started, over at most so many connections of its own, as a process has it."""
        ...

    async def listeners(self) -> list[int]:
        """What the server calls the connections that listen."""
        ...

    async def cut(self) -> None:
        """Have the server close the connections that listen."""
        ...


@asynccontextmanager
async def listening(site: Site, **settings: Any) -> AsyncIterator[ListeningSignal]:
    """A signal that hears whatever is announced from now on."""
    async with site.opened(**settings) as signal, signal:
        await subscribed(signal)
        yield signal


async def subscribed(signal: Signal) -> None:
    """Wait until a signal that was just started has subscribed, which wakes everybody."""
    with signal.watch("nobody-pays-this") as happened:
        await happens(happened)


async def happens(happened: asyncio.Event) -> None:
    """Wait for an event, and clear it."""
    async with asyncio.timeout(_PATIENCE):
        await happened.wait()
    happened.clear()


async def becomes(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(_PATIENCE):
        while not is_so():
            await asyncio.sleep(0.01)


@contextmanager
def stopped(server: PostgresServer | RedisServer) -> Iterator[None]:
    """A server that is away for a while."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: PostgresServer | RedisServer) -> Iterator[None]:
    """A server that is silent for a while."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning or worse."""
    return [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]


DEAF = "cannot hear what other processes announce on vipps_events"
MUTE = "cannot announce events to other processes on vipps_events"


class SignalContract:
    """The contract of `ListeningSignal`. A subclass has a fixture ``site``."""

    @pytest.fixture(autouse=True)
    def short_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a busy machine a server restarts slowly, while the pauses before attempts to reach it would grow."""
        monkeypatch.setattr(_listening, "_LONGEST_PAUSE", 0.5)

    async def test_an_announcement_of_another_process_ends_a_wait(
        self, site: Site, sandbox: Sandbox, vipps: VippsClient
    ) -> None:
        """A wait reads the payment when a process that received the event announces it, and before only once."""
        await create(vipps)
        async with listening(site) as signal:
            waiting = asyncio.create_task(wait(vipps, signal))
            await reads_of(sandbox, 1)
            await sandbox.approve(REFERENCE)
            command = ["-W", "error", "-c", site.program, site.url, REFERENCE]
            other = await asyncio.create_subprocess_exec(sys.executable, *command)
            async with asyncio.timeout(4 * _PATIENCE):
                assert await other.wait() == 0
                payment = await waiting
        assert payment.state is PaymentState.AUTHORIZED
        assert len(requests_of(sandbox, "get")) == 2

    async def test_who_begins_to_wait_late_is_woken_at_once(self, site: Site) -> None:
        """What another process announced before is remembered for who begins to wait a moment later."""
        async with listening(site) as signal, site.opened() as other:
            with signal.watch(LAST) as happened:
                await other.announce(REFERENCE)
                await other.announce(LAST)
                await happens(happened)
            with signal.watch(REFERENCE) as happened, signal.watch("acme-shop-2") as unheard_of:
                assert happened.is_set()
                assert not unheard_of.is_set()

    async def test_a_thousand_waits_share_one_connection(self, site: Site) -> None:
        """Each of a thousand waits of a process is woken by its own announcement, over one connection for all."""
        references = [f"acme-shop-{number}" for number in range(1000)]
        async with listening(site) as signal, site.opened() as other:
            with ExitStack() as watching:
                waits = [watching.enter_context(signal.watch(reference)).wait() for reference in references]
                waiting = asyncio.gather(*waits)
                await asyncio.sleep(0)
                assert len(await site.listeners()) == 1
                left = iter(references)
                await asyncio.gather(*(announce_each(other, left) for _ in range(5)))
                async with asyncio.timeout(_PATIENCE):
                    await waiting

    async def test_nobody_is_woken_by_another_payment(self, site: Site) -> None:
        """An announcement wakes those who wait for its payment, and nobody else."""
        async with listening(site) as signal, site.opened() as other:
            with signal.watch(REFERENCE) as spared, signal.watch(LAST) as happened:
                await other.announce(LAST)
                await happens(happened)
                assert not spared.is_set()

    async def test_nobody_is_woken_by_another_merchant_s_payment(self, site: Site) -> None:
        """Where a merchant is told, who waits for another's payment of the same reference sleeps on."""
        async with listening(site) as signal, site.opened() as other:
            with (
                signal.watch(REFERENCE, msn="1") as spared,
                signal.watch(REFERENCE, msn="2") as happened,
                signal.watch(REFERENCE) as anybody,
            ):
                await other.announce(REFERENCE, msn="2")
                await happens(happened)
                await happens(anybody)
                assert not spared.is_set()
                await other.announce(REFERENCE)
                await happens(spared)

    async def test_channels_do_not_mix(self, site: Site) -> None:
        """Who listens on another channel, its name in any letters, hears what is announced there and nothing else."""
        channel = "Shop-1.Test:A_b"
        async with listening(site, channel=channel) as signal, site.opened() as stranger:
            with signal.watch(REFERENCE) as spared, signal.watch(LAST) as happened:
                await stranger.announce(REFERENCE)
                async with site.opened(channel=channel) as other:
                    await other.announce(LAST)
                await happens(happened)
                assert not spared.is_set()

    async def test_a_lost_connection_is_made_anew(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """After a crash of the server, or of the connection, all are woken and hear again; one warning each says so."""
        async with listening(site) as signal, site.opened() as other:
            with signal.watch(REFERENCE) as happened, signal.watch(LAST) as too:
                for crash in (partial(asyncio.to_thread, site.server.restart), site.cut):
                    await crash()
                    await happens(happened)
                    await happens(too)
                    await other.announce(REFERENCE)
                    await happens(happened)
                assert len(await site.listeners()) == 1
        assert warnings(caplog) == [DEAF, DEAF]

    async def test_a_silent_connection_is_made_anew(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """A server that answers nothing any more is noticed without a word from it, and heard again when it is back."""
        async with listening(site, heartbeat=timedelta(milliseconds=200)) as signal, site.opened() as other:
            with signal.watch(REFERENCE) as happened:
                with frozen(site.server):
                    await becomes(lambda: DEAF in warnings(caplog))
                    assert not happened.is_set()
                await happens(happened)
                await other.announce(REFERENCE)
                await happens(happened)

    async def test_a_connection_on_which_nothing_happens_is_kept(self, site: Site) -> None:
        """One connection listens on over several heartbeats, though nothing is announced, and hears what then is."""
        await check_that_a_connection_lasts(site)

    async def test_a_server_that_is_away_keeps_nobody_from_announcing(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Announcing wakes this process and does not raise; an outage is one warning, and its end is logged as well."""
        caplog.set_level(logging.INFO, "vipps_async.webhooks")
        async with listening(site) as signal, listening(site) as other:
            with stopped(site.server):
                for reference in (REFERENCE, LAST):
                    with signal.watch(reference) as happened:
                        await signal.announce(reference)
                        assert happened.is_set()
            with other.watch(REFERENCE) as happened:
                await happens(happened)
                await signal.announce(REFERENCE)
                await happens(happened)
        assert sorted(warnings(caplog)) == [MUTE, DEAF, DEAF]
        assert "can announce events to other processes on vipps_events again" in caplog.messages

    async def test_a_silent_server_holds_an_announcement_up_for_seconds_only(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """This process is told before the server is, and an announcement that is not answered is given up."""
        async with listening(site) as signal:
            await signal.announce(LAST)
            with signal.watch(REFERENCE) as happened, frozen(site.server):
                announcing = asyncio.create_task(signal.announce(REFERENCE))
                await happens(happened)
                assert not announcing.done()
                async with asyncio.timeout(_PATIENCE):
                    await announcing
        assert warnings(caplog) == [MUTE]

    async def test_the_server_need_not_be_there_at_the_start(self, site: Site) -> None:
        """A signal that is started before its server hears once the server is up."""
        async with AsyncExitStack() as closing:
            with stopped(site.server):
                signal = await closing.enter_async_context(site.opened())
                await closing.enter_async_context(signal)
                with signal.watch(REFERENCE) as happened:
                    await asyncio.sleep(0.2)
                    assert not happened.is_set()
            await subscribed(signal)

    async def test_the_poll_finds_what_no_announcement_tells(
        self, site: Site, sandbox: Sandbox, vipps: VippsClient
    ) -> None:
        """With the server away for the whole wait, the wait's own last read still finds the approved payment."""
        await create(vipps)
        await sandbox.approve(REFERENCE)
        with stopped(site.server):
            async with site.opened() as signal, signal:
                payment = await vipps.epayment.wait(REFERENCE, timeout=2, signal=signal)
        assert payment.state is PaymentState.AUTHORIZED

    async def test_closing_ends_the_task_and_gives_the_connection_back(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A closed signal runs nothing and holds nothing: of a single connection, announcements can be made again."""
        async with listening(site) as other, site.opened(connections=1) as signal:
            before = asyncio.all_tasks()
            await signal.start()
            await subscribed(signal)
            assert len(await site.listeners()) == 2
            for _ in range(2):
                await signal.close()
            assert asyncio.all_tasks() == before
            with other.watch(REFERENCE) as happened:
                await signal.announce(REFERENCE)
                await happens(happened)
            async with signal:
                await subscribed(signal)
        assert warnings(caplog) == []

    async def test_closing_does_not_wait_for_a_silent_server(self, site: Site) -> None:
        """A signal whose server answers nothing any more can be closed."""
        async with site.opened() as signal:
            await signal.start()
            await subscribed(signal)
            with frozen(site.server):
                async with asyncio.timeout(_PATIENCE):
                    await signal.close()

    async def test_a_signal_that_hears_nothing_is_not_waited_on(self, site: Site) -> None:
        """Before its start and after its end a signal refuses to be watched, which would be in vain."""
        async with site.opened() as signal:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="does not listen: use it with `async with`"):
                    signal.watch(REFERENCE)
                async with signal:
                    with pytest.raises(RuntimeError, match="listens already"):
                        await signal.start()

    @pytest.mark.parametrize(
        "reference", ["", "a\0bcdefgh", "\ud800\ud800", "x" * 65, "x" * 9000, "two words", "kjøp-nr-1"]
    )
    async def test_what_is_no_reference_goes_nowhere(
        self, site: Site, reference: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What an unsigned delivery may call a reference, but cannot be one, is neither sent nor remembered."""
        async with listening(site) as signal:
            with signal.watch(reference) as spared, signal.watch(LAST) as happened:
                await signal.announce(reference)
                await signal.announce(LAST)
                await happens(happened)
                assert not spared.is_set()
        assert warnings(caplog) == []

    async def test_a_reference_is_data(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """Quotes and other signs of the server's language arrive as they were sent."""
        reference = "x');--\"$1$$\\%s*1{}&#"
        async with listening(site) as signal, site.opened() as other:
            with signal.watch(reference) as happened:
                await other.announce(reference)
                await happens(happened)
        assert warnings(caplog) == []

    @pytest.mark.parametrize("channel", ["", "two words", 'quo"te', "x" * 64, "kjøp", "a\n", None])
    async def test_a_hostile_channel_is_refused(self, site: Site, channel: Any) -> None:
        """Only plain names become channels."""
        with pytest.raises(ConfigurationError, match="must be 1 to 63 letters, digits and"):
            await site.opened(channel=channel).__aenter__()

    @pytest.mark.parametrize("heartbeat", [timedelta(0), timedelta(seconds=-1), "15"])
    async def test_a_heartbeat_is_a_time(self, site: Site, heartbeat: Any) -> None:
        """A heartbeat without a pause, or that is no time, is refused."""
        with pytest.raises(ConfigurationError, match=r"must be seconds, or a timedelta, from 0\.001 seconds"):
            await site.opened(heartbeat=heartbeat).__aenter__()


async def check_that_a_connection_lasts(site: Site) -> None:
    """Listen until one connection has lasted for twice as long as one that stays silent does."""
    heartbeat, seen_at = 0.4, dict[int, float]()
    async with listening(site, heartbeat=timedelta(seconds=heartbeat)) as signal, site.opened() as other:
        async with asyncio.timeout(4 * _PATIENCE):
            while time.monotonic() - min(seen_at.values(), default=math.inf) < 4 * heartbeat:
                now = time.monotonic()
                seen_at = {connection: seen_at.get(connection, now) for connection in await site.listeners()}
                await asyncio.sleep(0.05)
        with signal.watch(REFERENCE) as happened:
            await other.announce(REFERENCE)
            await happens(happened)


async def announce_each(signal: Signal, references: Iterator[str]) -> None:
    """Announce what is left of the references, one after the other."""
    for reference in references:
        await signal.announce(reference)


async def wait(vipps: VippsClient, signal: Signal) -> Payment:
    """Wait for the payment, without a poll that could find it."""
    return await polling(vipps, interval=0.01, asleep=300).wait(REFERENCE, timeout=300, signal=signal)
