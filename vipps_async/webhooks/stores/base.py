"""The interface of a store, and of a store that can hold events for later.

Every store takes an event through the same steps, and names them alike:

- ``acquire``: write down that this claim has the event, unless another has it, which raises `ClaimHeld`, or the event
  took effect before, which makes the claim a duplicate.
- ``renew``: hold it for another lease, where holding it is a lease. A lease that ran out frees the event.
- ``complete``: write the mark that the event took effect, in the handler's own transaction where the store has one.
- ``release``: give the event back, as if it had not been claimed.
- ``purge``: remove marks whose time is over.

A mark says when it may be purged: each store writes its own retention into it, so that receivers of different
retentions can share a place. Until it is purged it counts, whatever the time; a purge spares the marks of events that
are in the inbox, so that no event takes effect again that was handled and could not be removed yet. A duplicate shows
that deliveries go on, and renews its mark for the store's retention, which is written only where it gains more than
`RENEWAL_GAIN`: most duplicates only read.
"""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import attrs

RENEWAL_GAIN = timedelta(hours=1)
LONGEST_RETENTION = timedelta(days=3650)


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
        retention: how long at least. A receiver refuses a store that forgets before the redeliveries of an event end,
            since one of them could then take effect again.
    """

    @property
    def retention(self) -> timedelta:
        """The least time for which an event is remembered after its last delivery."""
        ...

    def claim(self, key: str) -> AbstractAsyncContextManager[Claim]:
        """Claim an event for the length of a ``with`` block.

        Entering it raises `ClaimHeld` while another holder, in any process that shares the store, is inside. Leaving
        it cleanly marks the event as done, from when on its claims are duplicates; leaving it with any exception,
        cancellation included, gives the claim back as if it had not been made. A duplicate's block changes nothing but
        how long the event is remembered.

        Args:
            key: the event's, whose text says which receiver's and whose payment's it is; any text, of any length.

        Raises:
            ClaimHeld: another holder is inside, or the store has no connection free: nothing was tried.
        """
        ...


@attrs.frozen(kw_only=True)
class StoredEvent:
    """An event that was taken out of an inbox to be handled.

    Attributes:
        id: its place in the order in which events arrived.
        key: what it is claimed by.
        receiver: the name of the receiver that it was delivered to.
        subject: what it is about, such as a payment: its events are handled one after the other.
        body: the delivery's, as it arrived.
        attempt: how often it has been taken, this time included; a process that died counts.
        holder: who took it; what is done with it needs the same holder.
    """

    id: int
    key: str
    receiver: str
    subject: str
    body: bytes = attrs.field(repr=False)
    attempt: int
    holder: str


@attrs.frozen(kw_only=True)
class DeadLetter:
    """An event that failed so often that it is not tried again by itself.

    Attributes:
        key: what to requeue or discard it by.
        receiver: the name of the receiver that it was delivered to.
        subject: what it is about, such as a payment.
        body: the delivery's, as it arrived.
        attempts: how often it was tried.
        error: what ended the last attempt.
        stored_at: when it arrived.
        died_at: when it was given up.
    """

    key: str
    receiver: str
    subject: str
    body: bytes = attrs.field(repr=False)
    attempts: int
    error: str
    stored_at: datetime
    died_at: datetime


@attrs.frozen(kw_only=True)
class InboxSize:
    """The number of events in an inbox.

    Attributes:
        waiting: to be handled, or handled just now.
        dead: given up.
    """

    waiting: int
    dead: int


class Inbox(Protocol):
    """Holds events durably until they are handled, in order for each subject, for any number of processes.

    Several receivers can share it: each takes its own events alone. Whoever takes an event holds it for a lease, which
    has to be renewed; a lease that ran out frees it. That one event takes effect once is the claim's work, so that a
    lost lease costs time only.
    """

    async def put(self, key: str, subject: str, body: bytes, *, receiver: str) -> bool:
        """Hold an event on disk from now on.

        Args:
            key: what it is claimed by; any text, of any length.
            subject: what it is about; any text, of any length.
            body: the delivery's.
            receiver: the name of the receiver whose event it is, 200 printable characters at most.

        Returns:
            False if it is held already, as a dead letter too, or took effect before.
        """
        ...

    async def take(self, receiver: str, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event of *receiver* that has been due for longest, for the length of *lease*.

        An event is not due while it is held, while a pause lasts, and while an earlier event of its subject is in the
        inbox, dead ones that do not stop their subject aside. What it costs does not grow with the events that are not
        due.

        Args:
            receiver: the name of the receiver that will handle it.
            holder: who asks, a text of its own for each.
            lease: for how long nobody else takes it.

        Returns:
            None if none is due.
        """
        ...

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events of these *ids* that *holder* has for another *lease* from now on."""
        ...

    async def complete(self, event: StoredEvent) -> None:
        """Remove an event that took effect; does nothing if its lease was lost, as the methods below."""
        ...

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*, and keep the *error*."""
        ...

    async def release(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*; the attempt does not count."""
        ...

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event; *stops*: the later events of its subject wait until it is out of the way."""
        ...

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters of all receivers that died first, *limit* at most."""
        ...

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; return False if there is none."""
        ...

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, and mark its event in the same transaction, so that its next copy is a duplicate.

        Returns:
            False if there is none.
        """
        ...

    async def size(self) -> InboxSize:
        """Return how many events of all receivers wait, and how many are dead."""
        ...


@runtime_checkable
class InboxStore(EventStore, Protocol):
    """A store that can hold events: an embedded or a shared database, not a cache."""

    @property
    def inbox(self) -> Inbox:
        """The events that are held."""
        ...
