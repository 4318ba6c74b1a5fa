"""Waiting for a payment: the schedule alone, and against the sandbox."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest

from tests.support import REFERENCE, authorize, create, requests_of
from vipps_async import Payment, PaymentState, VippsClient
from vipps_async._light_event import LightEvent
from vipps_async.epayment import _api
from vipps_async.epayment._wait import PollSchedule, _wake, is_decided, schedule_for, wait_for
from vipps_async.errors import ApiError, InvalidRequest, NotFound, RateLimited, ServerError, WaitTimeout
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


def quick() -> PollSchedule:
    """A schedule for tests."""
    return PollSchedule(first=0.05, interval=0.02)


async def wait(vipps: VippsClient, *, timeout: float = 5, schedule: PollSchedule | None = None) -> Payment:
    """Wait with a quick schedule."""
    return await wait_for(
        vipps.epayment.get,
        REFERENCE,
        timeout=timeout,
        until=is_decided,
        signal=None,
        schedule=schedule or quick(),
    )


def test_schedule_is_the_documented_one() -> None:
    """The first read comes after 5 seconds, the next every 2; with a signal one a minute, until an event comes."""
    plain, signalled = schedule_for(None), schedule_for(WebhookReceiver(store=MemoryStore(), allow_unsigned=True))
    assert (plain.first, plain.interval) == (5, 2)
    assert (signalled.first, signalled.interval) == (5, 2)
    assert (plain.pause(is_awake=False), plain.pause(is_awake=True)) == (2, 2)
    assert (signalled.pause(is_awake=False), signalled.pause(is_awake=True)) == (60, 2)


def test_schedule_slows_down_with_each_429() -> None:
    """Each 429 doubles the interval up to a minute."""
    schedule = PollSchedule()
    intervals = []
    for _ in range(6):
        schedule.slow_down()
        intervals.append(schedule.interval)
    assert intervals == [4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("act", "state"),
    [("approve", PaymentState.AUTHORIZED), ("reject", PaymentState.ABORTED), ("expire", PaymentState.EXPIRED)],
)
async def test_wait_returns_the_first_state_that_is_not_created(
    sandbox: Sandbox, vipps: VippsClient, act: str, state: PaymentState
) -> None:
    """A wait ends in whatever the user or time decides."""
    await create(vipps)
    waiting = asyncio.create_task(wait(vipps))
    while len(requests_of(sandbox, "get")) < 3:
        await asyncio.sleep(0.01)
    await getattr(sandbox, act)(REFERENCE)
    assert (await waiting).state is state


async def test_wait_times_out_with_the_last_payment(vipps: VippsClient) -> None:
    """A wait that runs out raises an error that carries the last payment, and is a TimeoutError."""
    await create(vipps)
    with pytest.raises(WaitTimeout, match="it was last seen CREATED") as caught:
        await wait(vipps, timeout=0.3)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value.last, Payment)
    assert caught.value.last.reference == REFERENCE


async def test_wait_that_could_read_nothing_says_so(sandbox: Sandbox, vipps: VippsClient) -> None:
    """When every read fails for a passing reason, the wait goes on to its end, and names the reason as its cause."""
    await create(vipps)
    sandbox.fail("get", Fault.STATUS_503, times=None)
    with pytest.raises(WaitTimeout, match="it could not be read") as caught:
        await wait(vipps, timeout=0.5)
    assert caught.value.last is None
    assert isinstance(caught.value.__cause__, ServerError)


async def test_wait_survives_passing_trouble(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Reads that fail for a passing reason do not end a wait."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.RESET_BEFORE, times=10)
    assert (await wait(vipps)).state is PaymentState.AUTHORIZED


async def test_wait_slows_down_when_it_is_told_to(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A 429 that a read ends with makes the next reads rarer."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_429, times=4)
    schedule = quick()
    assert (await wait(vipps, schedule=schedule)).state is PaymentState.AUTHORIZED
    assert schedule.interval == 0.04


async def test_wait_that_was_rate_limited_to_its_end_names_that(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait that met nothing but 429 has RateLimited as its cause."""
    await create(vipps)
    sandbox.fail("get", Fault.STATUS_429, times=None)
    with pytest.raises(WaitTimeout) as caught:
        await wait(vipps, timeout=0.5)
    assert isinstance(caught.value.__cause__, RateLimited)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> PollSchedule:
    """Have `EPayment.wait` follow this quick schedule."""
    schedule = quick()
    monkeypatch.setattr(_api, "schedule_for", lambda _: schedule)
    return schedule


async def test_each_429_slows_a_wait_at_once(sandbox: Sandbox, vipps: VippsClient, quickly: PollSchedule) -> None:
    """A poll that is refused with 429 is not repeated by itself: each one doubles the interval before the next."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STATUS_429, times=2)
    assert (await vipps.epayment.wait(REFERENCE, timeout=5)).state is PaymentState.AUTHORIZED
    assert quickly.interval == 0.08
    first, second, third = (read.received_at.timestamp() for read in requests_of(sandbox, "get"))
    assert second - first > 0.03
    assert third - second > 0.07


@pytest.mark.parametrize(("fault", "status"), [(Fault.STATUS_408, 408), (Fault.STATUS_423, 423)])
async def test_wait_survives_408_and_423(
    sandbox: Sandbox, vipps: VippsClient, quickly: PollSchedule, fault: Fault, status: int
) -> None:
    """Neither a gateway's timeout nor a locked payment ends a wait, however often they come; they are its cause."""
    await create(vipps)
    sandbox.fail("get", fault, times=None)
    with pytest.raises(WaitTimeout, match="it could not be read") as caught:
        await vipps.epayment.wait(REFERENCE, timeout=0.5)
    assert isinstance(caught.value.__cause__, ApiError)
    assert caught.value.__cause__.status == status
    assert len(requests_of(sandbox, "get")) > 2


async def _decided(payment: Payment) -> bool:
    return is_decided(payment)


@pytest.mark.parametrize("until", [_decided, partial(_decided)], ids=["function", "partial"])
async def test_wait_refuses_an_async_condition(sandbox: Sandbox, vipps: VippsClient, until: Any) -> None:
    """An async function as until, whose coroutine would always be true, is refused before anything is read."""
    with pytest.raises(InvalidRequest, match="must be a plain function"):
        await vipps.epayment.wait(REFERENCE, timeout=1, until=until)
    assert not sandbox.requests


async def test_a_caller_s_own_timeout_is_not_the_wait_s(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A TimeoutError that until() raises comes out as it is, not as the end of the wait."""
    await authorize(sandbox, vipps)
    own = TimeoutError("the shop's database")

    def look_up(_: Payment) -> bool:
        raise own

    with pytest.raises(TimeoutError) as caught:
        await wait_for(
            vipps.epayment.get,
            REFERENCE,
            timeout=4,
            until=look_up,
            signal=None,
            schedule=quick(),
        )
    assert caught.value is own


async def test_wait_that_is_over_reads_no_more(vipps: VippsClient) -> None:
    """A wait whose time is over begins no other read, even if it made none."""
    begun = []

    def read(reference: str) -> Awaitable[Payment]:
        begun.append(reference)
        return vipps.epayment.get(reference)

    with pytest.raises(WaitTimeout, match="it could not be read"):
        await wait_for(read, REFERENCE, timeout=0.1, until=is_decided, signal=None, schedule=PollSchedule(first=30))
    assert not begun


async def test_read_does_not_outlast_the_wait(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A read whose answer does not come in time is given up when the wait's time is over."""
    await authorize(sandbox, vipps)
    sandbox.fail("get", Fault.STALLED, times=None)
    with pytest.raises(WaitTimeout, match="it could not be read") as caught:
        await wait(vipps, timeout=0.3)
    assert len(requests_of(sandbox, "get")) == 1
    assert caught.value.__cause__ is None


async def test_read_that_is_given_up_leaves_the_one_before(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait whose last read is given up carries the payment of the read before."""
    await create(vipps)
    waiting = asyncio.create_task(wait(vipps, timeout=1))
    while not requests_of(sandbox, "get"):
        await asyncio.sleep(0.01)
    sandbox.fail("get", Fault.STALLED, times=None)
    with pytest.raises(WaitTimeout, match="it was last seen CREATED"):
        await waiting


async def test_cancelled_wait_leaves_nothing_behind(sandbox: Sandbox, vipps: VippsClient) -> None:
    """Cancelling a wait that rests ends it at once, without a read, and nobody watches the payment any more."""
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    waiting = asyncio.create_task(vipps.epayment.wait(REFERENCE, timeout=600, signal=receiver))
    while not receiver._processor.get()._watchers._waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not receiver._processor.get()._watchers._waiting
    assert not requests_of(sandbox, "get")


async def test_poll_that_is_due_does_not_hide_an_event() -> None:
    """What wakes a wait for its poll leaves its event unset, so that an event of the same moment is told from it."""
    happened = LightEvent()
    for comes_first in (None, True, False):
        waiting = asyncio.create_task(happened.wait())
        await asyncio.sleep(0)
        if comes_first is True:
            happened.set()
        _wake(happened)
        if comes_first is False:
            happened.set()
        assert await waiting
        assert happened.is_set() is (comes_first is not None)
        happened.clear()


async def test_wait_for_an_unknown_payment_ends_at_once(vipps: VippsClient) -> None:
    """An error that waiting cannot mend is raised, not waited out."""
    with pytest.raises(NotFound):
        await wait(vipps)


@pytest.mark.parametrize("timeout", [0, -1, True, "5", None, float("nan"), float("inf"), 10**400])
async def test_wait_needs_a_number_of_seconds(vipps: VippsClient, timeout: float) -> None:
    """A timeout that is no number above 0 is refused."""
    with pytest.raises(InvalidRequest, match="timeout"):
        await vipps.epayment.wait(REFERENCE, timeout=timeout)


async def test_dead_payment_ends_a_wait_for_more(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A payment that was aborted is returned although until() will never hold for it."""
    await create(vipps)
    await sandbox.reject(REFERENCE)
    payment = await wait_for(
        vipps.epayment.get,
        REFERENCE,
        timeout=4,
        until=lambda payment: payment.state is PaymentState.AUTHORIZED,
        signal=None,
        schedule=quick(),
    )
    assert payment.state is PaymentState.ABORTED


async def test_first_poll_comes_after_five_seconds(sandbox: Sandbox, vipps: VippsClient) -> None:
    """By itself, a wait reads first after 5 seconds, and then every 2."""
    await create(vipps)
    started = sandbox.clock.now()
    waiting = asyncio.create_task(vipps.epayment.wait(REFERENCE, timeout=20))
    while not requests_of(sandbox, "get"):
        await asyncio.sleep(0.05)
    await sandbox.approve(REFERENCE)
    await waiting
    first, second = ((read.received_at - started).total_seconds() for read in requests_of(sandbox, "get"))
    assert first > 4.9
    assert second - first > 1.9
