"""What a receiver asks of a store, and of a store that can hold events for later."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import attrs


@attrs.frozen
class Claim:
    """The right to let one event take effect; a store with transactions hands out one that has a ``connection``.

    Attributes:
        is_duplicate: the event took effect before, and must not again.
    """

    is_duplicate: bool


class EventStore(Protocol):
    """Remembers which events have taken effect.

    Attributes:
        retention: how long at least. A receiver refuses a store that forgets before a delivery becomes too old to be
            accepted, since the delivery could then take effect twice.
    """

    @property
    def retention(self) -> timedelta:
        """How long at least an event is remembered."""
        ...

    def claim(self, key: str) -> AbstractAsyncContextManager[Claim]:
        """Claim the event *key* for the length of a ``with`` block.

        Entering it raises `ClaimHeld` while another holder, in any process that shares the store, is inside. Leaving
        it cleanly marks the event as done, from when on its claims are duplicates; leaving it with any exception,
        cancellation included, gives the claim back as if it had not been made. A duplicate's block changes nothing.
        """
        ...


@attrs.frozen(kw_only=True)
class StoredEvent:
    """An event that was taken out of an inbox to be handled.

    Attributes:
        id: its place in the order in which events arrived.
        reference: its payment.
        body: the delivery's, as it arrived.
        attempt: how often it has been taken, this time included; a process that died counts.
        holder: who took it; what is done with it needs the same holder.
    """

    id: int
    reference: str
    body: bytes = attrs.field(repr=False)
    attempt: int
    holder: str


@attrs.frozen(kw_only=True)
class DeadLetter:
    """An event that failed so often that it is not tried again by itself.

    Attributes:
        key: what to requeue or discard it by.
        reference: its payment.
        body: the delivery's, as it arrived.
        attempts: how often it was tried.
        error: what ended the last attempt.
        stored_at: when it arrived.
        died_at: when it was given up.
    """

    key: str
    reference: str
    body: bytes = attrs.field(repr=False)
    attempts: int
    error: str
    stored_at: datetime
    died_at: datetime


@attrs.frozen(kw_only=True)
class InboxSize:
    """How many events an inbox holds.

    Attributes:
        waiting: to be handled, or handled just now.
        dead: given up.
    """

    waiting: int
    dead: int


class Inbox(Protocol):
    """Holds events durably until they are handled, in order for each payment, for any number of processes.

    Whoever takes an event holds it for a lease, which has to be renewed; a lease that ran out frees it. That one event
    takes effect once is the claim's work, so that a lost lease costs time only.
    """

    async def put(self, key: str, reference: str, body: bytes) -> bool:
        """Hold an event on disk from now on; return ``False`` if it is held already, or took effect before."""
        ...

    async def take(self, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event that has been due for longest for the length of *lease*; ``None`` if none is due.

        An event is not due while it is held, while a pause lasts, and while an earlier event of its payment is in the
        inbox, dead ones that do not stop their payment aside.
        """
        ...

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events that *holder* has for another *lease* from now on."""
        ...

    async def finish(self, event: StoredEvent) -> None:
        """Remove an event that took effect; does nothing if its lease was lost, as the methods below."""
        ...

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*."""
        ...

    async def hand_back(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*; the attempt does not count."""
        ...

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event; *stops*: the later events of its payment wait until it is out of the way."""
        ...

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters that died first, *limit* at most."""
        ...

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; ``False`` if there is none."""
        ...

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, for good; ``False`` if there is none."""
        ...

    async def size(self) -> InboxSize:
        """Return how many events wait, and how many are dead."""
        ...


@runtime_checkable
class InboxStore(EventStore, Protocol):
    """A store that can hold events: an embedded or a shared database, not a cache."""

    @property
    def inbox(self) -> Inbox:
        """The events that are held."""
        ...
