"""Makes the texts by which stores know a receiver's events, and tell them from another's. Performs no I/O."""

from collections.abc import Callable

import attrs

from vipps_async._events import netstrings
from vipps_async.epayment import PaymentEvent


@attrs.frozen(kw_only=True)
class Identity:
    """Gives a receiver's events the texts by which stores know them; those of two receivers never agree.

    Attributes:
        name: the receiver's.
        key_of: what makes two deliveries of one receiver the same event.
    """

    name: str
    key_of: Callable[[PaymentEvent], str]

    def key(self, event: PaymentEvent) -> str:
        """Return what *event* is claimed by."""
        return netstrings(self.name) + self.key_of(event)

    def subject(self, event: PaymentEvent) -> str:
        """Return what *event* is about: a payment, which a reference names for one merchant only."""
        return netstrings(self.name, event.msn or "", event.reference)
