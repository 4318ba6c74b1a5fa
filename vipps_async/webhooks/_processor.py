"""Processes events in one event loop: its tasks, its locks, its workers, and those who wait for an event."""

import asyncio
import logging
from contextlib import AbstractContextManager
from datetime import timedelta

from vipps_async.errors import ClaimHeld, WrongEventLoop
from vipps_async.webhooks._delivered import DeliveredEvent
from vipps_async.webhooks._dispatcher import Dispatcher, Outcome
from vipps_async.webhooks._inbox import InboxWorkers
from vipps_async.webhooks._observers import Observers
from vipps_async.webhooks._requests import WRONG_LOOP, Reply
from vipps_async.webhooks._tasks import BackgroundTasks, end_of
from vipps_async.webhooks._watch import Watchers
from vipps_async.webhooks.signals.base import Signal

_logger = logging.getLogger("vipps_async.webhooks")


class EventProcessor:
    """Lets the events of authentic deliveries take effect, at once or out of the inbox, and answers the deliveries.

    Args:
        dispatcher: lets an event take effect once.
        workers: hold events, and handle them later; without them they are handled at once.
        observers: are told what became of each delivery.
        signal: carries the news of events to other processes.
        undecisive: the types of events that are no news to who waits.
        shutdown_timeout: how long `close` waits for deliveries that are being answered.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        workers: InboxWorkers | None,
        observers: Observers,
        signal: Signal | None,
        undecisive: frozenset[str],
        shutdown_timeout: timedelta,
    ) -> None:
        self._dispatcher = dispatcher
        self._workers = workers
        self._observers = observers
        self._signal = signal
        self._undecisive = undecisive
        self._shutdown_timeout = shutdown_timeout
        self._watchers = Watchers()
        self._tasks = BackgroundTasks()
        self.is_closing = False

    def start(self) -> None:
        """Begin to handle what the inbox holds, if there is one."""
        if self._workers:
            self._workers.start()

    def watch(self, subject: str, msn: str | None) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the subject."""
        return (self._signal or self._watchers).watch(subject, msn=msn)

    async def answer(self, delivered: DeliveredEvent, body: bytes) -> Reply:
        """Have an event handled or held, and return what to answer; cancelling this call does not end that work."""
        if delivered.event.type not in self._undecisive:
            self._announce(delivered)
        task = self._tasks.run(self._answered(delivered, body), name="vipps_async delivery", about=delivered)
        await end_of(task)
        return task.result()

    async def close(self) -> None:
        """Wait for the deliveries that are being answered and the workers, within their times, and name the others."""
        self.is_closing = True
        closing = [self._tasks.close(self._shutdown_timeout.total_seconds())]
        if self._workers:
            closing.append(self._workers.close())
        for given_up in await asyncio.gather(*closing):
            for name in given_up:
                _logger.warning("shutting down: gave up %s", name)

    def _announce(self, delivered: DeliveredEvent) -> None:
        event = delivered.event
        if self._signal is None:
            self._watchers.notify(event.subject, event.msn)
        else:
            # In the background, so that it does not delay the answer.
            announcement = self._signal.announce(event.subject, msn=event.msn)
            self._tasks.run(announcement, name="vipps_async announcement", about=delivered)

    async def _answered(self, delivered: DeliveredEvent, body: bytes) -> Reply:
        if self._workers:
            outcome = await self._workers.hold(delivered, body)
            if outcome is None:
                return Reply(200)  # what becomes of the event is told when it is known
        else:
            outcome = await self._dispatcher.handle_once(delivered)
        self._observers.tell_of(delivered, outcome.stage, error=outcome.error, seconds=outcome.seconds)
        return _reply_to(delivered, outcome)


def _reply_to(delivered: DeliveredEvent, outcome: Outcome) -> Reply:
    error = outcome.error
    if error is None:
        return Reply(200)
    if isinstance(error, ClaimHeld):
        return Reply(503, {"Retry-After": f"{error.retry_after.total_seconds():.0f}"}, b"being handled")
    _logger.error("%s is given back for redelivery", delivered, exc_info=error, extra=delivered.fields)
    return WRONG_LOOP if isinstance(error, WrongEventLoop) else Reply(500, body=b"not handled")
