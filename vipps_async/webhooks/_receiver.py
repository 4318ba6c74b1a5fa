"""WebhookReceiver: authenticate, claim, dispatch, answer. Knows no web framework."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from vipps_async.epayment import PaymentEvent, PaymentEventName
from vipps_async.errors import ClaimHeld, ConfigurationError, DeliveryError, NotAnEvent, NotAuthentic
from vipps_async.webhooks._background import Background, end_of
from vipps_async.webhooks._dispatcher import Dispatcher
from vipps_async.webhooks._exchange import TOO_LARGE, IncomingRequest, Reply
from vipps_async.webhooks._gate import Gate
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._inbox import InboxWorkers
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks._notices import Notices, O, Stage
from vipps_async.webhooks._router import H, Router
from vipps_async.webhooks._settings import (
    check_limits,
    checked_inbox,
    checked_name,
    checked_secrets,
    checked_signal,
    checked_url,
)
from vipps_async.webhooks._watch import Watchers
from vipps_async.webhooks.asgi_app import AsgiApp
from vipps_async.webhooks.signals.base import Signal
from vipps_async.webhooks.stores.base import EventStore

if TYPE_CHECKING:
    from aiohttp import web

    from vipps_async.webhooks.wsgi_app import WsgiApp

_logger = logging.getLogger("vipps_async.webhooks")

REDELIVERY_WINDOW = timedelta(days=7)  # Webhooks API: deliveries are retried for up to 7 days
CLOCK_LEEWAY = timedelta(minutes=5)
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
        name: whose marks and events are this receiver's in a store that several receivers share; the same in all
            processes of one receiver, 1 to 200 printable characters. By default the host and the path of *url*: before
            you change that, set the old one as the name, so that what is remembered stays known.
        inbox: answer as soon as the store holds the event, and handle it afterwards, as the policy says. Without it the
            answer waits for the handlers, and Vipps MobilePay repeats what fails.
        signal: carries the news of events to other processes, such as a `PostgresSignal` or `RedisSignal`, so that an
            `EPayment.wait` anywhere ends with an event that arrived here. Without it those in this process do.
        clock: the present, aware.

    Raises:
        ConfigurationError: there is neither a secret nor *allow_unsigned*, or both, or the store forgets too early, or
            cannot hold events for an *inbox*.

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
        max_age: timedelta = REDELIVERY_WINDOW,
        leeway: timedelta = CLOCK_LEEWAY,
        max_body: int = _BODY_LIMIT,
        key: Callable[[PaymentEvent], str] = _key_of,
        name: str | None = None,
        inbox: InboxPolicy | None = None,
        signal: Signal | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        check_limits(store, max_age=max_age, leeway=leeway, max_body=max_body)
        signed_url = checked_url(url, is_needed=not allow_unsigned)
        self._identity = Identity(name=checked_name(name, signed_url), key_of=key)
        self._gate = Gate(
            secrets=checked_secrets(secrets, allow_unsigned=allow_unsigned),
            url=signed_url,
            max_age=max_age,
            leeway=leeway,
            max_body=max_body,
            clock=clock,
        )
        self._router = Router()
        self._notices = Notices()
        self._dispatcher = Dispatcher(store, self._router, self._notices, self._identity)
        self._workers: InboxWorkers | None = None
        if inbox is not None:
            self._workers = InboxWorkers(
                checked_inbox(store, inbox), inbox, self._dispatcher, self._notices, self._identity
            )
        self._watchers = Watchers()
        self._signal = checked_signal(signal)
        self._background = Background()
        self._is_closing = False

    @property
    def name(self) -> str:
        """Whose marks and events are this receiver's in a store that several share."""
        return self._identity.name

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        return self._gate.max_body

    @property
    def counts(self) -> Mapping[Stage, int]:
        """How often each `Stage` was reached since the receiver was made, for whatever collects metrics."""
        return self._notices.counts

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

    def observe(self, observer: O) -> O:
        """Decorate a plain function that is told of everything that happens: a `Notice` for each `Stage`.

        It runs between deliveries, so it has to return at once; what it raises is logged, and changes nothing.

        Raises:
            ConfigurationError: the function is async, and would never run.
        """
        return self._notices.add(observer)

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
        """Return an ASGI application that takes ``POST`` at every path: served alone, routed to, or mounted.

        In Starlette and FastAPI, route the registered path to it:
        ``app.routes.append(Route("/vipps/events", receiver.asgi_app()))``. ``app.mount("/vipps", receiver.asgi_app())``
        takes what is *below* ``/vipps``. Do not mount it at ``/vipps/events`` itself: these frameworks answer the exact
        path of a mount with a redirect, which Vipps MobilePay does not follow.

        The lifespan of the application around it has to be ``async with receiver:``, since only an application served
        alone is told of startup and shutdown.
        """
        return AsgiApp(self)

    def wsgi_app(self) -> "WsgiApp":
        """Return a WSGI application that takes ``POST`` at every path, for Flask, Django and threaded servers.

        The receiver, its store and its handlers run in one event loop, in a thread that belongs to the application.
        Call this once for a receiver. In a view, pass the parts of the request to ``handle`` of what is returned.
        """
        from vipps_async.webhooks.wsgi_app import WsgiApp  # noqa: PLC0415 - threads are for those who have no loop

        return WsgiApp(self)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to handle what the inbox holds, in a running event loop; `setup` and the adapters do it at startup.

        Without an inbox there is nothing to begin.
        """
        if self._workers:
            self._workers.start()

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to a delivery that need not be read, or ``None`` if its body is to be read.

        Args:
            method: the HTTP method.
            headers: names in lower case.
        """
        if self._is_closing:
            return Reply(503, _RETRY_SOON, b"shutting down")
        refused = self._gate.refusal(method, headers)
        return refused and self.refuse(refused)

    def refuse(self, reply: Reply) -> Reply:
        """Take note that a delivery is answered with *reply* before it was handled, and return that."""
        self._notices.tell(Stage.REFUSED, reason=reply.body.decode())
        return reply

    async def handle(self, request: IncomingRequest) -> Reply:
        """Handle a delivery, and return what to answer; never raises for what arrives.

        Args:
            request: the delivery, its body raw.

        Returns:
            What to send: 200 handled, or handled before, or held in the inbox; 400 authentic but not an event; 401 not
            authentic; 405, 413, 415 not a delivery at all; 500 a handler or the store raised; 503 being handled
            elsewhere, or shutting down. Everything but 200 is redelivered.

        Cancelling this call, as servers do when a client hangs up, does not cancel the handlers.
        """
        refused = self.refusal(request.method, request.headers)
        if refused is not None:
            return refused
        if len(request.body) > self.max_body:
            return self.refuse(TOO_LARGE)
        try:
            event = self._gate.event_of(request)
        except DeliveryError as error:
            _logger.warning("refused a delivery to %s: %s", request.target, error)
            return self.refuse(Reply(_STATUS_OF[type(error)], body=type(error).__name__.encode()))
        self._notices.tell(Stage.RECEIVED, event=event)
        if event.name is not PaymentEventName.CREATED:
            self._announce(event.reference)
        return await self._to_its_end(event, request.body)

    def watch(self, reference: str) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the payment; `EPayment.wait` waits on it.

        It is set from the start for a payment that was heard of before. A creation decides nothing, and does not count.
        """
        return (self._signal or self._watchers).watch(reference)

    async def close(self) -> None:
        """Refuse what arrives from now on, so that it is redelivered, and wait for the handlers that run.

        With an inbox they are waited for as long as its policy says, and then cancelled; their events are handed back.
        """
        self._is_closing = True
        await self._background.ended()
        if self._workers:
            await self._workers.close()

    def _announce(self, reference: str) -> None:
        if self._signal is None:
            self._watchers.notify(reference)
        else:
            # In the background, so that it does not delay the answer.
            self._background.run(self._signal.announce(reference), name=f"vipps_async announcement {reference}")

    async def _to_its_end(self, event: PaymentEvent, body: bytes) -> Reply:
        task = self._background.run(self._answered(event, body), name=f"vipps_async event {event.reference}")
        await end_of(task)  # which is not its own, if the client hangs up or the server ends: then the work goes on
        if task.cancelled():
            _logger.warning("a handler of event %s of payment %s was cancelled", event.name, event.reference)
            return Reply(500, body=b"not handled")
        return task.result()

    async def _answered(self, event: PaymentEvent, body: bytes) -> Reply:
        try:
            await (self._workers.hold(event, body) if self._workers else self._dispatcher.handle_once(event))
        except ClaimHeld as error:
            return Reply(503, {"Retry-After": f"{error.retry_after:.0f}"}, b"being handled")
        except Exception:
            # Whatever a handler or a store raises, the event must come again.
            _logger.exception("event %s of payment %s is given back for redelivery", event.name, event.reference)
            return Reply(500, body=b"not handled")
        return Reply(200)


_STATUS_OF: Mapping[type[DeliveryError], int] = {NotAuthentic: 401, NotAnEvent: 400}
