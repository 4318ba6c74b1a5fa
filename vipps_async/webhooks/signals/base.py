"""What a receiver, and a wait for a payment, ask of a signal."""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol


class Signal(Protocol):
    """Tells those who wait for a payment, in whatever process, that something happened to it.

    It is a hint, which makes a wait read the payment sooner: one that is lost costs time and nothing else.
    """

    def watch(self, reference: str, *, msn: str | None = None) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever something happens to the payment, and at once if it did lately.

        It may be set without a cause as well. `EPayment.wait` waits on it.

        Args:
            reference: the payment's.
            msn: its merchant serial number; without one, the payments of all merchants that have the reference.
        """
        ...

    async def announce(self, reference: str, *, msn: str | None = None) -> None:
        """Set the event of everybody who watches the payment; return within seconds, and never raise for a failure.

        Those in this process are told first, and always.

        Args:
            reference: the payment's.
            msn: its merchant serial number; without one, everybody who watches the reference is told.
        """
        ...
