"""WebhookReceiver: authenticate, claim, dispatch, answer. Knows no web framework."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from vipps_async._events import EventFamily, WebhookEvent
from vipps_async._loops.per_loop import PerLoop
from vipps_async._wire.secret import hides_arguments
from vipps_async.errors import (
    DeliveryError,
    NotAnEvent,
    NotAuthentic,
    WrongEventLoop,
    printable,
)
from vipps_async.webhooks._delivered import DeliveredEvent, probably_registration, webhook_id_of
from vipps_async.webhooks._dispatcher import Dispatcher
from vipps_async.webhooks._events import FAMILIES, read_event
from vipps_async.webhooks._identity import Identity
from vipps_async.webhooks._inbox import InboxWorkers
from vipps_async.webhooks._inbox_policy import InboxPolicy
from vipps_async.webhooks._observers import Notice, O, Observers, Stage
from vipps_async.webhooks._processor import EventProcessor
from vipps_async.webhooks._requests import SHUTTING_DOWN, TOO_LARGE, WRONG_LOOP, IncomingRequest, Reply
from vipps_async.webhooks._router import EventRouter
from vipps_async.webhooks._settings import (
    check_limits,
    checked_age,
    checked_inbox,
    checked_name,
    checked_secrets,
    checked_signal,
    checked_timeout,
    checked_url,
)
from vipps_async.webhooks._verification import DeliveryVerifier
from vipps_async.webhooks.asgi_app import AsgiApp
from vipps_async.webhooks.signals.base import Signal
from vipps_async.webhooks.signature import CLOCK_LEEWAY, REDELIVERY_WINDOW
from vipps_async.webhooks.stores.base import EventStore

if TYPE_CHECKING:
    from aiohttp import web

    from vipps_async.webhooks.wsgi_app import WsgiApp

_logger = logging.getLogger("vipps_async.webhooks")

_BODY_LIMIT = 256 * 1024
_HANDLER_TIMEOUT = timedelta(minutes=5)
_SHUTDOWN_TIMEOUT = timedelta(seconds=20)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _key_of(event: WebhookEvent) -> str:
    return event.dedup_key


class WebhookReceiver(EventRouter):
    """Receives events so that each takes effect once; an `EventRouter` whose handlers it runs.

    Args:
        url: the URL that was registered, exactly: deliveries are signed for its host and path, whatever a proxy makes
            of them. May be left out for unsigned deliveries.
        secrets: the secrets of the registrations of *url*; several while one replaces another.
        store: where events that took effect are remembered, such as `MemoryStore`.
        allow_unsigned: take deliveries without a signature, as the draft API sent them. Anybody who finds the URL can
            then send events: treat them as hints, and read the payment.
        max_age: seconds, or a timedelta, that a signed date may be old; as long as Vipps MobilePay redelivers.
        leeway: seconds, or a timedelta, that a signed date may lie in the future.
        max_body: bytes that a body may have.
        key: what makes two deliveries the same event, by default its ``dedup_key``.
        name: whose marks and events are this receiver's in a store that several receivers share; the same in all
            processes of one receiver, 1 to 200 printable characters. By default the host and the path of *url*: before
            you change that, set the old one as the name, so that what is remembered stays known.
        inbox: answer as soon as the store holds the event, and handle it afterwards, as the policy says. Without it the
            answer waits for the handlers, and Vipps MobilePay repeats what fails.
        signal: carries the news of events to other processes, such as a `PostgresSignal` or `RedisSignal`, so that an
            `EPayment.wait` anywhere ends with an event that arrived here. Without it those in this process do.
        handler_timeout: seconds, or a timedelta, that a handler may take. Then it is cancelled, and its event is given
            back, so that other events go on. A handler that does not even end when it is cancelled is left behind.
        shutdown_timeout: seconds, or a timedelta, that `close` waits for the deliveries that are being answered.
        families: whose events are read as their own classes, `FAMILIES` by default; all others are `UnknownEvent`.
        clock: the present, aware.

    Raises:
        ConfigurationError: there is neither a secret nor *allow_unsigned*, or both, or the store forgets too early, or
            cannot hold events for an *inbox*.

    ::

        @receiver.on(PaymentEventName.AUTHORIZED)
        async def ship(event: PaymentEvent) -> None: ...

    A handler with a second parameter is given the claim too, whose ``connection``, where the store has one, commits the
    handler's effect together with the mark that the event took effect.

    Handlers run in order of registration, one event of a subject, such as a payment, at a time. A handler that raises
    gives the event back, and the redelivery runs all handlers of the event again.
    """

    @hides_arguments
    def __init__(
        self,
        *,
        url: str | None = None,
        secrets: Iterable[str] = (),
        store: EventStore,
        allow_unsigned: bool = False,
        max_age: float | timedelta = REDELIVERY_WINDOW,
        leeway: float | timedelta = CLOCK_LEEWAY,
        max_body: int = _BODY_LIMIT,
        key: Callable[[WebhookEvent], str] = _key_of,
        name: str | None = None,
        inbox: InboxPolicy | None = None,
        signal: Signal | None = None,
        handler_timeout: float | timedelta = _HANDLER_TIMEOUT,
        shutdown_timeout: float | timedelta = _SHUTDOWN_TIMEOUT,
        families: Iterable[EventFamily[Any]] = FAMILIES,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        super().__init__(families)
        oldest, ahead = checked_age("max_age", max_age), checked_age("leeway", leeway)
        check_limits(store, max_age=oldest, leeway=ahead, max_body=max_body)
        signed_url = checked_url(url, is_needed=not allow_unsigned)
        self._path = signed_url.path_and_query.partition("?")[0] or None
        self._read = partial(read_event, families=self._families)
        self._undecisive = frozenset[str]().union(*(family.undecisive for family in self._families))
        self._identity = Identity(name=checked_name(name, signed_url), key_of=key)
        self._verifier = DeliveryVerifier(
            secrets=checked_secrets(secrets, allow_unsigned=allow_unsigned),
            url=signed_url,
            max_age=oldest,
            leeway=ahead,
            max_body=max_body,
            clock=clock,
            read=self._read,
        )
        self._observers = Observers()
        self._store = store
        self._policy = inbox
        self._inbox = None if inbox is None else checked_inbox(store, inbox)
        self._signal = checked_signal(signal)
        self._handler_timeout = checked_timeout("handler_timeout", handler_timeout)
        self._shutdown_timeout = checked_timeout("shutdown_timeout", shutdown_timeout)
        self._processor = PerLoop(self._new_processor, owner=f"the receiver {self.name}")

    @property
    def name(self) -> str:
        """The receiver's name, by which its marks and events are known in a store that several share."""
        return self._identity.name

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        return self._verifier.max_body

    @property
    def path(self) -> str | None:
        """The registered URL's path, as deliveries are signed for; ``None`` without a URL."""
        return self._path

    @property
    def counts(self) -> Mapping[Stage, int]:
        """The number of times that each `Stage` was reached since the receiver was made, for metrics."""
        return self._observers.counts

    def observe(self, observer: O) -> O:
        """Decorate a plain function that is notified of everything that happens: a `Notice` for each `Stage`.

        It runs between deliveries, so it has to return at once; what it raises is logged, and changes nothing.

        Raises:
            ConfigurationError: the function is async, and would never run.
        """
        return self._observers.add(observer)

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

        Raises:
            WrongEventLoop: another event loop has this receiver.
        """
        self._processor.get().start()

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to a delivery that need not be read, or ``None`` if its body is to be read.

        Args:
            method: the HTTP method.
            headers: names in lower case.
        """
        processor = self._processor.peek()
        is_closing = processor is not None and processor.is_closing
        refused = SHUTTING_DOWN if is_closing else self._verifier.refusal(method, headers)
        return refused and self._refuse(refused, headers)

    def refuse(self, reply: Reply) -> Reply:
        """Take note that a delivery is answered with *reply* before it was handled, and return that."""
        return self._refuse(reply, {})

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
            return self._refuse(TOO_LARGE, request.headers)
        try:
            event = self._verifier.event_of(request)
        except DeliveryError as error:
            self._log_refusal(request, error)
            return self._refuse(Reply(_STATUS_OF[type(error)], body=type(error).__name__.encode()), request.headers)
        delivered = DeliveredEvent(event, self.name, webhook_id_of(request.headers))
        try:
            processor = self._processor.get()
        except WrongEventLoop as error:
            _logger.error("%s is given back for redelivery: %s", delivered, error, extra=delivered.fields)  # noqa: TRY400 - where it was raised tells nothing
            return self._refuse(WRONG_LOOP, request.headers)
        self._observers.tell_of(delivered, Stage.RECEIVED)
        return await processor.answer(delivered, request.body)

    def watch(self, subject: str, *, msn: str | None = None) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the subject; `EPayment.wait` waits on it.

        It is set from the start for a subject of which an event came before. What decides nothing, such as a creation,
        does not count.

        Args:
            subject: such as a payment's reference.
            msn: its merchant serial number; without one, that subject of all merchants. Events that tell none, as the
                draft API's, count for all.

        Raises:
            WrongEventLoop: another event loop has this receiver.
        """
        return self._processor.get().watch(subject, msn)

    async def close(self) -> None:
        """Refuse what arrives from now on, so that it is redelivered, and wait for the handlers that run.

        They are waited for within *shutdown_timeout*, and those of events out of the inbox within its policy's; then
        they are cancelled, named in the log, and their events are given back.

        Raises:
            WrongEventLoop: another event loop has this receiver.
        """
        await self._processor.get().close()

    def _new_processor(self) -> EventProcessor:
        dispatcher = Dispatcher(
            self._store,
            handlers_of=self.handlers_of,
            identity=self._identity,
            handler_timeout=self._handler_timeout,
        )
        return EventProcessor(
            dispatcher,
            workers=self._new_workers(dispatcher),
            observers=self._observers,
            signal=self._signal,
            undecisive=self._undecisive,
            shutdown_timeout=self._shutdown_timeout,
        )

    def _new_workers(self, dispatcher: Dispatcher) -> InboxWorkers | None:
        if self._inbox is None or self._policy is None:
            return None
        return InboxWorkers(
            self._inbox,
            policy=self._policy,
            dispatcher=dispatcher,
            observers=self._observers,
            identity=self._identity,
            read=self._read,
        )

    def _refuse(self, reply: Reply, headers: Mapping[str, str]) -> Reply:
        self._observers.tell(Notice(stage=Stage.REFUSED, reason=reply.body.decode(), webhook_id=webhook_id_of(headers)))
        return reply

    def _log_refusal(self, request: IncomingRequest, error: DeliveryError) -> None:
        webhook_id = webhook_id_of(request.headers)
        fields = {"receiver": self.name, "webhook_id": webhook_id}
        target, reason = printable(request.target, 200), printable(str(error), 1000)
        if webhook_id is not None:
            reason = f"{reason} ({probably_registration(webhook_id)})"
        _logger.warning("refused a delivery to %s: %s", target, reason, extra=fields)


_STATUS_OF: Mapping[type[DeliveryError], int] = {NotAuthentic: 401, NotAnEvent: 400}
