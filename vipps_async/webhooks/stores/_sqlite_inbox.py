"""The inbox of an `SQLiteStore`: a table beside that of the events that took effect."""

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from vipps_async.webhooks.stores._sqlite_file import EventsFile
from vipps_async.webhooks.stores._sqlite_marks import Marks
from vipps_async.webhooks.stores._sqlite_transaction import held_if_busy
from vipps_async.webhooks.stores.base import DeadLetter, InboxSize, StoredEvent

_IS_HELD = "SELECT 1 FROM vipps_inbox WHERE key = :key"
_PUT = """
INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at)
SELECT :key, :receiver, :subject, :body, :now, :now
WHERE NOT EXISTS (SELECT 1 FROM vipps_events WHERE key = :key AND holder IS NULL)
ON CONFLICT (key) DO NOTHING"""
_NEXT = """
SELECT id FROM vipps_inbox WHERE receiver = :receiver AND is_first AND due_at <= :now ORDER BY due_at, id LIMIT 1"""
_TAKE = f"""
UPDATE vipps_inbox SET holder = :holder, due_at = :until, attempts = attempts + 1 WHERE id = ({_NEXT})
RETURNING id, key, subject, body, attempts"""  # noqa: S608 - of two constants
_RENEW = "UPDATE vipps_inbox SET due_at = :until WHERE id = :id AND holder = :holder"
_IS_MINE = "SELECT 1 FROM vipps_inbox WHERE id = :id AND holder = :holder"
_COMPLETE = "DELETE FROM vipps_inbox WHERE id = :id AND holder = :holder"
_POSTPONE = "UPDATE vipps_inbox SET holder = NULL, due_at = :due, error = :error WHERE id = :id AND holder = :holder"
_RELEASE = """
UPDATE vipps_inbox SET holder = NULL, due_at = :due, attempts = attempts - 1 WHERE id = :id AND holder = :holder"""
_BURY = """
UPDATE vipps_inbox SET holder = NULL, due_at = :due, error = :error, died_at = :now, is_first = :stops
WHERE id = :id AND holder = :holder"""
_DEAD = """
SELECT key, receiver, subject, body, attempts, error, stored_at, died_at FROM vipps_inbox
WHERE died_at IS NOT NULL ORDER BY died_at, id LIMIT :limit"""
_REQUEUE = """
UPDATE vipps_inbox SET due_at = :now, attempts = 0, died_at = NULL, error = NULL
WHERE key = :key AND died_at IS NOT NULL"""
_DISCARD = "DELETE FROM vipps_inbox WHERE key = :key AND died_at IS NOT NULL"
_SIZE = """
SELECT (SELECT count(*) FROM vipps_inbox), (SELECT count(*) FROM vipps_inbox WHERE died_at IS NOT NULL)"""


class SQLiteInbox:
    """Holds events in the store's file; `Inbox` describes what its methods do.

    What took effect is taken out by its claim, in the same transaction; `complete` is for the rest.

    Args:
        opened: returns the open file.
        marks: which events took effect.
    """

    def __init__(self, opened: Callable[[], Awaitable[EventsFile]], marks: Marks) -> None:
        self._opened = opened
        self._marks = marks

    async def put(self, key: str, subject: str, body: bytes, *, receiver: str) -> bool:
        """Hold an event on disk from now on; return False if it is held already, or took effect before.

        Raises:
            ClaimHeld: others wrote for too long.
        """
        values = {"key": key, "receiver": receiver, "subject": subject, "body": body, "now": self._marks.clock()}
        with held_if_busy(key):
            file = await self._opened()
            # Whoever finds that it is known need not wait for a writer.
            if await self._marks.is_done(file, key) or await file.read(_IS_HELD, {"key": key}):
                return False
            return await file.write(partial(_change, _PUT, values), durable=True)

    async def take(self, receiver: str, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event of *receiver* that has been due for longest for the length of *lease*; None if none is due."""
        file, now = await self._opened(), self._marks.clock()
        values = {"receiver": receiver, "holder": holder, "now": now, "until": now + lease.total_seconds()}
        if not await file.read(_NEXT, values):  # for which nobody need wait for a writer
            return None
        for id_, key, subject, body, attempt in await file.write(partial(_rows, _TAKE, values)):
            return StoredEvent(
                id=id_, key=key, receiver=receiver, subject=subject, body=body, attempt=attempt, holder=holder
            )
        return None

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events of these *ids* that *holder* has for another *lease* from now on."""
        until = self._marks.clock() + lease.total_seconds()
        leases = [{"id": id_, "holder": holder, "until": until} for id_ in ids]
        file = await self._opened()
        await file.write(lambda connection: connection.executemany(_RENEW, leases))

    async def complete(self, event: StoredEvent) -> None:
        """Remove an event that took effect."""
        file = await self._opened()
        if await file.read(_IS_MINE, _named(event)):
            await file.write(partial(_change, _COMPLETE, _named(event)))

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*, and keep the *error*."""
        await self._change(_POSTPONE, {**_named(event), "due": self._after(pause), "error": error})

    async def release(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*."""
        await self._change(_RELEASE, {**_named(event), "due": self._after(pause)})

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event."""
        values = {"due": float("inf") if stops else None, "stops": stops, "error": error, "now": self._marks.clock()}
        await self._change(_BURY, {**_named(event), **values})

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters that died first, *limit* at most."""
        file = await self._opened()
        return [_dead_letter(*row) for row in await file.read(_DEAD, {"limit": limit})]

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; return False if there is none."""
        return await self._change(_REQUEUE, {"key": key, "now": self._marks.clock()})

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, and mark its event; return False if there is none."""
        file = await self._opened()
        return await file.write(partial(self._discard, key))

    async def size(self) -> InboxSize:
        """Return how many events wait, and how many are dead."""
        file = await self._opened()
        ((all_, dead),) = await file.read(_SIZE, {})
        return InboxSize(waiting=all_ - dead, dead=dead)

    def _discard(self, key: str, connection: sqlite3.Connection) -> bool:
        is_dead = _change(_DISCARD, {"key": key}, connection)
        if is_dead:
            self._marks.mark(key, connection)
        return is_dead

    def _after(self, pause: timedelta) -> float:
        return self._marks.clock() + pause.total_seconds()

    async def _change(self, statement: str, values: Mapping[str, object]) -> bool:
        file = await self._opened()
        return await file.write(partial(_change, statement, values))


def _change(statement: str, values: Mapping[str, object], connection: sqlite3.Connection) -> bool:
    """Run *statement*, and return whether it changed a row."""
    return connection.execute(statement, values).rowcount > 0


def _rows(statement: str, values: Mapping[str, object], connection: sqlite3.Connection) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _named(event: StoredEvent) -> dict[str, object]:
    return {"id": event.id, "holder": event.holder}


def _dead_letter(  # noqa: PLR0917 - a row's columns
    key: str, receiver: str, subject: str, body: bytes, attempts: int, error: str, stored_at: float, died_at: float
) -> DeadLetter:
    return DeadLetter(
        key=key,
        receiver=receiver,
        subject=subject,
        body=body,
        attempts=attempts,
        error=error,
        stored_at=datetime.fromtimestamp(stored_at, UTC),
        died_at=datetime.fromtimestamp(died_at, UTC),
    )
