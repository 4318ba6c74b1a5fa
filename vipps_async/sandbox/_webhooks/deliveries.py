"""Deliver events to webhooks: at least once, in order for one payment and webhook, tried again until they arrive.

A fault on order changes the effect of a delivery, from which it returns to these rules.

Sources: Webhooks API, retries; the draft's guide, callbacks (its own schedule).
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import attrs

from vipps_async.sandbox._epayment.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._faults.plan import FaultPlan
from vipps_async.sandbox._faults.rules import DELIVERIES, FaultContext, FaultRule
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._webhooks.parcel import OutgoingDelivery, QueueKey
from vipps_async.sandbox._webhooks.records import Delivery, UnknownDelivery
from vipps_async.sandbox._webhooks.registrations import Registrations
from vipps_async.sandbox._webhooks.sender import WebhookSender

_log = logging.getLogger("vipps_async.sandbox")

_REMEMBERED = 10_000  # records


class Deliveries:
    """What is on its way to webhooks, and what became of it.

    Args:
        clock: what waiting goes by.
        registrations: who is told of what.
        faults: what deliveries suffer.
        render: makes the body of an event.
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
        render: Callable[[LedgerPayment, LedgerEvent], bytes],
        copies: int,
        retry_delays: Sequence[float],
        give_up_after: timedelta,
    ) -> None:
        self._clock = clock
        self._registrations = registrations
        self._faults = faults
        self._render = render
        self._copies = copies
        self._retry_delays = tuple(retry_delays)
        self._give_up_after = give_up_after
        self._suffering: dict[str, FaultRule | None] = {}
        self._sender = WebhookSender(clock)
        self._queues: dict[QueueKey, deque[OutgoingDelivery]] = {}
        self._carriers: dict[QueueKey, asyncio.Task[None]] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._held: dict[asyncio.Task[None], OutgoingDelivery] = {}
        self._records: deque[tuple[Delivery, OutgoingDelivery]] = deque(maxlen=_REMEMBERED)

    @property
    def records(self) -> list[Delivery]:
        """The latest attempts, oldest first."""
        return [record for record, _ in self._records]

    def latest(self, reference: str) -> Iterator[Delivery]:
        """Yield the attempts for payments whose reference contains *reference*, newest first."""
        return (record for record, _ in reversed(self._records) if reference in record.reference)

    @property
    def pending(self) -> list[str]:
        """What has yet to arrive, in words."""
        return [str(delivery) for queue_key in self._queues.values() for delivery in queue_key]

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

    def publish(self, payment: LedgerPayment, event: LedgerEvent) -> None:
        """Put *event* on its way to every webhook that hears of it.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        rule = self._suffering.pop(payment.reference, None)
        hearing = self._registrations.subscribed_to(event.name)
        if hearing:
            self._sender.require_session()
            body = self._render(payment, event)
            for registration in hearing:
                self._hand_over(
                    OutgoingDelivery(registration, event, body, rule or self._faults.take(_occasion(event)))
                )

    def redeliver(self, identifier: int, rule: FaultRule | None) -> None:
        """Put what an earlier attempt carried on its way to the same webhook once more, at once.

        Args:
            identifier: of the attempt, whatever became of it.
            rule: a fault that it suffers this time; those on order strike what is new alone.

        Raises:
            UnknownDelivery: no such attempt is on record, or its webhook was deleted.
            RuntimeError: the sandbox is not running.
        """
        delivery = next((delivery for record, delivery in self._records if record.id == identifier), None)
        if delivery is None or delivery.registration not in self._registrations.all():
            raise UnknownDelivery(identifier)
        self._sender.require_session()
        self._hand_over(attrs.evolve(delivery, rule=rule, repeats=identifier))

    @contextmanager
    def injecting(self, reference: str, rule: FaultRule | None) -> Iterator[None]:
        """Have the first event of a payment that is published inside the block suffer *rule* on its way."""
        self._suffering[reference] = rule
        try:
            yield
        finally:
            self._suffering.pop(reference, None)

    def cancel_deliveries(self, registration_id: str) -> None:
        """End the deliveries to a webhook that was deleted."""
        self._abandon([queue_key for queue_key in self._queues if queue_key[0] == registration_id])

    async def settled(self, timeout: float) -> None:
        """Return once nothing is pending.

        Raises:
            TimeoutError: something still was after *timeout* seconds; the message names it.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._carriers:
                    await asyncio.wait(self._carriers.values())
        except TimeoutError:
            raise TimeoutError(f"not delivered after {timeout:g} s: {'; '.join(self.pending)}") from None

    async def _end_all(self) -> None:
        self._abandon(list(self._queues))
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    def _abandon(self, queues: list[QueueKey]) -> None:
        for queue_key in queues:
            del self._queues[queue_key]
            carrier = self._carriers.pop(queue_key)
            self._abandoned.add(carrier)
            carrier.add_done_callback(self._abandoned.discard)
            carrier.cancel()

    def _hand_over(self, delivery: OutgoingDelivery) -> None:
        queue_key = delivery.queue_key
        self._queues.setdefault(queue_key, deque()).append(delivery)
        if queue_key not in self._carriers:
            self._carriers[queue_key] = asyncio.create_task(self._carry(queue_key))

    async def _carry(self, queue_key: QueueKey) -> None:
        deliveries_ = self._queues[queue_key]
        while deliveries_:
            await self._deliver(deliveries_[0])
            deliveries_.popleft()
        # Nothing is awaited since the queue_key was seen empty, so no delivery can have been put into it.
        del self._queues[queue_key], self._carriers[queue_key]

    async def _deliver(self, delivery: OutgoingDelivery) -> None:
        effect, rule = delivery.effect, delivery.rule
        if effect.is_lost:
            self._note(self._sender.lose(delivery), delivery)
            return
        if rule is not None and rule.seconds is not None:
            await self._hold(delivery, rule.seconds)
        copies = range(1, ((rule and rule.copies) or self._copies) + 1)
        if effect.at_once:
            async with asyncio.TaskGroup() as group:
                for copy in copies:
                    group.create_task(self._deliver_copy(delivery, copy))
        else:
            for copy in copies:
                await self._deliver_copy(delivery, copy)
        self._let_go_of_overtaken(delivery)

    async def _hold(self, delivery: OutgoingDelivery, seconds: float) -> None:
        patience = asyncio.create_task(self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds)))
        self._held[patience] = delivery
        try:
            await asyncio.wait({patience})
        finally:
            patience.cancel()
            del self._held[patience]

    def _let_go_of_overtaken(self, delivery: OutgoingDelivery) -> None:
        for patience, held in self._held.items():
            if held.is_overtaken_by(delivery):
                patience.cancel()

    async def _deliver_copy(self, delivery: OutgoingDelivery, copy: int) -> None:
        first = self._clock.now()
        for attempt in itertools.count(1):
            record = await self._sender.carry(delivery, attempt=attempt, copy=copy)
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


def _occasion(event: LedgerEvent) -> FaultContext:
    return FaultContext(operation=DELIVERIES, reference=event.reference, amount=event.amount, event=event.name)
