"""An event on its way to one webhook, as a value. Performs no I/O."""

import attrs

from vipps_async.sandbox._epayment.payments import LedgerEvent
from vipps_async.sandbox._faults.faults import DELIVERY_EFFECTS, DeliveryFault, DeliveryFaultEffect
from vipps_async.sandbox._faults.rules import FaultRule
from vipps_async.sandbox._webhooks.registrations import Registration

QueueKey = tuple[str, str, int]


@attrs.frozen(eq=False)
class OutgoingDelivery:
    """An event for one webhook.

    Attributes:
        registration: the webhook.
        event: what happened.
        body: the bytes to send.
        rule: the fault that it suffers, if any.
        repeats: the attempt that it repeats, asked for by hand; 0 if it repeats none.
    """

    registration: Registration
    event: LedgerEvent
    body: bytes = attrs.field(repr=False)
    rule: FaultRule | None = None
    repeats: int = 0

    @property
    def fault(self) -> DeliveryFault | None:
        """What it suffers."""
        return DeliveryFault(self.rule.fault) if self.rule else None

    @property
    def effect(self) -> DeliveryFaultEffect:
        """The effect that it takes."""
        return DELIVERY_EFFECTS[self.fault] if self.fault else DeliveryFaultEffect()

    @property
    def queue_key(self) -> QueueKey:
        """Where it waits for its turn: deliveries_ of one queue_key are delivered one after the other."""
        # What is asked for by hand does not wait for another try of what went before it.
        return self.registration.id, self.event.reference, id(self) if self.effect.goes_alone else self.repeats

    def is_overtaken_by(self, other: "OutgoingDelivery") -> bool:
        """Whether it is to wait for a later event of the payment, and *other* carries one."""
        return (
            self.effect.goes_alone
            and (self.registration.id, self.event.reference) == (other.registration.id, other.event.reference)
            and self.event.timestamp <= other.event.timestamp
            and self.event is not other.event
        )

    def __str__(self) -> str:
        # Without the query, which may hold a key: this is what is logged.
        return f"{self.event.name} of {self.event.reference} to {self.registration.url.partition('?')[0]}"
