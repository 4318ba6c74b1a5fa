"""When to read a payment that is being waited for: a schedule without I/O, and the loop that follows it."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Protocol

import attrs

from vipps_async._http.retry import is_transient
from vipps_async._light_event import LightEvent
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
    read: Callable[[str], Awaitable[Payment]],
    reference: str,
    *,
    timeout: float,
    until: Callable[[Payment], bool],
    signal: WakeUp | None,
    schedule: PollSchedule,
) -> Payment:
    """Read the payment until *until* holds for it; `EPayment.wait` describes the arguments."""
    _check(timeout, until)
    poll = _Poll(read, reference, until, schedule, ends_at=time.monotonic() + timeout)
    with signal.watch(reference) if signal is not None else nullcontext(LightEvent()) as happened:
        while (rest := poll.rest()) > 0:
            # Here, and without asyncio.timeout(): thousands may wait, and this is what they hold while they do.
            timer = asyncio.get_running_loop().call_later(rest, _wake, happened)
            try:
                await happened.wait()
            finally:
                timer.cancel()
            if happened.is_set():
                happened.clear()
                poll.stay_awake()
            payment = await poll.look()
            if payment is not None:
                return payment
    raise WaitTimeout(reference, timeout, poll.last) from poll.trouble


def _wake(happened: asyncio.Event) -> None:
    """Wake who waits for *happened*, which remains set only if something did happen, before or after."""
    if not happened.is_set():
        happened.set()
        happened.clear()


def _check(timeout: float, until: Callable[[Payment], bool]) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST:
        raise InvalidRequest("timeout", timeout, "must be a number of seconds above 0, and 60 days at most")
    if inspect.iscoroutinefunction(until):
        raise InvalidRequest("until", until, "must be a plain function: the wait does not await it")


class _Poll:
    """How a wait stands: what it does next, and what it saw last."""

    __slots__ = ("_awake_until", "_ends_at", "_pause", "_read", "_reference", "_schedule", "_until", "last", "trouble")

    def __init__(
        self,
        read: Callable[[str], Awaitable[Payment]],
        reference: str,
        until: Callable[[Payment], bool],
        schedule: PollSchedule,
        *,
        ends_at: float,
    ) -> None:
        self._read = read
        self._reference = reference
        self._until = until
        self._schedule = schedule
        self._ends_at = ends_at
        self._pause = schedule.first
        self._awake_until = 0.0
        self.last: Payment | None = None
        self.trouble: VippsError | None = None

    def rest(self) -> float:
        """Return how many seconds to rest before the next look; 0 or less when the time is over."""
        left = self._left()
        return min(self._pause, left - _LAST_LOOK if left > _LAST_LOOK else left)

    def stay_awake(self) -> None:
        """Look often for a while: an event announced what the API may not show yet."""
        self._awake_until = time.monotonic() + _AWAKE

    async def look(self) -> Payment | None:
        """Read the payment in the time that is left, and return it if that ends the wait."""
        payment = None
        if (left := self._left()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    payment = await self._look_once()
        self._pause = self._schedule.pause(is_awake=time.monotonic() < self._awake_until)
        return payment if payment is not None and (self._until(payment) or payment.state.is_dead) else None

    async def _look_once(self) -> Payment | None:
        try:
            self.last = await self._read(self._reference)
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

    def _left(self) -> float:
        return self._ends_at - time.monotonic()
