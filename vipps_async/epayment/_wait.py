"""When to read a payment that is being waited for: a schedule without I/O, and the loop that follows it."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import attrs

from vipps_async._http.retry import is_transient
from vipps_async.epayment._payment import Payment
from vipps_async.epayment._vocabulary import PaymentState
from vipps_async.errors import CallError, DeadlineExceeded, InvalidRequest, RateLimited, VippsError, WaitTimeout

_LONGEST = 60 * 86_400.0  # a long-living payment's life
_LAST_LOOK = 1.0  # seconds before the end
_AWAKE = 20.0  # seconds of close attention after an event that the API does not show yet


class WakeUp(Protocol):
    """Something that learns of events, such as a `WebhookReceiver`."""

    def watch(self, reference: str) -> AbstractContextManager[asyncio.Event]:
        """Return an event that is set whenever something happened to the payment."""
        ...


@attrs.define
class PollSchedule:
    """How long to wait before the next read, in seconds.

    First after 5, then every 2: ePayment API, polling. Slower after each 429.

    Attributes:
        first: before the first read.
        interval: before every other.
        asleep: before every other while nothing was heard of the payment, if events are listened to.
        slowest: what *interval* grows to.
    """

    first: float = 5.0
    interval: float = 2.0
    asleep: float = 0.0
    slowest: float = 60.0

    def pause(self, *, is_awake: bool) -> float:
        """Return the wait before the next read; *is_awake*: an event announced that something happened."""
        return self.interval if is_awake else max(self.interval, self.asleep)

    def slow_down(self) -> None:
        """Double the interval after a 429, up to a minute."""
        self.interval = min(self.slowest, self.interval * 2)


def schedule_for(signal: WakeUp | None) -> PollSchedule:
    """The schedule of a wait that has to see for itself, or of one that events end and one read a minute backs up."""
    return PollSchedule() if signal is None else PollSchedule(asleep=60.0)


def is_decided(payment: Payment) -> bool:
    """Whether the user, the merchant or time has decided over the payment."""
    return payment.state is not PaymentState.CREATED


async def wait_for(
    read: Callable[[], Awaitable[Payment]],
    reference: str,
    *,
    timeout: float,
    until: Callable[[Payment], bool],
    signal: WakeUp | None,
    schedule: PollSchedule,
) -> Payment:
    """Read the payment until *until* holds for it; `EPayment.wait` describes the arguments."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST:
        raise InvalidRequest("timeout", timeout, "must be a number of seconds above 0, and 60 days at most")
    if inspect.iscoroutinefunction(until):
        raise InvalidRequest("until", until, "must be a plain function: the wait does not await it")
    watching = signal.watch(reference) if signal is not None else nullcontext(asyncio.Event())
    limit = asyncio.timeout(timeout)
    with watching as happened:
        poll = _Poll(read, schedule, until, happened, ends_at=time.monotonic() + timeout)
        try:
            async with limit:
                return await poll.run()
        except TimeoutError as error:
            if not limit.expired():
                raise  # the caller's own, out of until()
            raise WaitTimeout(reference, timeout, poll.last) from (poll.trouble or error)


class _Poll:
    def __init__(
        self,
        read: Callable[[], Awaitable[Payment]],
        schedule: PollSchedule,
        until: Callable[[Payment], bool],
        happened: asyncio.Event,
        *,
        ends_at: float,
    ) -> None:
        self._read = read
        self._schedule = schedule
        self._until = until
        self._happened = happened
        self._ends_at = ends_at
        self._awake_until = 0.0
        self.last: Payment | None = None
        self.trouble: VippsError | None = None

    async def run(self) -> Payment:
        pause = self._schedule.first
        while True:
            await self._rest(pause)
            payment = await self._look()
            if payment is not None and (self._until(payment) or payment.state.is_dead):
                return payment
            pause = self._schedule.pause(is_awake=time.monotonic() < self._awake_until)

    async def _rest(self, pause: float) -> None:
        last_look = self._ends_at - _LAST_LOOK - time.monotonic()
        try:
            async with asyncio.timeout(min(pause, last_look) if last_look > 0 else pause):
                await self._happened.wait()
        except TimeoutError:
            pass
        if self._happened.is_set():
            self._awake_until = time.monotonic() + _AWAKE
        self._happened.clear()

    async def _look(self) -> Payment | None:
        try:
            self.last = await self._read()
        except RateLimited as error:
            self.trouble = error
            # Slept through: not even an event has the payment read before the time that the server asked for.
            await asyncio.sleep(error.retry_after or 0.0)
            self._schedule.slow_down()
        except CallError as error:
            if not (is_transient(error) or isinstance(error, DeadlineExceeded)):
                raise
            self.trouble = error
        else:
            return self.last
        return None
