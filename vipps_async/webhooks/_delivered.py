"""An event as a receiver has it: with whose it is, and which registration it probably came by. Performs no I/O."""

from collections.abc import Mapping

import attrs

from vipps_async._events import WebhookEvent
from vipps_async.errors import printable

_SHOWN, _KEY_SHOWN = 200, 300  # characters of a text from outside


@attrs.frozen
class DeliveredEvent:
    """An event on its way through a receiver, and what log lines and observers say of it.

    Attributes:
        event: the event.
        receiver: the receiver's name.
        webhook_id: the delivery's ``Webhook-Id``, where it had one: probably the registration. Nothing depends on it.
        attempt: which attempt it is, of an event out of the inbox.
    """

    event: WebhookEvent
    receiver: str
    webhook_id: str | None = None
    attempt: int = 1

    def __str__(self) -> str:
        fields = self.fields
        said = f"event {fields['event'] or 'of an unknown type'} of {fields['subject']}"
        details = [f"receiver {fields['receiver']}", f"key {fields['key']}"]
        if self.event.msn is not None:
            details.insert(0, f"merchant {fields['msn']}")
        if self.webhook_id is not None:
            details.insert(-1, probably_registration(self.webhook_id))
        return f"{said} ({', '.join(details)})"

    @property
    def fields(self) -> Mapping[str, str | None]:
        """The fields of a structured log's line, for ``extra=``."""
        texts = {
            "event": self.event.type,
            "subject": self.event.subject,
            "msn": self.event.msn,
            "receiver": self.receiver,
            "webhook_id": self.webhook_id,
        }
        shown = {name: text and printable(text, _SHOWN) for name, text in texts.items()}
        return {**shown, "key": printable(self.event.dedup_key, _KEY_SHOWN)}


def webhook_id_of(headers: Mapping[str, str]) -> str | None:
    """Return what a delivery's headers, with names in lower case, say of its registration; printable."""
    given = headers.get("webhook-id")
    return given and printable(given, _SHOWN)


def probably_registration(webhook_id: str) -> str:
    """Return how a log line names a registration."""
    return f"probably the registration {webhook_id}"
