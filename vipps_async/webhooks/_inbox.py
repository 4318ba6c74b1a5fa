"""Answer first, work after: the events that a store holds are handled in the background, each until it took effect."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ClaimHeld, DeliveryError, NotAnEvent, shorten
from vipps_async.webhooks._dispatcher import Dispatcher
from vipps_async.webhooks._events import read_event
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks._notices import Notices, Stage
from vipps_async.webhooks.stores.base import Inbox, StoredEvent

_logger = logging.getLogger("vipps_async.webhooks")

_DIED = "each time the process that handled it died, or stood still for longer than the lease"
_KEPT_OF_ERROR = 1000  # characters
_SECONDS_TO_HAND_BACK = 5.0


class InboxWorkers:
    """Takes events out of *inbox* and handles them, as *policy* says.

    Args:
        inbox: what holds the events.
        policy: how many at once, how often, how long.
        dispatcher: lets an event take effect once, or raises.
        notices: are told of duplicates and of dead letters.
        identity: whose events are taken, and which is which.
    """

    def __init__(
        self, inbox: Inbox, policy: InboxPolicy, dispatcher: Dispatcher, notices: Notices, identity: Identity
    ) -> None:
        self._inbox = inbox
        self._policy = policy
        self._dispatcher = dispatcher
        self._notices = notices
        self._identity = identity
        self._holder = uuid4().hex
        self._news = asyncio.Event()
        self._free = asyncio.Semaphore(policy.workers)
        self._in_hand: dict[asyncio.Task[None], int] = {}
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

    async def hold(self, event: PaymentEvent, body: bytes) -> None:
        """Hold an event on disk, unless it is known already, and have it handled.

        Raises:
            BaseException: whatever the store raised; the event has to come again.
        """
        self.start()
        try:
            is_new = await self._inbox.put(
                self._identity.key(event), self._identity.subject(event), body, receiver=self._identity.name
            )
        except BaseException as error:
            self._notices.tell(Stage.FAILED, event=event, error=error)
            raise
        if is_new:
            self._news.set()
        else:
            self._notices.tell(Stage.DUPLICATE, event=event)

    async def close(self) -> None:
        """Take no more events, wait for the handlers that run, then cancel them and hand their events back."""
        self._is_closing = True
        self._news.set()
        if not self._loops:
            return
        feeder, renewals = self._loops
        await asyncio.wait({feeder, *self._in_hand}, timeout=self._policy.grace.total_seconds())
        for task in (renewals, *self._in_hand):
            task.cancel()
        # The feeder ends by itself: cancelled inside the store, it would not know whether it has taken an event.
        await asyncio.wait({feeder, renewals, *self._in_hand}, timeout=_SECONDS_TO_HAND_BACK)
        feeder.cancel()

    async def _feed(self) -> None:
        while not self._is_closing:
            await self._free.acquire()
            event = await self._next()
            if event is not None:
                task = asyncio.create_task(self._work(event), name=f"vipps_async {event.key}")
                self._in_hand[task] = event.id
                task.add_done_callback(self._done)

    async def _next(self) -> StoredEvent | None:
        """Return an event, as soon as one is due, or ``None`` once there is no more time for it."""
        while not self._is_closing:
            self._news.clear()
            event = await self._taken()
            if event is not None:
                return event
            with suppress(TimeoutError):
                async with asyncio.timeout(self._policy.poll.total_seconds()):
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

    async def _work(self, event: StoredEvent) -> None:
        try:
            await self._settle(event, await self._tried(event))
        except Exception:
            # The lease runs out, and whoever takes the event then learns from the claim that it took effect.
            _logger.warning("event %s is settled later", event.key, exc_info=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        self._free.release()
        self._news.set()  # the next event of the payment may be due now

    async def _tried(self, event: StoredEvent) -> BaseException | None:
        if event.attempt > self._policy.attempts:
            return DeliveryError(_DIED)
        try:
            await self._dispatcher.handle_once(read_event(event.body), attempt=event.attempt)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - kept with the event, whatever it is
            return error
        return None

    async def _settle(self, event: StoredEvent, error: BaseException | None) -> None:
        if error is None:
            await self._inbox.complete(event)
        elif isinstance(error, ClaimHeld):
            await self._inbox.release(event, timedelta(seconds=error.retry_after))
        elif isinstance(error, asyncio.CancelledError) and self._is_closing:
            await self._inbox.release(event, timedelta(0))
        elif event.attempt < self._policy.attempts:
            await self._postpone(event, error)
        else:
            await self._bury(event, error)

    async def _postpone(self, event: StoredEvent, error: BaseException) -> None:
        pause = self._policy.pause_after(event.attempt)
        place = (event.key, event.attempt, self._policy.attempts, pause)
        _logger.warning("event %s failed, attempt %d of %d; again in %s", *place, exc_info=error)
        await self._inbox.postpone(event, pause, shorten(error, _KEPT_OF_ERROR))

    async def _bury(self, event: StoredEvent, error: BaseException) -> None:
        _logger.error("event %s is a dead letter now", event.key, exc_info=error)
        await self._inbox.bury(event, shorten(error, _KEPT_OF_ERROR), stops=self._policy.stop_at_dead)
        known = None if isinstance(error, NotAnEvent) else read_event(event.body)
        self._notices.tell(Stage.DEAD, event=known, error=error, attempt=event.attempt)

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._policy.lease.total_seconds() / 3)
            if self._in_hand:
                try:
                    await self._inbox.renew(self._holder, list(self._in_hand.values()), self._policy.lease)
                except Exception:
                    _logger.warning("the leases of the inbox are renewed later", exc_info=True)
