"""What is delivered to a webhook, and the record of each attempt, as values. Performs no I/O."""

from datetime import datetime, timedelta

import attrs

from vipps_async.errors import VippsError
from vipps_async.sandbox._fault_orders import Order
from vipps_async.sandbox._faults import PASSAGES, DeliveryFault, Passage
from vipps_async.sandbox._lifecycle import EventName
from vipps_async.sandbox._payments import LedgerEvent
from vipps_async.sandbox._registrations import Registration

Lane = tuple[str, str, str]


class UnknownDelivery(VippsError, LookupError):
    """The sandbox has no record of this delivery, or the webhook that it went to was deleted."""

    def __init__(self, identifier: int) -> None:
        super().__init__(f"the sandbox has no delivery {identifier} to a webhook that is still registered")


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt to deliver an event.

    Attributes:
        id: of the attempt.
        registration_id: the webhook's.
        url: where it went.
        event: what happened.
        reference: to which payment.
        psp_reference: of the event.
        attempt: 1 for the first try.
        copy: 1 for the first successful delivery of the event, 2 for the duplicate that may follow.
        fault: what the delivery of the event suffered, if anything.
        status: what the webhook answered, ``None`` if it did not.
        error: why it did not.
        started_at: by the sandbox's clock.
        duration: in real time.
        request_headers: what was sent.
        request_body: what was sent.
        response_body: the beginning of the answer.
    """

    id: int
    registration_id: str
    url: str
    event: EventName
    reference: str
    psp_reference: str
    attempt: int
    copy: int
    fault: DeliveryFault | None
    status: int | None
    error: str | None
    started_at: datetime
    duration: timedelta
    request_headers: dict[str, str] = attrs.field(repr=False)
    request_body: bytes = attrs.field(repr=False)
    response_body: bytes = attrs.field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the webhook took it: any 2xx."""
        return self.status is not None and self.status // 100 == 2


@attrs.frozen(eq=False)
class Parcel:
    """An event on its way to one webhook.

    Attributes:
        registration: the webhook.
        event: what happened.
        body: the bytes to send.
        order: the fault that it suffers, if any.
    """

    registration: Registration
    event: LedgerEvent
    body: bytes = attrs.field(repr=False)
    order: Order | None = None

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
        """What it waits for its turn in: parcels of one lane are delivered one after the other."""
        alone = str(id(self)) if self.passage.goes_alone else ""
        return self.registration.id, self.event.reference, alone

    def __str__(self) -> str:
        return f"{self.event.name} of {self.event.reference} to {self.registration.url}"
