"""Delivers events to webhooks: at least once, in order for one reference and webhook, tried again until they arrive.

Each webhook has a queue for each reference, and each queue that holds something a task, which posts the first delivery
in it until a webhook takes it, or its time is over, and then goes on to the next. So a webhook that fails holds up the
later events of that reference, and nothing else. A fault changes one delivery: it is dropped, delayed, copied, signed
wrongly, or queued by itself, so that later events overtake it.

Sources: Webhooks API, retries; the draft's guide, callbacks (its own schedule).
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import attrs

from vipps_async.sandbox._faults.plan import FaultPlan
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule
from vipps_async.sandbox._faults.targets import DELIVERIES
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._webhooks.records import Delivery, UnknownDelivery
from vipps_async.sandbox._webhooks.registrations import Registrations
from vipps_async.sandbox._webhooks.sender import OutgoingDelivery, QueueKey, WebhookSender

_log = logging.getLogger("vipps_async.sandbox")

_REMEMBERED = 10_000  # records


class Deliveries:
    """The deliveries on their way to webhooks, and the records of those before.

    Args:
        clock: what waiting goes by.
        registrations: which events go where.
        faults: which deliveries fail how.
        copies: how often each event is delivered successfully.
        retry_delays: seconds between attempts, the last one repeated.
        give_up_after: how long an event is tried.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        registrations: Registrations,
        faults: FaultPlan,
        copies: int,
        retry_delays: Sequence[float],
        give_up_after: timedelta,
    ) -> None:
        self._clock = clock
        self._registrations = registrations
        self._faults = faults
        self._copies = copies
        self._retry_delays = tuple(retry_delays)
        self._give_up_after = give_up_after
        self._injected: dict[str, FaultRule | None] = {}
        self._sender = WebhookSender(clock)
        self._queues: dict[QueueKey, deque[OutgoingDelivery]] = {}
        self._workers: dict[QueueKey, asyncio.Task[None]] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._delayed: dict[asyncio.Task[None], OutgoingDelivery] = {}
        self._records: deque[tuple[Delivery, OutgoingDelivery]] = deque(maxlen=_REMEMBERED)

    @property
    def records(self) -> list[Delivery]:
        """The latest attempts, oldest first."""
        return [record for record, _ in self._records]

    def latest(self, reference: str) -> Iterator[Delivery]:
        """Yield the attempts for what has a reference that contains *reference*, newest first."""
        return (record for record, _ in reversed(self._records) if reference in record.reference)

    @property
    def pending(self) -> list[str]:
        """The deliveries that have yet to arrive, in words."""
        return [str(delivery) for queue in self._queues.values() for delivery in queue]

    async def start(self) -> None:
        """Get ready to deliver."""
        self._sender.start()

    async def stop(self) -> None:
        """End every delivery."""
        await self._end_all()
        await self._sender.stop()

    async def reset(self) -> None:
        """End every delivery and forget the records."""
        await self._end_all()
        self._records.clear()

    def publish(self, event: SandboxEvent) -> None:
        """Put *event* on its way to every webhook that is registered for it.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        rule = self._injected.pop(event.reference, None)
        subscribed = self._registrations.subscribed_to(event.type)
        if subscribed:
            self._sender.require_session()
            body = event.render()
            for registration in subscribed:
                injected = rule or self._faults.draw(_context(event))
                self._enqueue(OutgoingDelivery(registration, event, body, injected))

    def redeliver(self, identifier: int, rule: FaultRule | None) -> None:
        """Put what an earlier attempt carried on its way to the same webhook once more, at once.

        Args:
            identifier: of the attempt, whatever became of it.
            rule: the fault to inject this time; those of the plan meet what is new alone.

        Raises:
            UnknownDelivery: no such attempt is on record, or its webhook was deleted.
            RuntimeError: the sandbox is not running.
        """
        delivery = next((delivery for record, delivery in self._records if record.id == identifier), None)
        if delivery is None or delivery.registration not in self._registrations.all():
            raise UnknownDelivery(identifier)
        self._sender.require_session()
        self._enqueue(attrs.evolve(delivery, rule=rule, repeats=identifier))

    @contextmanager
    def injecting(self, reference: str, rule: FaultRule | None) -> Iterator[None]:
        """Inject *rule* into the delivery of the first event of a reference that is published inside the block."""
        self._injected[reference] = rule
        try:
            yield
        finally:
            self._injected.pop(reference, None)

    def cancel_deliveries(self, registration_id: str) -> None:
        """End the deliveries to a webhook that was deleted."""
        self._abandon([key for key in self._queues if key[0] == registration_id])

    async def settled(self, timeout: float) -> None:
        """Return once nothing is pending.

        Raises:
            TimeoutError: something still was after *timeout* seconds; the message names it.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._workers:
                    await asyncio.wait(self._workers.values())
        except TimeoutError:
            raise TimeoutError(f"not delivered after {timeout:g} s: {'; '.join(self.pending)}") from None

    async def _end_all(self) -> None:
        self._abandon(list(self._queues))
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    def _abandon(self, queues: list[QueueKey]) -> None:
        for queue_key in queues:
            del self._queues[queue_key]
            worker = self._workers.pop(queue_key)
            self._abandoned.add(worker)
            worker.add_done_callback(self._abandoned.discard)
            worker.cancel()

    def _enqueue(self, delivery: OutgoingDelivery) -> None:
        queue_key = delivery.queue_key
        self._queues.setdefault(queue_key, deque()).append(delivery)
        if queue_key not in self._workers:
            self._workers[queue_key] = asyncio.create_task(self._work_off(queue_key))

    async def _work_off(self, queue_key: QueueKey) -> None:
        queue = self._queues[queue_key]
        while queue:
            await self._deliver(queue[0])
            queue.popleft()
        # Nothing is awaited since the queue_key was seen empty, so no delivery can have been put into it.
        del self._queues[queue_key], self._workers[queue_key]

    async def _deliver(self, delivery: OutgoingDelivery) -> None:
        effect, rule = delivery.effect, delivery.rule
        if effect.is_lost:
            self._note(self._sender.drop(delivery), delivery)
            return
        if rule is not None and rule.seconds is not None:
            await self._delay(delivery, rule.seconds)
        copies = range(1, ((rule and rule.copies) or self._copies) + 1)
        if effect.at_once:
            async with asyncio.TaskGroup() as group:
                for copy in copies:
                    group.create_task(self._deliver_copy(delivery, copy))
        else:
            for copy in copies:
                await self._deliver_copy(delivery, copy)
        self._release_overtaken(delivery)

    async def _delay(self, delivery: OutgoingDelivery, seconds: float) -> None:
        delay = asyncio.create_task(self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds)))
        self._delayed[delay] = delivery
        try:
            await asyncio.wait({delay})
        finally:
            delay.cancel()
            del self._delayed[delay]

    def _release_overtaken(self, delivery: OutgoingDelivery) -> None:
        for delay, held in self._delayed.items():
            if held.is_overtaken_by(delivery):
                delay.cancel()

    async def _deliver_copy(self, delivery: OutgoingDelivery, copy: int) -> None:
        first = self._clock.now()
        for attempt in itertools.count(1):
            record = await self._sender.send(delivery, attempt=attempt, copy=copy)
            self._note(record, delivery)
            due = self._clock.now() + timedelta(seconds=self._delay_after(attempt))
            self._note_answer(delivery, arrived=record.is_success)
            if record.is_success or due - first > self._give_up_after:
                return
            _log.info("delivery of %s failed (%s); next try at %s", delivery, record.status or record.error, due)
            await self._clock.sleep_until(due)

    def _note_answer(self, delivery: OutgoingDelivery, *, arrived: bool) -> None:
        identifier = delivery.registration.id
        if self._registrations.note_answer(identifier, arrived=arrived, now=self._clock.now()):
            _log.warning("the webhook has failed for too long and is removed; in vain was %s", delivery)
            # Later, for it ends the very task that this runs in.
            asyncio.get_running_loop().call_soon(self.cancel_deliveries, identifier)

    def _note(self, record: Delivery, delivery: OutgoingDelivery) -> None:
        self._records.append((record, delivery))
        # The record itself travels along for whoever formats what is logged.
        _log.debug("%s: %s %s", delivery, record.status or record.error, record.fault or "", extra={"record": record})

    def _delay_after(self, attempt: int) -> float:
        return self._retry_delays[min(attempt, len(self._retry_delays)) - 1]


def _context(event: SandboxEvent) -> FaultContext:
    return FaultContext(
        operation=DELIVERIES, reference=event.reference, amount=event.amount, event=event.name, event_type=event.type
    )
