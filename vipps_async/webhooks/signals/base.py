"""The interface of a signal to a receiver, and to a wait for an event."""

from typing import Protocol

from vipps_async._events import EventWatcher


class Signal(EventWatcher, Protocol):
    """Wakes those who wait for an event, in whatever process.

    It is a hint, which makes a wait read its subject sooner: one that is lost costs time and nothing else.
    """

    async def announce(self, subject: str, *, msn: str | None = None) -> None:
        """Set the event of everybody who watches the subject; return within seconds, and never raise for a failure.

        Those in this process are woken first, and always.

        Args:
            subject: such as a payment's reference.
            msn: its merchant serial number; without one, everybody who watches the subject is woken.
        """
        ...
