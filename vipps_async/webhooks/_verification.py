"""Checks a delivery before anything comes of it: its form, its size, its signature. Performs no I/O."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import attrs

from vipps_async._events import WebhookEvent
from vipps_async.webhooks._requests import IncomingRequest, Reply, refusal_by_form
from vipps_async.webhooks.signature import SignedUrl, verify

_logger = logging.getLogger("vipps_async.webhooks")


@attrs.frozen(kw_only=True)
class DeliveryVerifier:
    """Reads the events of authentic deliveries.

    Attributes:
        secrets: of the registrations; none where deliveries are not signed.
        url: what they are signed for.
        max_age: how old a signed date may be.
        leeway: how far in the future it may lie.
        max_body: bytes that a body may have.
        clock: the present, aware.
        read: reads a body that was verified.
    """

    secrets: tuple[str, ...] = attrs.field(repr=False)
    url: SignedUrl
    max_age: timedelta
    leeway: timedelta
    max_body: int
    clock: Callable[[], datetime]
    read: Callable[[bytes], WebhookEvent]
    _warnings: set[str] = attrs.field(init=False, factory=set, repr=False)

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to a delivery that need not be read, or ``None`` if its body is to be read."""
        return refusal_by_form(method, headers, max_body=self.max_body)

    def event_of(self, request: IncomingRequest) -> WebhookEvent:
        """Return the event that was delivered.

        Raises:
            NotAuthentic: the signature does not fit.
            NotAnEvent: it does, and the body is no event.
        """
        if self.secrets:
            damage = verify(
                request.headers,
                request.body,
                secrets=self.secrets,
                url=self.url,
                now=self.clock(),
                max_age=self.max_age,
                leeway=self.leeway,
                target=request.target,
            )
            self._warn_once(damage)
        return self.read(request.body)

    def _warn_once(self, damage: str) -> None:
        # Once, since a proxy does it to every delivery, and none is lost by it.
        if damage and damage not in self._warnings:
            self._warnings.add(damage)
            _logger.warning("a delivery is authentic, but %s", damage)
