"""Knows which events are delivered to which webhooks. Performs no I/O.

Source: Webhooks API, registration and event types.
"""

import secrets
import uuid
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import attrs

from vipps_async._wire.secret import Secret
from vipps_async._wire.urls import is_called
from vipps_async.sandbox._platform.problems import invalid

LIMIT = 25  # webhooks of a type
_SECRET_BYTES = 64  # 88 characters of Base64


def _secret(value: str | None) -> Secret | None:
    return None if value is None else Secret(value)


@attrs.frozen(kw_only=True)
class Registration:
    """A webhook.

    Attributes:
        id: UUID.
        url: where deliveries go.
        events: the event types that are delivered to it; ``None``: all.
        secret: what deliveries are signed with; ``None``: they are not.
    """

    id: str
    url: str
    events: tuple[str, ...] | None
    secret: Secret | None = attrs.field(default=None, converter=_secret, repr=False)

    def subscribes_to(self, event_type: str | None) -> bool:
        """Whether events of a type are delivered to it; ``None`` is what cannot be registered for."""
        return self.events is None or event_type in self.events


class Registrations:
    """The webhooks of the sales unit.

    Args:
        types: the event types that can be registered, each with how many webhooks it may have.
        remove_after: how long a webhook may fail before it is removed; ``None``: forever.
    """

    def __init__(self, *, types: Mapping[str, int], remove_after: timedelta | None) -> None:
        self._types = types
        self._remove_after = remove_after
        self._by_id: dict[str, Registration] = {}
        self._failing_since: dict[str, datetime] = {}

    def register(self, url: str, events: Iterable[str]) -> Registration:
        """Register through the API: with a fresh secret, within the limits.

        Raises:
            ProblemError: the URL, an event type or the number of registrations is not allowed.
        """
        wanted = tuple(dict.fromkeys(events))
        full = [event for event in wanted if event in self._types and self._count(event) >= self._types[event]]
        if full:
            raise invalid(("events", f"{event} has its {self._types[event]} webhooks.") for event in full)
        return self.add(url, wanted, secret=b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())

    def add(self, url: str, events: Iterable[str] | None, *, secret: str | None) -> Registration:
        """Register as the merchant portal does: any number, unsigned without a secret.

        Raises:
            ProblemError: the URL or an event type is not allowed.
        """
        wanted = None if events is None else tuple(events)
        unknown = [event for event in wanted or () if event not in self._types]
        if not is_called(url):
            raise invalid(
                [("url", "The url must use https on port 443, 80 or 8080, or stay within a private network.")]
            )
        if unknown or wanted == ():
            raise invalid(("events", f"{event} is no event type.") for event in unknown or ["An empty list"])
        registration = Registration(id=str(uuid.uuid4()), url=url, events=wanted, secret=secret)
        self._by_id[registration.id] = registration
        return registration

    def note_answer(self, identifier: str, *, arrived: bool, now: datetime) -> bool:
        """Note whether a delivery *arrived*; return whether the webhook was removed, since none has for too long."""
        if arrived:
            self._failing_since.pop(identifier, None)
            return False
        since = self._failing_since.setdefault(identifier, now)
        return self._remove_after is not None and now - since >= self._remove_after and self.remove(identifier)

    def remove(self, identifier: str) -> bool:
        """Forget a webhook; return whether there was one."""
        self._failing_since.pop(identifier, None)
        return self._by_id.pop(identifier, None) is not None

    def all(self) -> tuple[Registration, ...]:
        """Return every webhook, oldest first."""
        return tuple(self._by_id.values())

    def subscribed_to(self, event_type: str | None) -> tuple[Registration, ...]:
        """Return the webhooks that events of a type are delivered to."""
        return tuple(registration for registration in self._by_id.values() if registration.subscribes_to(event_type))

    def restore(self, registrations: Iterable[Registration]) -> None:
        """Register webhooks as they were saved, with their ids and secrets."""
        self._by_id |= {registration.id: registration for registration in registrations}

    def clear(self) -> None:
        """Forget every webhook."""
        self._by_id.clear()
        self._failing_since.clear()

    def _count(self, event: str) -> int:
        return sum(event in (registration.events or ()) for registration in self._by_id.values())
