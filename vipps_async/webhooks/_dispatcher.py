"""Runs the handlers of an event under its claim, so that it takes effect once, one event of a subject at a time.

Each handler runs in a task of its own, so that one that takes too long can be cancelled, and one that does not even end
then can be left behind: its event is given back either way, and nothing that it writes through its claim is kept.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from weakref import WeakValueDictionary

import attrs

from vipps_async._events import WebhookEvent
from vipps_async._loops.per_loop import cancellations
from vipps_async.errors import ClaimHeld, HandlerTimeout
from vipps_async.webhooks._delivered import DeliveredEvent
from vipps_async.webhooks._handlers import HandlerEntry
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._observers import Stage
from vipps_async.webhooks._tasks import BackgroundTasks, cancel, end_of
from vipps_async.webhooks.stores.base import Claim, EventStore

HandlersOf = Callable[[WebhookEvent], Iterable[HandlerEntry]]

_logger = logging.getLogger("vipps_async.webhooks")


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of an event.

    Attributes:
        stage: HANDLED, DUPLICATE, HELD, FAILED or TIMED_OUT.
        error: what a handler or the store raised.
        seconds: how long it took: its turn, the claim and the handlers.
        was_tried: whether it was up to the handlers; not if the store could not claim it, or this process shuts down.
    """

    stage: Stage
    error: BaseException | None = None
    seconds: float | None = None
    was_tried: bool = True


class Dispatcher:
    """Claims events in *store* by *identity*'s keys, and hands them to their handlers.

    Args:
        store: remembers which events took effect.
        handlers_of: returns the handlers that take an event.
        identity: names events and subjects.
        handler_timeout: how long a handler may take.
    """

    def __init__(
        self, store: EventStore, handlers_of: HandlersOf, identity: Identity, handler_timeout: timedelta
    ) -> None:
        self._store = store
        self._handlers_of = handlers_of
        self._identity = identity
        self._timeout = handler_timeout
        self._handlers = BackgroundTasks()
        self._in_hand: set[str] = set()
        # Held weakly, so that only subjects with an event under way have a lock.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle_once(self, delivered: DeliveredEvent) -> Outcome:
        """Let an event take effect, unless it did before; whatever is raised is told by the outcome."""
        event, began, was_tried = delivered.event, time.monotonic(), False
        key = self._identity.key(event)
        if key in self._in_hand:
            return Outcome(stage=Stage.HELD, error=ClaimHeld(key), was_tried=False)
        self._in_hand.add(key)
        try:
            # The turn comes first: events that wait for it must not hold a connection of the store's meanwhile.
            async with self._turn_of(event), self._store.claim(key) as claim:
                was_tried = not claim.is_duplicate
                if was_tried:
                    await self._run_handlers(delivered, claim)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the event comes again
            was_tried = was_tried and not (isinstance(error, ClaimHeld) or _is_cut_off(error))
            seconds = time.monotonic() - began
            return Outcome(stage=_stage_of(error), error=error, seconds=seconds, was_tried=was_tried)
        finally:
            self._in_hand.discard(key)
        stage = Stage.HANDLED if was_tried else Stage.DUPLICATE
        return Outcome(stage=stage, seconds=time.monotonic() - began)

    def _turn_of(self, event: WebhookEvent) -> asyncio.Lock:
        return self._turns.setdefault(self._identity.subject(event), asyncio.Lock())

    async def _run_handlers(self, delivered: DeliveredEvent, claim: Claim) -> None:
        for entry in self._handlers_of(delivered.event):
            await self._run(entry, delivered, claim)

    async def _run(self, entry: HandlerEntry, delivered: DeliveredEvent, claim: Claim) -> None:
        handler = self._handlers.run(entry.invoke(delivered.event, claim), name=f"vipps_async handler {entry.name}")
        try:
            await end_of(handler, self._timeout.total_seconds())
        except asyncio.CancelledError:
            await self._end(handler, delivered)
            raise
        if not handler.done():
            await self._end(handler, delivered)
            raise HandlerTimeout(f"handler {entry.name} took longer than {self._timeout}")
        handler.result()

    async def _end(self, handler: asyncio.Task[None], delivered: DeliveredEvent) -> None:
        if not await cancel(handler):
            said = "%s goes on although it was cancelled, and is left behind; %s is given back without it"
            _logger.error(said, handler.get_name(), delivered, extra=delivered.fields)


def _is_cut_off(error: BaseException) -> bool:
    """Whether this task was cancelled, and not something that a handler awaited."""
    return isinstance(error, asyncio.CancelledError) and cancellations() > 0


def _stage_of(error: BaseException) -> Stage:
    if isinstance(error, ClaimHeld):
        return Stage.HELD
    return Stage.TIMED_OUT if isinstance(error, HandlerTimeout) else Stage.FAILED
