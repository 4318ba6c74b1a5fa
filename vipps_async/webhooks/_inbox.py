"""Answer first, work after: the events that a store holds are handled in the background, each until it took effect.

One task, the feeder, takes an event whenever a worker is free: at once when one was put in or settled in this process,
otherwise at each poll. An event that is taken is leased to this process; a second task renews the leases of all that is
in hand, and what a dead process held is taken by another when its lease ends. The handlers run under the event's claim,
so one that took effect just before its process died is not handled again. What fails is put back with a pause that
grows, and becomes a dead letter after so many attempts; what could not even be tried is put back as if nobody had taken
it.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from vipps_async._events import WebhookEvent
from vipps_async.errors import ClaimHeld, DeliveryError, NotAnEvent, printable, shorten
from vipps_async.webhooks._delivered import DeliveredEvent
from vipps_async.webhooks._dispatcher import Dispatcher, Outcome
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks._observers import Notice, Observers, Stage
from vipps_async.webhooks._tasks import cancel
from vipps_async.webhooks.stores.base import Inbox, StoredEvent

_logger = logging.getLogger("vipps_async.webhooks")

_DIED = "each time the process that handled it died, or stood still for longer than the lease"
_KEPT_OF_ERROR = 1000  # characters
_SECONDS_TO_GIVE_BACK = 5.0
_PAUSE_OF_UNTRIED = timedelta(seconds=2)


class InboxWorkers:
    """Takes events out of *inbox* and handles them, as *policy* says.

    Args:
        inbox: what holds the events.
        policy: how many at once, how often, how long.
        dispatcher: lets an event take effect once, or raises.
        observers: are notified of duplicates and of dead letters.
        identity: whose events are taken, and which is which.
        read: reads the body of a delivery.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        policy: InboxPolicy,
        dispatcher: Dispatcher,
        observers: Observers,
        identity: Identity,
        read: Callable[[bytes], WebhookEvent],
    ) -> None:
        self._inbox = inbox
        self._policy = policy
        self._dispatcher = dispatcher
        self._observers = observers
        self._identity = identity
        self._read = read
        self._holder = uuid4().hex
        self._news = asyncio.Event()
        self._free = asyncio.Semaphore(policy.workers)
        self._in_hand: dict[asyncio.Task[None], StoredEvent] = {}
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self._is_closing = False
        self._is_away = False

    def start(self) -> None:
        """Begin to take events, unless begun already."""
        if not self._loops and not self._is_closing:
            self._loops = (
                asyncio.create_task(self._feed(), name="vipps_async inbox"),
                asyncio.create_task(self._keep_renewing(), name="vipps_async inbox leases"),
            )

    async def hold(self, delivered: DeliveredEvent, body: bytes) -> Outcome | None:
        """Hold an event on disk, and have it handled.

        Returns:
            None if it is held from now on; otherwise that it is a duplicate, or that the store failed.
        """
        self.start()
        identity, event = self._identity, delivered.event
        try:
            is_new = await self._inbox.put(identity.key(event), identity.subject(event), body, receiver=identity.name)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the event comes again
            return Outcome(stage=Stage.HELD if isinstance(error, ClaimHeld) else Stage.FAILED, error=error)
        if not is_new:
            return Outcome(stage=Stage.DUPLICATE)
        self._news.set()
        return None

    async def close(self) -> list[str]:
        """Take no more events, wait for the handlers that run, then cancel them and give their events back.

        Returns:
            Which handlers were given up.
        """
        self._is_closing = True
        self._news.set()
        if not self._loops:
            return []
        feeder, renewals = self._loops
        await asyncio.wait({feeder, *self._in_hand}, timeout=self._policy.shutdown_timeout.total_seconds())
        given_up = dict(self._in_hand)
        await cancel(renewals)
        for task in given_up:
            task.cancel()
        # The feeder ends by itself: cancelled inside the store, it would not know whether it has taken an event.
        await asyncio.wait({feeder, *given_up}, timeout=_SECONDS_TO_GIVE_BACK)
        feeder.cancel()
        return [f"the handlers of event {printable(stored.key, 300)}" for stored in given_up.values()]

    async def _feed(self) -> None:
        while not self._is_closing:
            await self._free.acquire()
            event = await self._next()
            if event is not None:
                task = asyncio.create_task(self._work(event), name="vipps_async event")
                self._in_hand[task] = event
                task.add_done_callback(self._done)

    async def _next(self) -> StoredEvent | None:
        """Return an event, as soon as one is due, or ``None`` once there is no more time for it."""
        while not self._is_closing:
            self._news.clear()
            event = await self._taken()
            if event is not None:
                return event
            with suppress(TimeoutError):
                async with asyncio.timeout(self._policy.poll_interval.total_seconds()):
                    await self._news.wait()
        return None

    async def _taken(self) -> StoredEvent | None:
        try:
            event = await self._inbox.take(self._identity.name, self._holder, self._policy.lease)
            if event is not None and self._is_closing:
                await self._inbox.release(event, timedelta(0))
                event = None
        except Exception:
            if not self._is_away:
                _logger.warning("the inbox is out of reach, and is tried again until it is not", exc_info=True)
            self._is_away = True
            return None
        self._is_away = False
        return event

    async def _work(self, stored: StoredEvent) -> None:
        try:
            await self._settle(stored)
        except Exception:
            # The lease runs out, and whoever takes the event then learns from the claim that it took effect.
            _logger.warning("event %s is settled later", printable(stored.key, 300), exc_info=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        self._free.release()
        self._news.set()  # the next event of the subject may be due now

    async def _settle(self, stored: StoredEvent) -> None:
        try:
            event = self._read(stored.body)
        except NotAnEvent as error:
            await self._settle_failure(stored, None, error)
            return
        delivered = DeliveredEvent(event, stored.receiver, attempt=stored.attempt)
        if stored.attempt > self._policy.attempts:
            await self._bury(stored, delivered, DeliveryError(_DIED))
            return
        outcome = await self._dispatcher.handle_once(delivered)
        if outcome.was_tried:
            self._observers.tell_of(delivered, outcome.stage, error=outcome.error, seconds=outcome.seconds)
        if outcome.error is None:
            await self._inbox.complete(stored)
        elif outcome.was_tried:
            await self._settle_failure(stored, delivered, outcome.error)
        else:
            await self._release(stored, delivered, outcome.error)

    async def _release(self, stored: StoredEvent, delivered: DeliveredEvent, error: BaseException) -> None:
        """Give an event back that its handlers have not been asked to handle, or not until their end."""
        if isinstance(error, ClaimHeld):
            pause = error.retry_after
        elif isinstance(error, asyncio.CancelledError):
            pause = timedelta(0)
        else:
            pause = _PAUSE_OF_UNTRIED
            said = "%s could not be claimed, which is no attempt; again in %s"
            _logger.warning(said, delivered, pause, exc_info=error, extra=delivered.fields)
        await self._inbox.release(stored, _shortened(pause))

    async def _settle_failure(
        self, stored: StoredEvent, delivered: DeliveredEvent | None, error: BaseException
    ) -> None:
        if stored.attempt >= self._policy.attempts:
            await self._bury(stored, delivered, error)
            return
        pause = _shortened(self._policy.pause_after(stored.attempt))
        place = (_named(stored, delivered), stored.attempt, self._policy.attempts, pause)
        fields = delivered.fields if delivered else None
        _logger.warning("%s failed, attempt %d of %d; again in %s", *place, exc_info=error, extra=fields)
        await self._inbox.postpone(stored, pause, shorten(error, _KEPT_OF_ERROR))

    async def _bury(self, stored: StoredEvent, delivered: DeliveredEvent | None, error: BaseException) -> None:
        fields, event = (delivered.fields, delivered.event) if delivered else (None, None)
        _logger.error("%s is a dead letter now", _named(stored, delivered), exc_info=error, extra=fields)
        await self._inbox.bury(stored, shorten(error, _KEPT_OF_ERROR), stops=self._policy.dead_letter_blocks)
        self._observers.tell(Notice(stage=Stage.DEAD, event=event, error=error, attempt=stored.attempt))

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._policy.lease.total_seconds() / 3)
            if self._in_hand:
                try:
                    await self._inbox.renew(
                        self._holder, [event.id for event in self._in_hand.values()], self._policy.lease
                    )
                except Exception:
                    _logger.warning("the leases of the inbox are renewed later", exc_info=True)


def _named(stored: StoredEvent, delivered: DeliveredEvent | None) -> str:
    return str(delivered) if delivered else f"event {printable(stored.key, 300)}"


def _shortened(pause: timedelta) -> timedelta:
    # Not at the same moment as others that were given back together.
    return pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
