"""An event on its way to one webhook, as a value. Performs no I/O."""

import attrs

from vipps_async.sandbox._faults.faults import PASSAGES, DeliveryFault, Passage
from vipps_async.sandbox._faults.orders import Order
from vipps_async.sandbox._ledger.payments import LedgerEvent
from vipps_async.sandbox._webhooks.registrations import Registration

Lane = tuple[str, str, int]


@attrs.frozen(eq=False)
class Parcel:
    """An event for one webhook.

    Attributes:
        registration: the webhook.
        event: what happened.
        body: the bytes to send.
        order: the fault that it suffers, if any.
        repeats: the attempt that it repeats, asked for by hand; 0 if it repeats none.
    """

    registration: Registration
    event: LedgerEvent
    body: bytes = attrs.field(repr=False)
    order: Order | None = None
    repeats: int = 0

    @property
    def fault(self) -> DeliveryFault | None:
        """What it suffers."""
        return DeliveryFault(self.order.fault) if self.order else None

    @property
    def passage(self) -> Passage:
        """The course that it takes."""
        return PASSAGES[self.fault] if self.fault else Passage()

    @property
    def lane(self) -> Lane:
        """Where it waits for its turn: parcels of one lane are delivered one after the other."""
        # What is asked for by hand does not wait for another try of what went before it.
        return self.registration.id, self.event.reference, id(self) if self.passage.goes_alone else self.repeats

    def is_overtaken_by(self, other: "Parcel") -> bool:
        """Whether it is to wait for a later event of the payment, and *other* carries one."""
        return (
            self.passage.goes_alone
            and (self.registration.id, self.event.reference) == (other.registration.id, other.event.reference)
            and self.event.timestamp <= other.event.timestamp
            and self.event is not other.event
        )

    def __str__(self) -> str:
        # Without the query, which may hold a key: this is what is logged.
        return f"{self.event.name} of {self.event.reference} to {self.registration.url.partition('?')[0]}"
