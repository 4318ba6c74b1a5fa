"""Events of every API: what a receiver needs of one, and how an API declares which documents are its events.

An API declares an `EventFamily` beside its models. A receiver asks its families in turn whose a delivered document is.
What none recognises is an `UnknownEvent`, which is handled like any other: a merchant who registered for it must not
have it redelivered for a week. Performs no I/O.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import attrs

from vipps_async._wire.converter import structure
from vipps_async._wire.serializable import Serializable

E_co = TypeVar("E_co", bound="WebhookEvent", covariant=True)

Document = Mapping[str, Any]


class WebhookEvent(Protocol):
    """An event of any API."""

    @property
    def type(self) -> str:
        """The type that a webhook is registered for: ``epayments.payment.authorized.v1``."""
        ...

    @property
    def dedup_key(self) -> str:
        """The key by which two deliveries are the same event."""
        ...

    @property
    def subject(self) -> str:
        """The id of its subject, such as a payment's reference: events of one subject are handled in order."""
        ...

    @property
    def msn(self) -> str | None:
        """The merchant serial number, where the document tells it: a subject is one merchant's own."""
        ...

    @property
    def success(self) -> bool:
        """Whether the operation succeeded; a failed one changed nothing."""
        ...

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened, aware, where the document tells it."""
        ...

    @property
    def raw(self) -> Document:
        """The document as it came."""
        ...


class EventName(Protocol[E_co]):
    """A short name of an event type, such as ``PaymentEventName.AUTHORIZED``."""

    @property
    def event_type(self) -> str:
        """The event's type."""
        ...

    @property
    def event_class(self) -> type[E_co]:
        """The class of events that have the name."""
        ...


class EventWatcher(Protocol):
    """Something that learns of events, such as a `WebhookReceiver`, and wakes those who wait for one."""

    def watch(self, subject: str, *, msn: str | None = None) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the subject, and at once if it did lately.

        It may be set without a cause as well.

        Args:
            subject: what is waited for, such as a payment's reference.
            msn: its merchant serial number; without one, whatever has that subject at any merchant.
        """
        ...


@attrs.frozen(kw_only=True, repr=False)
class EventFamily(Generic[E_co]):
    """The events of one kind that an API sends.

    Attributes:
        model: the class that a document is read as.
        types: the event types, as webhooks are registered for them.
        recognise: tells whether a document is one of them, well-formed or not; it is given any JSON object.
        type_of: returns the type that a short name stands for, such as ``AUTHORIZED``; ``None`` for what is no name.
        undecisive: the types of which an event never ends a wait, such as a creation.
        adapt: returns a document in the form that the model is read from; ``None``: it is in it.
    """

    model: type[E_co]
    types: tuple[str, ...]
    recognise: Callable[[Document], bool]
    type_of: Callable[[str], str | None] = lambda _: None
    undecisive: frozenset[str] = frozenset()
    adapt: Callable[[Document], Any] | None = None

    def __repr__(self) -> str:
        """Tell the model alone: signatures show the default families."""
        return f"<EventFamily {self.model.__name__}>"

    def read(self, document: Document) -> E_co:
        """Return the event of a document that was recognised.

        Raises:
            Malformed: what decides is missing in it, or has another type.
        """
        if self.adapt is None:
            return structure(document, self.model)
        return structure(self.adapt(document), self.model, raw=document)


@attrs.frozen(kw_only=True)
class UnknownEvent(Serializable):
    """An event for which this package has no class: of another API, or of a type that is new.

    Attributes:
        type: the event type, or an empty text where the document does not tell it.
        dedup_key: the document's hash, with whose it is: nobody knows what else makes it the same.
        subject: the id that it is about, or its key where it names none that is known.
        msn: the merchant serial number, if it has one.
        occurred_at: when it happened, if it says so.
        success: True; whether it reports a failure is not known.
        raw: the document as it came.
    """

    type: str
    dedup_key: str
    subject: str
    msn: str | None = None
    occurred_at: datetime | None = None
    success: bool = True
    raw: Document = attrs.field(repr=False, eq=False)


def netstrings(*texts: str) -> str:
    """Return several texts as one, such that no two lists of texts give the same one: ``length:text,`` for each.

    Source: D. J. Bernstein, Netstrings; lengths are those of the text, in characters.
    """
    return "".join(f"{len(text)}:{text}," for text in texts)
