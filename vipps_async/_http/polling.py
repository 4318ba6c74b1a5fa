"""How things that are waited for are read: once for all who wait for one, and no oftener than the API asks for.

Who waits for a thing joins its `Poll`, and is woken after each read. The poll reads at once, then at an interval,
or once a minute while all who wait would be woken by events. Nothing makes it read earlier than an interval after the
last read, or before the time that a ``Retry-After`` asked for; that is kept when the last one has left, too, so that
many short waits read no more than a long one. Between two reads it holds a timer, and no task: there may be thousands.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

import attrs

from vipps_async._http.retry import is_transient
from vipps_async._loops.per_loop import PerLoop
from vipps_async.errors import ApiError, CallError, DeadlineExceeded, NotFound, RateLimited

_LAST_LOOK = 1.0  # seconds before the end of a wait

PollKey: TypeAlias = tuple[str, ...]  # merchant serial number, and the ids that are unique for it
Read: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PollSchedule:
    """When a thing is read, in seconds.

    Attributes:
        first: from this client's own creation of the thing to the second read; the first one is not delayed.
        interval: between the end of a read and the next one.
        asleep: the same, while no event of the thing came and all who wait listen to events.
        awake: how long after an event it is read every *interval*, since the API may not show yet what happened.
        slowest: what *interval* grows to, doubled by each 429.
    """

    first: float = 5.0
    interval: float = 2.0
    asleep: float = 60.0
    awake: float = 20.0
    slowest: float = 60.0


@attrs.frozen(kw_only=True)
class Waitable(Generic[T]):
    """A kind of thing that can be waited for.

    Attributes:
        name: what errors call it.
        state_of: returns the state it is in, as it is told to people.
        is_open: whether nothing has become of it yet, as of one that was just created.
        is_final: whether it never changes again.
        remedy: what to do next where a wait took too long.
        schedule: when one is read.
    """

    name: str
    state_of: Callable[[T], str]
    is_open: Callable[[T], bool]
    is_final: Callable[[T], bool]
    remedy: str
    schedule: PollSchedule = PollSchedule()


@attrs.define(eq=False)
class Waiter:
    """One who waits for a thing.

    Attributes:
        happened: set by the signal when an event came; woken without being set by the poll.
        ends_at: when the wait is over, on the monotonic clock.
        has_signal: whether an event would wake it.
        failed: the read that ended in an error that waiting on cannot mend.
    """

    happened: asyncio.Event
    ends_at: float
    has_signal: bool
    failed: "asyncio.Task[Any] | None" = None

    def wake(self) -> None:
        """Wake who waits for *happened*, which remains set only if something did happen, before or after."""
        if not self.happened.is_set():
            self.happened.set()
            self.happened.clear()


class Poll:
    """Reads one thing for all who wait for it, and wakes them after each read.

    Attributes:
        last: the thing as it was read last.
        trouble: the passing error that the last read ended with.
        is_closed: whether the client is closed, so that there will be no other read.
    """

    __slots__ = (
        "_awake_until",
        "_interval",
        "_key",
        "_next_at",
        "_not_before",
        "_poll_from",
        "_polls",
        "_read",
        "_read_at",
        "_reading",
        "_schedule",
        "_timer",
        "_timer_at",
        "_waiters",
        "is_closed",
        "kind",
        "last",
        "trouble",
    )

    def __init__(self, polls: "Polls", kind: Waitable[Any], key: PollKey, read: Read) -> None:
        self.kind = kind
        self.last: Any = None
        self.trouble: CallError | None = None
        self.is_closed = False
        self._polls = polls
        self._key = key
        self._read = read
        self._waiters: dict[Waiter, None] = {}
        self._schedule = polls.schedule or kind.schedule
        self._interval = self._schedule.interval
        self._reading: asyncio.Task[Any] | None = None
        self._read_at = -math.inf
        self._next_at = math.inf  # when the next read begins
        self._not_before = 0.0  # when it may begin at the earliest, if there is news
        self._poll_from = 0.0  # the same, if there is none
        self._awake_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    @property
    def is_fresh(self) -> bool:
        """Whether *last* is no older than it would be if this had been polled for."""
        return time.monotonic() < self._read_at + self._schedule.interval

    def join(self, waiter: Waiter) -> None:
        """Wake *waiter* after each read from now on, and when its time is over."""
        self._waiters[waiter] = None
        self._plan(self._poll_from)
        self._plan_last_look(waiter)
        self._set_timer(min(self._next_at, waiter.ends_at))

    def leave(self, waiter: Waiter) -> None:
        """Wake *waiter* no more; the last one ends the read that is under way."""
        del self._waiters[waiter]
        if self._waiters:
            return
        if self._reading is not None:
            self._reading.cancel()
        self._set_timer(self._not_before)

    def close(self) -> None:
        """End all waits: the client is closed."""
        self.is_closed = True
        for waiter in self._waiters:
            waiter.wake()

    def hurry(self) -> None:
        """Read as soon as may be, and often for a while: an event came."""
        self._awake_until = time.monotonic() + self._schedule.awake
        self._plan(self._not_before)
        self._set_timer(self._next_at)

    def _plan(self, moment: float) -> None:
        if self._reading is None:  # or it is planned when that has ended
            self._next_at = min(self._next_at, moment)

    def _plan_last_look(self, waiter: Waiter) -> None:
        moment = waiter.ends_at - _LAST_LOOK
        if moment > time.monotonic():
            self._plan(max(moment, self._not_before))

    def _set_timer(self, moment: float) -> None:
        """Have the timer run out at *moment*, or before."""
        if moment >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, moment - time.monotonic())
        self._timer, self._timer_at = asyncio.get_running_loop().call_later(delay, self._act), moment

    def _act(self) -> None:
        """Do what is due."""
        self._timer, self._timer_at = None, math.inf
        now = time.monotonic()
        if not self._waiters:
            self._end(now)
            return
        for waiter in self._waiters:
            if waiter.ends_at <= now:
                waiter.wake()
        if self._next_at <= now:
            self._begin(now)
        self._set_timer(min((self._next_at, *(w.ends_at for w in self._waiters if w.ends_at > now))))

    def _end(self, now: float) -> None:
        if self._reading is not None:
            return  # which was cancelled, and sets the timer again
        if now >= self._not_before:
            self._polls.forget(self.kind, self._key)
        else:
            self._set_timer(self._not_before)

    def _begin(self, now: float) -> None:
        self._next_at = math.inf
        self._not_before = self._poll_from = now + self._interval
        self._reading = asyncio.get_running_loop().create_task(self._read(), name="vipps_async poll")
        self._reading.add_done_callback(self._finish)

    def _finish(self, reading: "asyncio.Task[Any]") -> None:
        self._reading = None
        now = time.monotonic()
        asked_for = self._take(reading, now)
        pause = max(self._interval, asked_for)
        self._not_before = self._poll_from = now + pause
        if self.last is not None and self.kind.is_open(self.last):
            self._poll_from = max(self._not_before, self._polls.second_read_of(self.kind, self._key))
        if now < self._awake_until:
            self._next_at = self._not_before
        elif all(waiter.has_signal for waiter in self._waiters):
            self._next_at = now + max(pause, self._schedule.asleep)
        else:
            self._next_at = self._poll_from
        for waiter in self._waiters:
            self._plan_last_look(waiter)
            waiter.wake()
        self._set_timer(self._next_at if self._waiters else self._not_before)

    def _take(self, reading: "asyncio.Task[Any]", now: float) -> float:
        """Keep what a read ended with, and return the seconds for which the server asks not to be asked again."""
        if reading.cancelled():
            return 0.0
        error = reading.exception()
        if error is None:
            self.last, self._read_at, self.trouble = reading.result(), now, None
        elif self._is_passing(error, now):
            # Without its frames: thousands may keep it.
            self.trouble = error.with_traceback(None)
        else:
            for waiter in self._waiters:
                waiter.failed = reading
        if isinstance(error, RateLimited):
            self._interval = min(self._schedule.slowest, self._interval * 2)
        asked = error.retry_after if isinstance(error, ApiError) else None
        return asked.total_seconds() if asked else 0.0

    def _is_passing(self, error: BaseException, now: float) -> TypeGuard[CallError]:
        if isinstance(error, NotFound):
            return now < self._polls.second_read_of(self.kind, self._key)  # reads may lag behind the creation
        return isinstance(error, CallError) and (is_transient(error) or isinstance(error, DeadlineExceeded))


class Polls:
    """The polls of a client and all its copies, which call one base URL.

    Attributes:
        schedule: when things are read; ``None``: as each kind of them says.
    """

    def __init__(self, schedule: PollSchedule | None = None) -> None:
        self.schedule = schedule
        self._polls: PerLoop[dict[tuple[str, PollKey], Poll]] = PerLoop(dict, owner="this VippsClient")
        # When each is read a second time, on the monotonic clock.
        self._created: OrderedDict[tuple[str, PollKey], float] = OrderedDict()

    def join(self, kind: Waitable[Any], key: PollKey, read: Read, waiter: Waiter) -> Poll:
        """Have *waiter* woken by the thing's poll, which reads with *read* if it is new, and return it.

        Raises:
            WrongEventLoop: things are waited for in another event loop, which is not closed.
        """
        polls = self._polls.get()
        poll = polls.get((kind.name, key))
        if poll is None:
            poll = polls[kind.name, key] = Poll(self, kind, key, read)
        poll.join(waiter)
        return poll

    def close(self) -> None:
        """End all waits in the event loop that runs."""
        for poll in (self._polls.peek() or {}).values():
            poll.close()

    def forget(self, kind: Waitable[Any], key: PollKey) -> None:
        """Let go of a poll that nobody has joined."""
        self._polls.get().pop((kind.name, key), None)

    def note_creation(self, kind: Waitable[Any], key: PollKey) -> None:
        """Remember that this client created the thing now."""
        now = time.monotonic()
        self._created[kind.name, key] = now + (self.schedule or kind.schedule).first
        self._created.move_to_end((kind.name, key))
        while next(iter(self._created.values())) <= now:
            self._created.popitem(last=False)

    def second_read_of(self, kind: Waitable[Any], key: PollKey) -> float:
        """Return when a thing that this client created is read a second time, on the monotonic clock."""
        return self._created.get((kind.name, key), -math.inf)
