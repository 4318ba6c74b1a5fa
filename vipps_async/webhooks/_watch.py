"""Who waits for which payment, and which payments were heard of lately. Performs no I/O."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_REMEMBERED = 10_000


class Watchers:
    """Wakes those who wait for a payment, and those who begin to wait a moment after it was heard of."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._heard_of: dict[str, None] = {}

    def notify(self, reference: str) -> None:
        """Something happened to the payment."""
        for happened in self._waiting.get(reference, ()):
            happened.set()
        self._heard_of.pop(reference, None)
        self._heard_of[reference] = None
        if len(self._heard_of) > _REMEMBERED:
            del self._heard_of[next(iter(self._heard_of))]

    @contextmanager
    def watch(self, reference: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever something happens to the payment, and at once if something did."""
        happened = asyncio.Event()
        if reference in self._heard_of:
            happened.set()
        watchers = self._waiting.setdefault(reference, set())
        watchers.add(happened)
        try:
            yield happened
        finally:
            watchers.discard(happened)
            if not watchers:
                self._waiting.pop(reference, None)
