"""Deliver events to webhooks: at least once, in order for one payment and webhook, tried again until they arrive.

Sources: Webhooks API, request authentication and retries; the draft's guide, callbacks (its own schedule).
"""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import attrs
from yarl import URL

from vipps_async.sandbox._clock import Clock
from vipps_async.sandbox._faults import DeliveryFault
from vipps_async.sandbox._payments import LedgerEvent, LedgerPayment
from vipps_async.sandbox._records import Delivery, UnknownDelivery
from vipps_async.sandbox._registrations import Registration, Registrations
from vipps_async.webhooks._signature import SignedUrl, sign

_log = logging.getLogger("vipps_async.sandbox")

_ANSWER_WITHIN = 10.0  # seconds; Webhooks API, responses
_AT_ONCE = 100  # open connections to webhooks
_SNIPPET = 1000  # bytes of an answer that a record keeps
_REMEMBERED = 100_000  # records

_Lane = tuple[str, str, int]


@attrs.frozen
class _Parcel:
    registration: Registration
    event: LedgerEvent
    body: bytes
    fault: DeliveryFault | None
    repeats: int = 0  # the attempt that it repeats

    @property
    def lane(self) -> _Lane:
        # What is asked for by hand does not wait for another try of what went before it.
        return self.registration.id, self.event.reference, self.repeats

    def __str__(self) -> str:
        return f"{self.event.name} of {self.event.reference} to {self.registration.url}"


@attrs.frozen(kw_only=True)
class _Answer:
    status: int | None = None
    error: str | None = None
    body: bytes = b""


class Deliveries:
    """What is on its way to webhooks, and what became of it.

    Args:
        clock: what waiting goes by.
        registrations: who is told of what.
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
        render: Callable[[LedgerPayment, LedgerEvent], bytes],
        copies: int,
        retry_delays: Sequence[float],
        give_up_after: timedelta,
    ) -> None:
        self._clock = clock
        self._registrations = registrations
        self._render = render
        self._copies = copies
        self._retry_delays = tuple(retry_delays)
        self._give_up_after = give_up_after
        self._faults: dict[str, DeliveryFault | None] = {}
        self._lanes: dict[_Lane, deque[_Parcel]] = {}
        self._carriers: dict[_Lane, asyncio.Task[None]] = {}
        self._abandoned: set[asyncio.Task[None]] = set()
        self._records: deque[tuple[Delivery, _Parcel]] = deque(maxlen=_REMEMBERED)
        self._ids = itertools.count(1)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    @property
    def records(self) -> list[Delivery]:
        """Every attempt, oldest first."""
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
        self._session = aiohttp.ClientSession(
            # A fresh connection each time: one that the webhook closed meanwhile would look like a failure of it.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """End every delivery and close the session."""
        await self._end_all()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def reset(self) -> None:
        """End every delivery and forget the records."""
        await self._end_all()
        self._records.clear()

    def publish(self, payment: LedgerPayment, event: LedgerEvent) -> None:
        """Put *event* on its way to every webhook that hears of it.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        fault = self._faults.pop(payment.reference, None)
        hearing = self._registrations.hearing_of(event.name)
        if hearing:
            self._require_session()
            body = self._render(payment, event)
            for registration in hearing:
                self._hand_over(_Parcel(registration, event, body, fault))

    def redeliver(self, identifier: int, fault: DeliveryFault | None) -> None:
        """Put what an earlier attempt carried on its way to the same webhook once more, at once.

        Args:
            identifier: of the attempt, whatever became of it.
            fault: what it suffers this time.

        Raises:
            UnknownDelivery: no such attempt is on record, or its webhook was deleted.
            RuntimeError: the sandbox is not running.
        """
        parcel = next((parcel for record, parcel in self._records if record.id == identifier), None)
        if parcel is None or parcel.registration not in self._registrations.all():
            raise UnknownDelivery(identifier)
        self._require_session()
        self._hand_over(attrs.evolve(parcel, fault=fault, repeats=identifier))

    @contextmanager
    def suffering(self, reference: str, fault: DeliveryFault | None) -> Iterator[None]:
        """Have the first event of a payment that is published inside the block suffer *fault* on its way."""
        self._faults[reference] = fault
        try:
            yield
        finally:
            self._faults.pop(reference, None)

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

    def _require_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the sandbox is not running, so it delivers nothing")
        return self._session

    async def _end_all(self) -> None:
        self._abandon(list(self._lanes))
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    def _abandon(self, lanes: list[_Lane]) -> None:
        for lane in lanes:
            del self._lanes[lane]
            carrier = self._carriers.pop(lane)
            self._abandoned.add(carrier)
            carrier.add_done_callback(self._abandoned.discard)
            carrier.cancel()

    def _hand_over(self, parcel: _Parcel) -> None:
        lane = parcel.lane
        self._lanes.setdefault(lane, deque()).append(parcel)
        if lane not in self._carriers:
            self._carriers[lane] = asyncio.create_task(self._carry(lane))

    async def _carry(self, lane: _Lane) -> None:
        parcels = self._lanes[lane]
        while parcels:
            copies = self._copies + (parcels[0].fault is DeliveryFault.DUPLICATE)
            for copy in range(1, copies + 1):
                await self._deliver(parcels[0], copy)
            parcels.popleft()
        # Nothing is awaited since the lane was seen empty, so no parcel can have been put into it.
        del self._lanes[lane], self._carriers[lane]

    async def _deliver(self, parcel: _Parcel, copy: int) -> None:
        first = self._clock.now()
        for attempt in itertools.count(1):
            record = await self._attempt(parcel, attempt, copy)
            self._records.append((record, parcel))
            due = self._clock.now() + timedelta(seconds=self._delay_after(attempt))
            self._note_answer(parcel.registration, arrived=record.is_success)
            if record.is_success or due - first > self._give_up_after:
                return
            _log.info("delivery of %s failed (%s); next try at %s", parcel, record.status or record.error, due)
            await self._clock.sleep_until(due)

    def _note_answer(self, registration: Registration, *, arrived: bool) -> None:
        if self._registrations.note_answer(registration.id, arrived=arrived, now=self._clock.now()):
            _log.warning("the webhook %s has failed for too long and is removed", registration.url)
            # Later, for it ends the very task that this runs in.
            asyncio.get_running_loop().call_soon(self.withdraw, registration.id)

    def _delay_after(self, attempt: int) -> float:
        return self._retry_delays[min(attempt, len(self._retry_delays)) - 1]

    async def _attempt(self, parcel: _Parcel, attempt: int, copy: int) -> Delivery:
        async with self._slots:
            headers, started_at, began = _headers(parcel), self._clock.now(), time.monotonic()
            answer = await self._post(parcel, headers)
        return Delivery(
            id=next(self._ids),
            registration_id=parcel.registration.id,
            url=parcel.registration.url,
            event=parcel.event.name,
            reference=parcel.event.reference,
            psp_reference=parcel.event.psp_reference,
            attempt=attempt,
            copy=copy,
            fault=parcel.fault,
            status=answer.status,
            error=answer.error,
            started_at=started_at,
            duration=timedelta(seconds=time.monotonic() - began),
            request_headers=headers,
            request_body=parcel.body,
            response_body=answer.body,
        )

    async def _post(self, parcel: _Parcel, headers: dict[str, str]) -> _Answer:
        session = self._require_session()
        # Encoded, so that the path and query are sent as they were registered and signed.
        url = URL(parcel.registration.url, encoded=True)
        try:
            async with (
                asyncio.timeout(_ANSWER_WITHIN),
                session.post(url, data=parcel.body, headers=headers, allow_redirects=False) as response,
            ):
                return _Answer(status=response.status, body=await response.content.read(_SNIPPET))
        except TimeoutError:
            return _Answer(error=f"no answer within {_ANSWER_WITHIN:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Answer(error=f"{type(error).__name__}: {error}")


def _headers(parcel: _Parcel) -> dict[str, str]:
    registration = parcel.registration
    headers = {"Content-Type": "application/json", "Webhook-Id": registration.id}
    if registration.secret is None:
        return headers
    # Signed by the real time, for it is the receiver's clock that judges how old a signature is.
    return headers | sign(registration.secret, SignedUrl.of(registration.url), parcel.body, date=datetime.now(UTC))
