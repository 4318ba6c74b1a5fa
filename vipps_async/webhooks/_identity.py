"""Makes the texts by which stores tell a receiver's events from another's. Performs no I/O."""

from collections.abc import Callable

import attrs

from vipps_async._events import WebhookEvent, netstrings


@attrs.frozen(kw_only=True)
class Identity:
    """Gives a receiver's events the texts by which stores know them; those of two receivers never agree.

    Attributes:
        name: the receiver's.
        key_of: what makes two deliveries of one receiver the same event.
    """

    name: str
    key_of: Callable[[WebhookEvent], str]

    def key(self, event: WebhookEvent) -> str:
        """Return what *event* is claimed by."""
        return netstrings(self.name) + self.key_of(event)

    def subject(self, event: WebhookEvent) -> str:
        """Return what *event* is about, of its merchant: two merchants may each have a subject of that name."""
        return netstrings(self.name, event.msn or "", event.subject)
