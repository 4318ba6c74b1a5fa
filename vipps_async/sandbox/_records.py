"""What the sandbox notes down about the requests that it receives. Performs no I/O."""

from datetime import datetime

import attrs

from vipps_async.sandbox._faults import Fault


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """An API request that was received.

    Attributes:
        received_at: by the sandbox's clock.
        method: the HTTP method.
        path: as it was sent.
        operation: ``"create"``, ``"capture"``, …
        idempotency_key: what its header said.
        body: the bytes.
        status: what was answered; ``None`` where the connection was cut before the answer was whole.
        took_effect: whether the operation was performed for this request; not for a repetition, nor a read.
        fault: what it suffered, if anything.
    """

    received_at: datetime
    method: str
    path: str
    operation: str
    idempotency_key: str | None
    body: bytes = attrs.field(repr=False)
    status: int | None
    took_effect: bool
    fault: Fault | None
