"""Records of the requests that the sandbox receives and of the deliveries that it makes. Performs no I/O."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs

from vipps_async.errors import VippsError
from vipps_async.sandbox._faults.faults import AnyFault, DeliveryFault

_REQUESTS = 10_000
_BYTES = 64 * 1024 * 1024  # of their bodies


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """An API request that was received.

    Attributes:
        id: of the request, counted from 1.
        received_at: by the sandbox's clock.
        method: the HTTP method.
        path: as it was sent.
        operation: its qualified name, such as ``"accesstoken.issue-token"``.
        reference: what it was about; an empty text where it was about nothing.
        idempotency_key: what its header said.
        body: the bytes.
        status: what was answered; ``None`` where the connection was cut before the answer was whole.
        took_effect: whether the operation was performed for this request; not for a repetition, nor a read.
        fault: what was injected, if anything: a fault, or the code of an error.
        response_body: the beginning of the answer; empty where that holds a secret.
        notes: what was ignored or amended, which a strict sandbox refuses, and what would not work elsewhere.
    """

    id: int
    received_at: datetime
    method: str
    path: str
    operation: str
    reference: str
    idempotency_key: str | None
    body: bytes = attrs.field(repr=False)
    status: int | None
    took_effect: bool
    fault: AnyFault | None
    response_body: bytes = attrs.field(default=b"", repr=False)
    notes: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        """Whether it was answered with a 2xx, as a whole."""
        return self.status is not None and self.status // 100 == 2

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "id": self.id,
            "receivedAt": _text_of(self.received_at),
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "reference": self.reference,
            "idempotencyKey": self.idempotency_key,
            "body": self.body.decode("utf-8", "replace"),
            "status": self.status,
            "tookEffect": self.took_effect,
            "fault": self.fault,
            "responseBody": self.response_body.decode("utf-8", "replace"),
            "notes": list(self.notes),
        }


class RequestLog:
    """The latest requests: so many, and as long as their bodies together are not too large."""

    def __init__(self) -> None:
        self._kept: deque[RecordedRequest] = deque()
        self._size = 0
        self._received = 0

    def __iter__(self) -> Iterator[RecordedRequest]:
        """Yield them, oldest first."""
        return iter(self._kept)

    def __reversed__(self) -> Iterator[RecordedRequest]:
        """Yield them, newest first."""
        return reversed(self._kept)

    def next_id(self) -> int:
        """Return the id of the next one."""
        self._received += 1
        return self._received

    def append(self, record: RecordedRequest) -> None:
        """Note one down, and forget the oldest ones where that is too much."""
        self._kept.append(record)
        self._size += _size_of(record)
        while len(self._kept) > _REQUESTS or self._size > _BYTES:
            self._size -= _size_of(self._kept.popleft())

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._size = 0


def _size_of(record: RecordedRequest) -> int:
    return len(record.body) + len(record.response_body)


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
        event: what happened: the event's short name, or its type where there is none.
        reference: to what.
        psp_reference: of the event.
        attempt: 1 for the first try.
        copy: 1 for the first successful delivery of the event, 2 for the duplicate that may follow.
        fault: what was injected, if anything.
        status: what the webhook answered, ``None`` if it did not.
        error: why it did not.
        started_at: by the sandbox's clock.
        duration: in real time.
        request_headers: what was sent.
        request_body: what was sent.
        response_headers: of the answer; those of one name are joined by commas.
        response_body: the beginning of the answer.
    """

    id: int
    registration_id: str
    url: str
    event: str
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
    response_headers: dict[str, str] = attrs.field(repr=False)
    response_body: bytes = attrs.field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the webhook took it: any 2xx."""
        return self.status is not None and self.status // 100 == 2

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "id": self.id,
            "registrationId": self.registration_id,
            "url": self.url,
            "event": self.event,
            "reference": self.reference,
            "pspReference": self.psp_reference,
            "attempt": self.attempt,
            "copy": self.copy,
            "fault": self.fault,
            "status": self.status,
            "error": self.error,
            "startedAt": _text_of(self.started_at),
            "duration": self.duration.total_seconds(),
            "requestHeaders": self.request_headers,
            "requestBody": self.request_body.decode(),
            "responseHeaders": self.response_headers,
            "responseBody": self.response_body.decode("utf-8", "replace"),
        }


def _text_of(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds")
