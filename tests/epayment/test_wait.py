"""What ends a wait for a payment, over real HTTP."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.payments import PRICE, REFERENCE, authorize, create, polling, reads_of, requests_of
from vipps_async import Payment, PaymentState, VippsClient
from vipps_async.errors import ApiError, ClientClosed, InvalidRequest, NotFound, RateLimited, ServerError, WaitTimeout
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

QUICK: dict[str, float] = {"first": 0.05, "interval": 0.02}


async def wait(vipps: VippsClient, *, timeout: float = 5, **options: Any) -> Payment:
    """Wait with a quick schedule."""
    return await polling(vipps, **QUICK).wait(REFERENCE, timeout=timeout, **options)


@pytest.mark.parametrize("with_signal", [False, True])
async def test_wait_for_what_is_decided_reads_once_and_at_once(
    sandbox: Sandbox, vipps: VippsClient, *, with_signal: bool
) -> None:
    """A shopper who returns from a payment that is approved already is not kept waiting for a poll, or an event."""
    await authorize(sandbox, vipps)
    signal = WebhookReceiver(store=MemoryStore(), allow_unsigned=True) if with_signal else None
    async with asyncio.timeout(2):
        payment = await polling(vipps, first=60, interval=60).wait(REFERENCE, timeout=60, signal=signal)
    assert payment.state is PaymentState.AUTHORIZED
    assert len(requests_of(sandbox, "get")) == 1


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
    await reads_of(sandbox, 3)
    await getattr(sandbox, act)(REFERENCE)
    assert (await waiting).state is state


async def test_closing_a_client_ends_its_waits(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait at rest does not sleep on when the client is closed: neither for two seconds, nor for its next event."""
    await create(vipps)
    receiver = WebhookReceiver(store=MemoryStore(), allow_unsigned=True)
    copy = vipps.with_options(timeout=10)
    waits = [
        asyncio.create_task(each.epayment.wait(REFERENCE, timeout=600, signal=signal))
        for each in (vipps, copy)
        for signal in (None, receiver)
    ]
    await reads_of(sandbox, 1)
    await vipps.close()
    async with asyncio.timeout(1.5):
        ends = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosed] * 4


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


async def test_wait_that_was_rate_limited_to_its_end_names_that(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait that met nothing but 429 has RateLimited as its cause."""
    await create(vipps)
    sandbox.fail("get", Fault.STATUS_429, times=None)
    with pytest.raises(WaitTimeout) as caught:
        await wait(vipps, timeout=0.5)
    assert isinstance(caught.value.__cause__, RateLimited)


@pytest.mark.parametrize(("fault", "status"), [(Fault.STATUS_408, 408), (Fault.STATUS_423, 423)])
async def test_wait_survives_408_and_423(sandbox: Sandbox, vipps: VippsClient, fault: Fault, status: int) -> None:
    """Neither a gateway's timeout nor a locked payment ends a wait, however often they come; they are its cause."""
    await create(vipps)
    sandbox.fail("get", fault, times=None)
    with pytest.raises(WaitTimeout, match="it could not be read") as caught:
        await wait(vipps, timeout=0.5)
    assert isinstance(caught.value.__cause__, ApiError)
    assert caught.value.__cause__.status == status
    assert len(requests_of(sandbox, "get")) > 2


async def _decided(payment: Payment) -> bool:
    return payment.state is not PaymentState.CREATED


class _Decided:
    async def __call__(self, payment: Payment) -> bool:
        return await _decided(payment)

    async def method(self, payment: Payment) -> bool:
        return await _decided(payment)


@pytest.mark.parametrize(
    "until",
    [_decided, partial(_decided), _Decided(), partial(_Decided()), _Decided().method, True, None, lambda: True],
    ids=["function", "partial", "object", "partial of an object", "method", "bool", "none", "no payment"],
)
async def test_wait_refuses_an_async_condition(sandbox: Sandbox, vipps: VippsClient, until: Any) -> None:
    """What would always be true as a condition, or cannot be asked, is refused before anything is read."""
    with pytest.raises(InvalidRequest, match="must be a plain function"):
        await vipps.epayment.wait(REFERENCE, timeout=1, until=until)
    assert not sandbox.requests


def _generator(_: Payment) -> Iterator[bool]:
    yield False


async def _async_generator(_: Payment) -> AsyncIterator[bool]:
    yield False


@pytest.mark.parametrize(
    "until",
    [
        lambda payment: _decided(payment) or payment,
        lambda payment: asyncio.ensure_future(_decided(payment)),
        lambda _: asyncio.get_running_loop().create_future(),
        _generator,
        _async_generator,
    ],
    ids=["coroutine", "task", "future", "generator", "asynchronous generator"],
)
async def test_wait_refuses_an_answer_that_is_none(vipps: VippsClient, until: Any) -> None:
    """A condition that answers with what would have to be awaited or iterated ends the wait, and leaves no warning."""
    await create(vipps)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(InvalidRequest, match="must be a plain function"):
            await vipps.epayment.wait(REFERENCE, timeout=5, until=until)
        gc.collect()
    assert not warned


async def test_wait_cancels_the_future_that_a_condition_answered_with(vipps: VippsClient) -> None:
    """Nobody would wait for it."""
    await create(vipps)
    answers: list[asyncio.Future[bool]] = []

    def answer(_: Payment) -> Any:
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    with pytest.raises(InvalidRequest, match="must be a plain function"):
        await vipps.epayment.wait(REFERENCE, timeout=5, until=answer)
    assert [future.cancelled() for future in answers] == [True]


@pytest.mark.parametrize(
    ("timeout", "is_taken"), [(timedelta(days=60), True), (timedelta(days=60, seconds=1), False), (0, False)]
)
async def test_a_wait_is_as_long_as_a_payment_can_live(
    sandbox: Sandbox, vipps: VippsClient, timeout: Any, *, is_taken: bool
) -> None:
    """Sixty days, and not nothing."""
    await authorize(sandbox, vipps)
    if is_taken:
        assert (await vipps.epayment.wait(REFERENCE, timeout=timeout)).state is PaymentState.AUTHORIZED
        return
    with pytest.raises(InvalidRequest, match="60 days at most"):
        await vipps.epayment.wait(REFERENCE, timeout=timeout)


async def test_a_caller_s_own_timeout_is_not_the_wait_s(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A TimeoutError that until() raises comes out as it is, not as the end of the wait."""
    await authorize(sandbox, vipps)
    own = TimeoutError("the shop's database")

    def look_up(_: Payment) -> bool:
        raise own

    with pytest.raises(TimeoutError) as caught:
        await wait(vipps, until=look_up)
    assert caught.value is own


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
    await reads_of(sandbox, 1)
    sandbox.fail("get", Fault.STALLED, times=None)
    with pytest.raises(WaitTimeout, match="it was last seen CREATED"):
        await waiting


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
    payment = await wait(vipps, until=lambda payment: payment.aggregate.captured_amount == PRICE)
    assert payment.state is PaymentState.ABORTED
