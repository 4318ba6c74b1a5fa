"""Posts one delivery to a webhook, signed as it is to be, and records what came of it.

Source: Webhooks API, request authentication and responses.
"""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta

import aiohttp
import attrs
from yarl import URL

from vipps_async._wire.urls import normal_url
from vipps_async.sandbox._faults.faults import DELIVERY_EFFECTS, DeliveryFault, DeliveryFaultEffect
from vipps_async.sandbox._faults.rules import FaultRule
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.events import SandboxEvent
from vipps_async.sandbox._webhooks.records import Delivery
from vipps_async.sandbox._webhooks.registrations import Registration
from vipps_async.webhooks.signature import SignedUrl, sign

_ANSWER_WITHIN = 10.0  # seconds; Webhooks API, responses
_AT_ONCE = 100  # open connections to webhooks
_SNIPPET = 1000  # bytes of an answer that a record keeps


QueueKey = tuple[str, str, int]


@attrs.frozen(eq=False)
class OutgoingDelivery:
    """An event for one webhook.

    Attributes:
        registration: the webhook.
        event: what happened.
        body: the bytes to send.
        rule: the fault that is injected, if any.
        repeats: the attempt that it repeats, asked for by hand; 0 if it repeats none.
    """

    registration: Registration
    event: SandboxEvent
    body: bytes = attrs.field(repr=False)
    rule: FaultRule | None = None
    repeats: int = 0

    @property
    def fault(self) -> DeliveryFault | None:
        """The fault that is injected."""
        return DeliveryFault(self.rule.fault) if self.rule else None

    @property
    def effect(self) -> DeliveryFaultEffect:
        """The change that the fault makes."""
        return DELIVERY_EFFECTS[self.fault] if self.fault else DeliveryFaultEffect()

    @property
    def queue_key(self) -> QueueKey:
        """The queue in which it waits: what is in one queue is delivered in order."""
        # What is asked for by hand does not wait for another try of what went before it.
        return self.registration.id, self.event.reference, id(self) if self.effect.goes_alone else self.repeats

    def is_overtaken_by(self, other: "OutgoingDelivery") -> bool:
        """Whether it is to wait for a later event of the same reference, and *other* carries one."""
        return (
            self.effect.goes_alone
            and (self.registration.id, self.event.reference) == (other.registration.id, other.event.reference)
            and self.event.occurred_at <= other.event.occurred_at
            and self.event is not other.event
        )

    def __str__(self) -> str:
        # Without the query, which may hold a key: this is what is logged.
        return f"{self.event.name} of {self.event.reference} to {self.registration.url.partition('?')[0]}"


@attrs.frozen(kw_only=True)
class _Answer:
    status: int | None = None
    error: str | None = None
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = b""


class WebhookSender:
    """Posts deliveries, so many at a time.

    Args:
        clock: what records are dated by.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Get ready to post."""
        self._session = aiohttp.ClientSession(
            # A fresh connection each time: one that the webhook closed meanwhile would look like a failure of it.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def require_session(self) -> aiohttp.ClientSession:
        """Return the open session.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        if self._session is None:
            raise RuntimeError("the sandbox is not running, so it delivers nothing")
        return self._session

    async def send(self, delivery: OutgoingDelivery, *, attempt: int, copy: int) -> Delivery:
        """Post *delivery* once, and return the record of it."""
        async with self._slots:
            headers, started_at, began = _headers(delivery, attempt), self._clock.now(), time.monotonic()
            answer = await self._post(delivery, headers)
        duration = timedelta(seconds=time.monotonic() - began)
        return self._record(delivery, attempt, copy, answer, headers=headers, started_at=started_at, duration=duration)

    def drop(self, delivery: OutgoingDelivery) -> Delivery:
        """Return the record of a delivery that never arrives."""
        answer = _Answer(error="dropped by a fault")
        return self._record(delivery, 1, 1, answer, headers={}, started_at=self._clock.now(), duration=timedelta())

    def _record(
        self,
        delivery: OutgoingDelivery,
        attempt: int,
        copy: int,
        answer: _Answer,
        *,
        headers: dict[str, str],
        started_at: datetime,
        duration: timedelta,
    ) -> Delivery:
        return Delivery(
            id=next(self._ids),
            registration_id=delivery.registration.id,
            url=delivery.registration.url,
            event=delivery.event.name,
            reference=delivery.event.reference,
            psp_reference=delivery.event.id,
            attempt=attempt,
            copy=copy,
            fault=delivery.fault,
            status=answer.status,
            error=answer.error,
            started_at=started_at,
            duration=duration,
            request_headers=headers,
            request_body=delivery.body,
            response_headers=answer.headers,
            response_body=answer.body,
        )

    async def _post(self, delivery: OutgoingDelivery, headers: dict[str, str]) -> _Answer:
        session = self.require_session()
        # Encoded, so that the path and query are sent as they are signed.
        url = URL(normal_url(delivery.registration.url), encoded=True)
        try:
            async with (
                asyncio.timeout(_ANSWER_WITHIN),
                session.post(url, data=delivery.body, headers=headers, allow_redirects=False) as response,
            ):
                received = response.headers
                headers = {str(name): ", ".join(received.getall(name)) for name in received}
                return _Answer(status=response.status, headers=headers, body=await response.content.read(_SNIPPET))
        except TimeoutError:
            return _Answer(error=f"no answer within {_ANSWER_WITHIN:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Answer(error=f"{type(error).__name__}: {error}")


def _headers(delivery: OutgoingDelivery, attempt: int) -> dict[str, str]:
    registration = delivery.registration
    headers = {"Content-Type": "application/json", "Webhook-Id": registration.id}
    if registration.secret is None:
        return headers
    secret, body = _signed_with(delivery, registration.secret) if attempt == 1 else (registration.secret, delivery.body)
    # Signed by the real time, for it is the receiver's clock that judges how old a signature is.
    return headers | sign(secret, SignedUrl.of(registration.url), body, date=datetime.now(UTC))


def _signed_with(delivery: OutgoingDelivery, secret: str) -> tuple[str, bytes]:
    other = delivery.rule.secret if delivery.rule else None
    return other or secret, delivery.body + b" " if delivery.effect.other_body else delivery.body
