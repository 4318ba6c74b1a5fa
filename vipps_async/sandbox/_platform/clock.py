"""The sandbox's own time: it runs with the real one, and tests move it forward. Performs no network I/O."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LIMIT = timedelta(days=36_500)  # keeps every deadline that is computed from the clock within the calendar


class Clock:
    """The time of the sandbox, and waiting that goes by it."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._moved = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the sandbox's present, aware and in UTC."""
        return datetime.now(UTC) + self._offset

    @property
    def offset(self) -> timedelta:
        """The time by which the sandbox is ahead of the real one."""
        return self._offset

    def advance(self, by: timedelta) -> None:
        """Move the clock forward: what falls due in between happens now.

        Args:
            by: how far, not negative; a hundred years in all at most.

        Raises:
            ValueError: *by* is negative, or the clock would leave its range.
        """
        if by < timedelta():
            raise ValueError(f"the clock only moves forward, so it cannot advance by {by}")
        if self._offset + by > LIMIT:
            raise ValueError(f"the clock is {self._offset} ahead and may be {LIMIT} ahead at most; reset it first")
        self._offset += by
        self._wake()

    def reset(self) -> None:
        """Return to the real time."""
        self._offset = timedelta()
        self._wake()

    def on_move(self, listener: Callable[[], None]) -> None:
        """Have *listener* called, at once and synchronously, whenever the clock is moved."""
        self._listeners.append(listener)

    async def sleep_until(self, when: datetime) -> None:
        """Return once the clock shows *when*, however it got there."""
        while (remaining := (when - self.now()).total_seconds()) > 0:
            try:
                async with asyncio.timeout(remaining):
                    await self._moved.wait()
            except TimeoutError:
                continue

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        for listener in self._listeners:
            listener()
