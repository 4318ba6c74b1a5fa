"""Deliver events to webhooks: at least once, in order for one payment and webhook, tried again until they arrive.

A fault on order changes the course of a delivery, from which it returns to these rules.

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

from vipps_async.sandbox._clock import Clock
from vipps_async.sandbox._faults.orders import DELIVERIES, Occasion, Order
from vipps_async.sandbox._faults.plan import FaultPlan
from vipps_async.sandbox._ledger.payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._records import Delivery, UnknownDelivery
from vipps_async.sandbox._webhooks.courier import Courier
from vipps_async.sandbox._webhooks.parcel import Lane, Parcel
from vipps_async.sandbox._webhooks.registrations import Registrations

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
        self._suffering: dict[str, Order | None] = {}
        self._courier = Courier(clock)
        self._lanes: dict[Lane, deque[Parcel]] = {}
        self._carriers: dict[Lane, asyncio.Task[None]] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._held: dict[asyncio.Task[None], Parcel] = {}
        self._records: deque[tuple[Delivery, Parcel]] = deque(maxlen=_REMEMBERED)

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
        return [str(parcel) for lane in self._lanes.values() for parcel in lane]

    async def start(self) -> None:
        """Get ready to deliver."""
        self._courier.start()

    async def stop(self) -> None:
        """End every delivery."""
        await self._end_all()
        await self._courier.stop()

    async def reset(self) -> None:
        """End every delivery and forget the records."""
        await self._end_all()
        self._records.clear()

    def publish(self, payment: LedgerPayment, event: LedgerEvent) -> None:
        """Put *event* on its way to every webhook that hears of it.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        order = self._suffering.pop(payment.reference, None)
        hearing = self._registrations.hearing_of(event.name)
        if hearing:
            self._courier.require_session()
            body = self._render(payment, event)
            for registration in hearing:
                self._hand_over(Parcel(registration, event, body, order or self._faults.take(_occasion(event))))

    def redeliver(self, identifier: int, order: Order | None) -> None:
        """Put what an earlier attempt carried on its way to the same webhook once more, at once.

        Args:
            identifier: of the attempt, whatever became of it.
            order: a fault that it suffers this time; those on order strike what is new alone.

        Raises:
            UnknownDelivery: no such attempt is on record, or its webhook was deleted.
            RuntimeError: the sandbox is not running.
        """
        parcel = next((parcel for record, parcel in self._records if record.id == identifier), None)
        if parcel is None or parcel.registration not in self._registrations.all():
            raise UnknownDelivery(identifier)
        self._courier.require_session()
        self._hand_over(attrs.evolve(parcel, order=order, repeats=identifier))

    @contextmanager
    def suffering(self, reference: str, order: Order | None) -> Iterator[None]:
        """Have the first event of a payment that is published inside the block suffer *order* on its way."""
        self._suffering[reference] = order
        try:
            yield
        finally:
            self._suffering.pop(reference, None)

    def withdraw(self, registration_id: str) -> None:
        """End the deliveries to a webhook that was deleted."""
        self._abandon([lane for lane in self._lanes if lane[0] == registration_id])

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
        self._abandon(list(self._lanes))
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    def _abandon(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            del self._lanes[lane]
            carrier = self._carriers.pop(lane)
            self._abandoned.add(carrier)
            carrier.add_done_callback(self._abandoned.discard)
            carrier.cancel()

    def _hand_over(self, parcel: Parcel) -> None:
        lane = parcel.lane
        self._lanes.setdefault(lane, deque()).append(parcel)
        if lane not in self._carriers:
            self._carriers[lane] = asyncio.create_task(self._carry(lane))

    async def _carry(self, lane: Lane) -> None:
        parcels = self._lanes[lane]
        while parcels:
            await self._deliver(parcels[0])
            parcels.popleft()
        # Nothing is awaited since the lane was seen empty, so no parcel can have been put into it.
        del self._lanes[lane], self._carriers[lane]

    async def _deliver(self, parcel: Parcel) -> None:
        passage, order = parcel.passage, parcel.order
        if passage.is_lost:
            self._note(self._courier.lose(parcel), parcel)
            return
        if order is not None and order.seconds is not None:
            await self._hold(parcel, order.seconds)
        copies = range(1, ((order and order.copies) or self._copies) + 1)
        if passage.at_once:
            async with asyncio.TaskGroup() as group:
                for copy in copies:
                    group.create_task(self._deliver_copy(parcel, copy))
        else:
            for copy in copies:
                await self._deliver_copy(parcel, copy)
        self._let_go_of_overtaken(parcel)

    async def _hold(self, parcel: Parcel, seconds: float) -> None:
        patience = asyncio.create_task(self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds)))
        self._held[patience] = parcel
        try:
            await asyncio.wait({patience})
        finally:
            patience.cancel()
            del self._held[patience]

    def _let_go_of_overtaken(self, parcel: Parcel) -> None:
        for patience, held in self._held.items():
            if held.is_overtaken_by(parcel):
                patience.cancel()

    async def _deliver_copy(self, parcel: Parcel, copy: int) -> None:
        first = self._clock.now()
        for attempt in itertools.count(1):
            record = await self._courier.carry(parcel, attempt=attempt, copy=copy)
            self._note(record, parcel)
            due = self._clock.now() + timedelta(seconds=self._delay_after(attempt))
            self._note_answer(parcel, arrived=record.is_success)
            if record.is_success or due - first > self._give_up_after:
                return
            _log.info("delivery of %s failed (%s); next try at %s", parcel, record.status or record.error, due)
            await self._clock.sleep_until(due)

    def _note_answer(self, parcel: Parcel, *, arrived: bool) -> None:
        identifier = parcel.registration.id
        if self._registrations.note_answer(identifier, arrived=arrived, now=self._clock.now()):
            _log.warning("the webhook has failed for too long and is removed; in vain was %s", parcel)
            # Later, for it ends the very task that this runs in.
            asyncio.get_running_loop().call_soon(self.withdraw, identifier)

    def _note(self, record: Delivery, parcel: Parcel) -> None:
        self._records.append((record, parcel))
        # The record itself travels along for whoever formats what is logged.
        _log.debug("%s: %s %s", parcel, record.status or record.error, record.fault or "", extra={"record": record})

    def _delay_after(self, attempt: int) -> float:
        return self._retry_delays[min(attempt, len(self._retry_delays)) - 1]


def _occasion(event: LedgerEvent) -> Occasion:
    return Occasion(operation=DELIVERIES, reference=event.reference, amount=event.amount, event=event.name)
