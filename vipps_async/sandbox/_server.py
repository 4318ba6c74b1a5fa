"""`Sandbox`: a real local server that behaves like Vipps MobilePay, and the handles by which a test moves it."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self

from vipps_async._wire.durations import as_duration
from vipps_async._wire.secret import hides_arguments
from vipps_async.config import Credentials, Environment
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import _arguments
from vipps_async.sandbox._epayment.handle import EPaymentHandle
from vipps_async.sandbox._epayment.operations import EPaymentApi
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._fault_controls import FaultControls
from vipps_async.sandbox._pages.dashboard import Dashboard
from vipps_async.sandbox._pages.landing import LANDING, Landing
from vipps_async.sandbox._pages.qr_images import QR_IMAGES, QrImages
from vipps_async.sandbox._platform.api import ApiDefinition, Destination
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.problems import ProblemError
from vipps_async.sandbox._recurring.handle import RecurringHandle
from vipps_async.sandbox._recurring.operations import RecurringApi
from vipps_async.sandbox._state import APIS, new_state
from vipps_async.sandbox._web.api import ApiEndpoints
from vipps_async.sandbox._web.control import Control
from vipps_async.sandbox._web.http import problems_as_replies, refusing_other_sites
from vipps_async.sandbox._web.listener import Listener
from vipps_async.sandbox._webhooks.records import Delivery, RecordedRequest
from vipps_async.sandbox._webhooks.registrations import Registration

_TICK = 1.0  # seconds between looks for what fell due while nobody asked

_REDIRECTS = {
    Destination.LANDING_PAGE: f"{{public_url}}{LANDING}?token={{token}}",
    Destination.QR_IMAGE: f"{{public_url}}{QR_IMAGES}?token={{token}}",
    Destination.APP: "vippsMT://sandbox?token={token}",
}

_TEST_KEYS = {
    "client_id": "5a3cbd07-3b6d-4c0b-9f0e-6c1c7f4f2e10",
    "client_secret": "c2FuZGJveC1zZWNyZXQ=",
    "subscription_key": "3f9d2c41b87e4a06a5c01e92d7f4b863",
    "merchant_serial_number": "123456",
}


class Sandbox(FaultControls):
    """Vipps MobilePay's ePayment, Recurring, Userinfo, Webhooks and Access Token APIs on this machine.

    Everything is kept in memory, no money moves, and nothing leaves the machine but the deliveries to webhooks. Use it
    as an asynchronous context manager, or call `start` and `stop`. Any phone number is a customer's, but 4700000000.

    Args:
        host: the interface to listen on.
        port: 0 takes a free one.
        public_url: what browsers reach it by, if not by `base_url`: landing pages and QR codes lead there.
        ssl_context: a server's context, for a sandbox that serves https; by default it serves http.
        dialect: ``"current"``, or ``"draft"`` for the API as it was drafted in January 2022.
        credentials: the sales unit's keys; by default some that are well-formed and work nowhere else.
        copies: how often each event is delivered successfully; 2 shows what "at least once" means.
        retry_delays: seconds, or timedeltas, between attempts of a delivery, the last one repeated; by default the
            documented ones.
        token_lifetime: seconds, or a timedelta, that an access token is valid.
        currency: of the sales unit's market; by default it takes all three.
        denied: what the sales unit may not do, each a `Permission`, a `RecurringPermission` or its text; by default
            it may do everything, which one in production may not without approval.
        rate_limits: whether more than 5 writes, or 120 reads, of a kind for one reference within a minute of the
            sandbox's clock are answered with 429, as at Vipps MobilePay.
        seed: of the chance by which faults with a probability are injected, 0 to 4294967295: with the same one, into
            the same requests and deliveries. By default one that differs each time; see `seed`.
        strict: whether requests are held to the documents. By default it takes what clients in production send without
            being refused, such as unknown members, or null for absent, and notes that in the request's `notes`.
        apis: what it serves, `APIS` by default.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    @hides_arguments
    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        public_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        dialect: Literal["current", "draft"] = "current",
        credentials: Credentials | None = None,
        copies: int = 1,
        retry_delays: Sequence[float | timedelta] | None = None,
        token_lifetime: float | timedelta = 3599,
        currency: Literal["NOK", "DKK", "EUR"] | None = None,
        denied: Iterable[str] = (),
        rate_limits: bool = True,
        seed: int | None = None,
        strict: bool = False,
        apis: Sequence[ApiDefinition] = APIS,
    ) -> None:
        delays = _arguments.seconds_of(retry_delays)
        _arguments.check(
            credentials=credentials,
            public_url=public_url,
            dialect=dialect,
            copies=copies,
            retry_delays=delays,
            currency=currency,
            denied=denied,
        )
        self._state = new_state(
            apis=apis,
            dialect=dialect,
            credentials=credentials or Credentials(**_TEST_KEYS),
            currency=currency,
            denied=_arguments.denied_of(denied, apis),
            token_lifetime=_arguments.lifetime_of(token_lifetime),
            rate_limits=rate_limits,
            copies=copies,
            retry_delays=delays,
            seed=seed,
            strict=strict,
            base_url=lambda: self.base_url,
            redirect_url=lambda destination, token: _REDIRECTS[destination].format(
                public_url=(public_url or self.base_url).rstrip("/"), token=token
            ),
        )
        self._state.clock.on_move(self._state.expire_due)
        endpoints = (
            ApiEndpoints(self._state, lambda seconds: self._listener.refuse_connections(seconds)),  # noqa: PLW0108 - the listener is made of what these serve, and is not there yet
            *(served(self._state) for served in (Landing, QrImages, Control, Dashboard)),
        )
        self._listener = Listener(
            host=host,
            port=port,
            ssl_context=ssl_context,
            routes=[route for each in endpoints for route in each.routes()],
            middlewares=[problems_as_replies(self._state.gateway.problem_reply), refusing_other_sites(public_url)],
        )
        self._timekeeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start to listen.

        Raises:
            RuntimeError: it is running.
            OSError: the port is taken.
        """
        await self._listener.start()
        await self._state.deliveries.start()
        self._timekeeper = asyncio.create_task(self._keep_time())

    async def stop(self) -> None:
        """Stop to listen and end everything that is under way; stopping twice does no harm."""
        await self._listener.stop()
        await self._state.deliveries.stop()
        if self._timekeeper is not None:
            self._timekeeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._timekeeper
            self._timekeeper = None

    @property
    def base_url(self) -> str:
        """The server's address, such as ``http://127.0.0.1:54321``.

        Raises:
            RuntimeError: the sandbox was not started.
        """
        return self._listener.base_url

    @property
    def credentials(self) -> Credentials:
        """The keys that it accepts."""
        return self._state.credentials

    @property
    def environment(self) -> Environment:
        """The environment that a client needs to call it."""
        return Environment(self.base_url)

    @property
    def clock(self) -> Clock:
        """Its time: ``clock.now()``, and ``clock.advance(timedelta(…))``, which expires and retries what falls due."""
        return self._state.clock

    @property
    def epayment(self) -> EPaymentHandle:
        """The ePayment API's payments, and their users."""
        return EPaymentHandle(self._state.api(EPaymentApi), self._state.expire_due)

    @property
    def recurring(self) -> RecurringHandle:
        """The Recurring API's agreements and charges, and their users."""
        return RecurringHandle(self._state.api(RecurringApi), self._state.expire_due)

    @property
    def payments(self) -> Mapping[str, LedgerPayment]:
        """Every payment by its reference: ``epayment.payments``."""
        return self.epayment.payments

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest ten thousand attempts to deliver an event to a webhook, oldest first."""
        return self._state.deliveries.records

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest ten thousand API requests, fewer if they were large, oldest first."""
        return list(self._state.requests)

    async def approve(
        self, reference: str, *, shipping_option: str | None = None, address: Mapping[str, str] | None = None
    ) -> LedgerPayment:
        """Approve a payment as its user does in the app: ``epayment.approve``, which describes the arguments."""
        return await self.epayment.approve(reference, shipping_option=shipping_option, address=address)

    async def reject(self, reference: str) -> LedgerPayment:
        """Reject a payment as its user does in the app: ``epayment.reject``."""
        return await self.epayment.reject(reference)

    async def go_back(self, reference: str) -> LedgerPayment:
        """Go back from a payment's landing page as its user does in a browser: ``epayment.go_back``."""
        return await self.epayment.go_back(reference)

    async def expire(self, reference: str) -> LedgerPayment:
        """Let the time of one payment run out: ``epayment.expire``."""
        return await self.epayment.expire(reference)

    async def add_webhook(
        self, url: str, events: Iterable[str] | None = None, *, secret: str | None = None
    ) -> Registration:
        """Register a webhook as the merchant portal does.

        Args:
            url: https, or http within a private network.
            events: event types such as ``"epayments.payment.captured.v1"``; ``None``: all.
            secret: what deliveries are signed with; ``None``: they are not.

        Raises:
            ValueError: the URL or an event type cannot be registered.
        """
        try:
            return self._state.webhooks.registrations.add(url, events, secret=secret)
        except ProblemError as refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.problem.fields)
            raise ConfigurationError(f"the webhook cannot be registered: {reasons}") from refused

    async def settled(self, timeout: float | timedelta = 10.0) -> None:
        """Wait until every event has reached every webhook that is registered for it.

        Args:
            timeout: seconds, or a timedelta, of real time.

        Raises:
            TimeoutError: some had not; the message names them.
        """
        await self._state.deliveries.settled(as_duration(timeout).total_seconds())

    def save(self) -> dict[str, Any]:
        """Return what there is, ready for JSON: payments, used idempotency keys, webhooks with their secrets, the time.

        Not deliveries, requests, tokens, nor faults to come.
        """
        return self._state.save()

    def load(self, data: Mapping[str, Any]) -> None:
        """Remember what `save` returned, here or in another sandbox, beside what there is.

        The clock is then no earlier than it was, and what fell due meanwhile happens.

        Raises:
            RuntimeError: the sandbox was not started: its address is part of what users are sent to.
            ConfigurationError: nothing like that was saved, or a payment of that reference is there already.
        """
        self._state.restore(data)

    async def reset(self) -> None:
        """Forget payments, keys, webhooks, deliveries, requests, faults and tokens, and return to the real time."""
        await self._state.reset()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._state.expire_due()
