"""What a receiver asks of a store."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

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
