"""The transaction of an event's handlers in an SQLite file, from their first statement to the event's mark."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from vipps_async.errors import ClaimHeld
from vipps_async.webhooks.stores._sqlite_writer import Writer, is_busy

T = TypeVar("T")

_logger = logging.getLogger("vipps_async.webhooks")

# Seconds to wait before an event whose handlers are done is given back; what they did elsewhere would happen again.
COMPLETE_TIMEOUT = 30.0
RELEASE_TIMEOUT = 1.0  # before the caller goes on without waiting for it
LEFT = "the claim of this connection was left; what its handlers did is committed or undone"


@contextmanager
def held_if_busy(key: str) -> Iterator[None]:
    """Raise `ClaimHeld` for event *key* where others write for too long: that is no failure of its handler."""
    try:
        yield
    except (TimeoutError, sqlite3.OperationalError) as error:
        if not is_busy(error):
            raise
        _logger.warning("event %s has to come again: others use the store for long, or all of its connections", key)
        raise ClaimHeld(key) from error


class HandlerTransaction:
    """A transaction that begins with the first statement of the handlers of an event, and ends with its claim."""

    def __init__(self, writer: Writer, key: str) -> None:
        self._writer = writer
        self._key = key
        self._one_at_a_time = asyncio.Lock()
        self._has_begun = False
        self._is_over = False

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection that the statements run on, in a thread of the writer's."""
        return self._writer.connection

    async def acquire(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run *work*, which takes the event, before its handlers run.

        Raises:
            ClaimHeld: others wrote for too long.
        """
        await self._write(work)

    async def execute(self, work: Callable[[], T]) -> T:
        """Run a handler's *work*, as `Writer.execute` does.

        Raises:
            ClaimHeld: others wrote for too long before the transaction could begin.
        """
        async with self._one_at_a_time:
            if self._is_over:
                raise sqlite3.ProgrammingError(LEFT)
            if not self._has_begun:
                with held_if_busy(self._key):
                    await self._writer.begin()
                self._has_begun = True
            return await self._writer.execute(work)

    async def renew(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run *work*, which renews the lease; once the handlers write, nobody else does, and it need not be.

        Raises:
            ClaimHeld: others wrote for too long.
        """
        async with self._one_at_a_time:
            if not self._has_begun and not self._is_over:
                await self._write(work)

    async def complete(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run *work*, which marks the event, in the handlers' transaction, and commit both.

        Raises:
            RuntimeError: SQLite has ended the transaction.
            ClaimHeld: the handlers wrote nothing, and others wrote for too long.
        """
        async with self._one_at_a_time:
            self._is_over = True
            if self._has_begun:
                await self._writer.commit(work)
            else:
                await self._write(work, durable=True, timeout=COMPLETE_TIMEOUT)

    async def release(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Undo what the handlers wrote, and run *work*, which gives the event back, also if this is cancelled.

        Where it cannot be written, because others write or the disk is full, the lease runs out.
        """
        self._is_over = True
        released = asyncio.wrap_future(self._writer.abandon(work))
        await asyncio.wait({released}, timeout=RELEASE_TIMEOUT)

    async def _write(
        self, work: Callable[[sqlite3.Connection], None], *, durable: bool = False, timeout: float | None = None
    ) -> None:
        with held_if_busy(self._key):
            await self._writer.write(work, durable=durable, timeout=timeout)
