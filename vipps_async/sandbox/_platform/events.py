"""An event that is to be delivered, as a value of which the delivery knows no more than it needs. Performs no I/O."""

from collections.abc import Callable
from datetime import datetime

import attrs


@attrs.frozen(kw_only=True, eq=False)
class SandboxEvent:
    """Something that happened at an API.

    Attributes:
        type: the event type; ``None`` for what cannot be registered for, and reaches who asked for everything.
        name: the short name, or the type where there is none.
        reference: what it is about; events of one reference are delivered in order.
        id: its own.
        amount: what it is about, in minor units, if anything.
        occurred_at: by the sandbox's clock.
        render: returns the document that is delivered, which is made only if somebody is to have it.
    """

    type: str | None
    name: str
    reference: str
    id: str
    amount: int | None
    occurred_at: datetime
    render: Callable[[], bytes] = attrs.field(repr=False)
