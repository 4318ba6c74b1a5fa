"""WebhookReceiver: authenticate, claim, dispatch, answer. Knows no web framework."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from vipps_async.epayment import PaymentEvent, PaymentEventName
from vipps_async.errors import ClaimHeld, ConfigurationError, DeliveryError, NotAnEvent, NotAuthentic
from vipps_async.webhooks._events import read_event
from vipps_async.webhooks._exchange import CLOSE, TOO_LARGE, IncomingRequest, Reply
from vipps_async.webhooks._router import H, Router
from vipps_async.webhooks._settings import check_limits, checked_secrets, checked_url
from vipps_async.webhooks._signature import verify
from vipps_async.webhooks._watch import Watchers
from vipps_async.webhooks.asgi_app import AsgiApp
from vipps_async.webhooks.stores.base import Claim, EventStore

if TYPE_CHECKING:
    from aiohttp import web

_logger = logging.getLogger("vipps_async.webhooks")

_REDELIVERY_WINDOW = timedelta(days=7)  # Webhooks API: deliveries are retried for up to 7 days
_CLOCK_LEEWAY = timedelta(minutes=5)
_BODY_LIMIT = 256 * 1024
_RETRY_SOON = {"Retry-After": "2"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _key_of(event: PaymentEvent) -> str:
    return event.dedup_key


class WebhookReceiver:
    """Receives events so that each takes effect once.

    Args:
        url: the URL that was registered, exactly: deliveries are signed for its host and path, whatever a proxy makes
            of them. May be left out for unsigned deliveries.
        secrets: the secrets of the registrations of *url*; several while one replaces another.
        store: where events that took effect are remembered, such as `MemoryStore`.
        allow_unsigned: take deliveries without a signature, as the draft API sent them. Anybody who finds the URL can
            then send events: treat them as hints, and read the payment.
        max_age: how old a signed date may be; as long as Vipps MobilePay redelivers.
        leeway: how far in the future a signed date may lie.
        max_body: bytes that a body may have.
        key: what makes two deliveries the same event, `PaymentEvent.dedup_key`.
        clock: the present, aware.

    Raises:
        ConfigurationError: there is neither a secret nor *allow_unsigned*, or both, or the store forgets too early.

    ::

        @receiver.on(PaymentEventName.AUTHORIZED)
        async def ship(event: PaymentEvent) -> None: ...

    A handler with a second parameter is given the claim too, whose ``connection``, where the store has one, commits the
    handler's effect together with the mark that the event took effect.

    Handlers run in order of registration, one event of a reference at a time. A handler that raises gives the event
    back, and the redelivery runs all handlers of the event again.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        secrets: Iterable[str] = (),
        store: EventStore,
        allow_unsigned: bool = False,
        max_age: timedelta = _REDELIVERY_WINDOW,
        leeway: timedelta = _CLOCK_LEEWAY,
        max_body: int = _BODY_LIMIT,
        key: Callable[[PaymentEvent], str] = _key_of,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._secrets = checked_secrets(secrets, allow_unsigned=allow_unsigned)
        self._url = checked_url(url, is_needed=not allow_unsigned)
        self._takes_unsigned = allow_unsigned
        check_limits(store, max_age=max_age, leeway=leeway, max_body=max_body)
        self.max_body = max_body
        self._store = store
        self._window = (max_age, leeway)
        self._key = key
        self._clock = clock
        self._router = Router()
        self._in_hand: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watchers = Watchers()
        self._running: set[asyncio.Task[Reply]] = set()
        self._is_closing = False

    def on(self, *names: PaymentEventName | str) -> Callable[[H], H]:
        """Decorate an ``async def`` that takes the events of these names, where the operation succeeded.

        Args:
            names: `PaymentEventName` members, or their texts, the draft's included.

        Raises:
            ConfigurationError: no name is given, or one that no event has, or the function is not async.
        """
        if not names or not all(isinstance(name, str) for name in names):
            raise ConfigurationError("on() takes one or more event names; for every event there is on_all")
        return lambda handler: self._router.add(handler, *names)

    def on_failed(self, handler: H) -> H:
        """Decorate an ``async def`` that takes the events of operations that failed (``success`` is False).

        Raises:
            ConfigurationError: the function is not async.
        """
        return self._router.add_for_failed(handler)

    def on_all(self, handler: H) -> H:
        """Decorate an ``async def`` that takes every event, those of failed operations included.

        Raises:
            ConfigurationError: the function is not async.
        """
        return self._router.add_for_all(handler)

    def on_other(self, handler: H) -> H:
        """Decorate an ``async def`` that takes the events that no `on` and no `on_failed` takes.

        Raises:
            ConfigurationError: the function is not async.
        """
        return self._router.add_fallback(handler)

    def setup(self, app: "web.Application", path: str) -> None:
        """Route *path* of an aiohttp application here, and finish handlers when it shuts down.

        Args:
            app: the application, not yet started.
            path: where deliveries arrive, which behind a proxy need not be the registered URL's path.
        """
        from vipps_async.webhooks import aiohttp_app  # noqa: PLC0415 - aiohttp.web is slow to import; only servers need it

        aiohttp_app.setup(self, app, path)

    def aiohttp_app(self) -> "web.Application":
        """Return an aiohttp application for ``app.add_subapp(prefix, …)``; it takes ``POST`` below the prefix."""
        from vipps_async.webhooks import aiohttp_app  # noqa: PLC0415 - as above

        return aiohttp_app.make_app(self)

    def asgi_app(self) -> AsgiApp:
        """Return an ASGI application, to be served alone or mounted, that takes ``POST`` at every path.

        Mounted in Starlette or FastAPI, ``app.mount("/vipps", …)`` takes what is *below* ``/vipps``, and the lifespan
        of the application around it has to call `close`, since only an application served alone is told of shutdown.
        """
        return AsgiApp(self)

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to a delivery that need not be read, or ``None`` if its body is to be read.

        Args:
            method: the HTTP method.
            headers: names in lower case.
        """
        if self._is_closing:
            return Reply(503, _RETRY_SOON, b"shutting down")
        if method != "POST":
            return Reply(405, {"Allow": "POST"}, b"deliveries are posted")
        if headers.get("content-encoding", "identity").lower() != "identity":
            return Reply(415, CLOSE, b"deliveries are not compressed")
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > self.max_body:
            return TOO_LARGE
        return None

    async def handle(self, request: IncomingRequest) -> Reply:
        """Handle a delivery, and return what to answer; never raises for what arrives.

        Args:
            request: the delivery, its body raw.

        Returns:
            What to send: 200 handled, or handled before; 400 authentic but not an event; 401 not authentic; 405, 413,
            415 not a delivery at all; 500 a handler raised; 503 being handled elsewhere, or shutting down. Everything
            but 200 is redelivered.

        Cancelling this call, as servers do when a client hangs up, does not cancel the handlers.
        """
        refused = self.refusal(request.method, request.headers)
        if refused is not None:
            return refused
        if len(request.body) > self.max_body:
            return TOO_LARGE
        try:
            event = self._authentic_event(request)
        except DeliveryError as error:
            _logger.warning("refused a delivery to %s: %s", request.target, error)
            return Reply(_STATUS_OF[type(error)], body=type(error).__name__.encode())
        if event.name is not PaymentEventName.CREATED:
            self._watchers.notify(event.reference)
        return await self._take(event)

    def watch(self, reference: str) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the payment; `EPayment.wait` waits on it.

        It is set from the start for a payment that was heard of before. A creation decides nothing, and does not count.
        """
        return self._watchers.watch(reference)

    async def close(self) -> None:
        """Refuse what arrives from now on, so that it is redelivered, and wait for the handlers that run."""
        self._is_closing = True
        while self._running:
            await asyncio.wait(self._running)

    def _authentic_event(self, request: IncomingRequest) -> PaymentEvent:
        if not self._takes_unsigned:
            max_age, leeway = self._window
            verify(
                request.headers,
                request.body,
                secrets=self._secrets,
                url=self._url,
                now=self._clock(),
                max_age=max_age,
                leeway=leeway,
                target=request.target,
            )
        return read_event(request.body)

    async def _take(self, event: PaymentEvent) -> Reply:
        work = asyncio.create_task(self._work(event), name=f"vipps_async event {event.reference}")
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not work.cancelled() or (task is not None and task.cancelling()):
                raise  # the client hung up, or the server ends; otherwise the work goes on
            _logger.warning("a handler of event %s of payment %s was cancelled", event.name, event.reference)
            return Reply(500, body=b"not handled")

    async def _work(self, event: PaymentEvent) -> Reply:
        try:
            await self._handle_once(event, self._key(event))
        except ClaimHeld as error:
            return Reply(503, {"Retry-After": f"{error.retry_after:.0f}"}, b"being handled")
        except Exception:
            # Whatever a handler or a store raises, the event must come again.
            _logger.exception("event %s of payment %s is given back for redelivery", event.name, event.reference)
            return Reply(500, body=b"not handled")
        return Reply(200)

    async def _handle_once(self, event: PaymentEvent, key: str) -> None:
        if key in self._in_hand:
            raise ClaimHeld(key)
        self._in_hand.add(key)
        try:
            # The turn comes first: events that wait for it must not hold a connection of the store's meanwhile.
            async with self._turn(event.reference), self._store.claim(key) as claim:
                if not claim.is_duplicate:
                    await self._dispatch(event, claim)
        finally:
            self._in_hand.discard(key)

    async def _dispatch(self, event: PaymentEvent, claim: Claim) -> None:
        for route in self._router.routes_for(event.name, success=event.success):
            await (route.handler(event, claim) if route.takes_claim else route.handler(event))

    @asynccontextmanager
    async def _turn(self, reference: str) -> AsyncIterator[None]:
        # Held weakly, so that only references with an event under way have a lock.
        turn = self._turns.setdefault(reference, asyncio.Lock())
        async with turn:
            yield


_STATUS_OF: Mapping[type[DeliveryError], int] = {NotAuthentic: 401, NotAnEvent: 400}
