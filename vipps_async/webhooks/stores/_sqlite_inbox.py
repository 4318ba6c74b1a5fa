"""The inbox of an `SQLiteStore`: a table beside that of the events that took effect."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from vipps_async.webhooks.stores._sqlite_file import EventsFile
from vipps_async.webhooks.stores.base import RENEWAL_GAIN, DeadLetter, InboxSize, StoredEvent

if TYPE_CHECKING:
    from sqlite3 import Row

    from aiosqlite import Connection

# An id is never given twice, so that what a late holder says of one cannot hit another event.
SCHEMA = """\
CREATE TABLE IF NOT EXISTS vipps_inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    subject TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_at REAL NOT NULL,  -- seconds since 1970, as all times
    attempts INTEGER NOT NULL DEFAULT 0,
    holder TEXT,  -- who handles it
    due_at REAL,  -- when it may be taken: once the holder's lease or a pause ends; infinite for a dead one that stops
                  -- its subject, NULL for one that does not
    died_at REAL,
    error TEXT    -- what ended the last attempt
);
CREATE INDEX IF NOT EXISTS vipps_inbox_due_at ON vipps_inbox (receiver, due_at);
CREATE INDEX IF NOT EXISTS vipps_inbox_subject ON vipps_inbox (subject, id);
"""

_PUT = """
INSERT INTO vipps_inbox (key, receiver, subject, body, stored_at, due_at)
SELECT :key, :receiver, :subject, :body, :now, :now
WHERE NOT EXISTS (SELECT 1 FROM vipps_events WHERE key = :key AND holder IS NULL)
ON CONFLICT (key) DO NOTHING"""
# What a duplicate gains for its mark has to be worth a write.
_KEEP = """
UPDATE vipps_events SET expires_at = :expiry WHERE key = :key AND holder IS NULL AND expires_at < :worth"""
# A subject's first event is looked up for one event after the other: asked for events without an earlier one, SQLite
# may compare all with each other.
_NEXT = """
SELECT id FROM vipps_inbox AS one
WHERE receiver = :receiver AND due_at <= :now AND id = (
    SELECT id FROM vipps_inbox AS first
    WHERE first.subject = one.subject AND first.due_at IS NOT NULL ORDER BY id LIMIT 1
) AND NOT EXISTS (
    SELECT 1 FROM vipps_inbox AS other
    WHERE other.subject = one.subject AND other.holder IS NOT NULL AND other.due_at > :now
)
ORDER BY due_at, id LIMIT 1"""
_TAKE = f"""
UPDATE vipps_inbox SET holder = :holder, due_at = :until, attempts = attempts + 1 WHERE id = ({_NEXT})
RETURNING id, key, subject, body, attempts"""  # noqa: S608 - of two constants
_RENEW = "UPDATE vipps_inbox SET due_at = :until WHERE id = :id AND holder = :holder"
_COMPLETE = "DELETE FROM vipps_inbox WHERE id = :id AND holder = :holder"
_POSTPONE = "UPDATE vipps_inbox SET holder = NULL, due_at = :due, error = :error WHERE id = :id AND holder = :holder"
_RELEASE = """
UPDATE vipps_inbox SET holder = NULL, due_at = :due, attempts = attempts - 1 WHERE id = :id AND holder = :holder"""
_BURY = """
UPDATE vipps_inbox SET holder = NULL, due_at = :due, error = :error, died_at = :now
WHERE id = :id AND holder = :holder"""
_DEAD = """
SELECT key, receiver, subject, body, attempts, error, stored_at, died_at FROM vipps_inbox
WHERE died_at IS NOT NULL ORDER BY died_at, id LIMIT :limit"""
_REQUEUE = """
UPDATE vipps_inbox SET due_at = :now, attempts = 0, died_at = NULL, error = NULL
WHERE key = :key AND died_at IS NOT NULL"""
_DISCARD = "DELETE FROM vipps_inbox WHERE key = :key AND died_at IS NOT NULL"
_MARK = """
INSERT INTO vipps_events (key, expires_at) VALUES (:key, :expiry)
ON CONFLICT (key) DO UPDATE SET holder = NULL, expires_at = :expiry"""
_SIZE = "SELECT count(*) - count(died_at), count(died_at) FROM vipps_inbox"


class SQLiteInbox:
    """Holds events in the store's file; `Inbox` describes what its methods do.

    Args:
        opened: returns the open file.
        clock: seconds since 1970.
        retention: how long an event that took effect is remembered.
    """

    def __init__(
        self, opened: Callable[[], Awaitable[EventsFile]], clock: Callable[[], float], retention: timedelta
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._retention = retention.total_seconds()

    async def put(self, key: str, subject: str, body: bytes, *, receiver: str) -> bool:
        """Hold an event on disk from now on; return False if it is held already, or took effect before."""
        values = {"key": key, "receiver": receiver, "subject": subject, "body": body, "now": self._clock()}
        connection = await (await self._opened()).lasting()
        is_new = (await connection.execute(_PUT, values)).rowcount > 0
        if not is_new:
            await self._change(_KEEP, {"key": key, **self._expiry()})
        return is_new

    async def take(self, receiver: str, holder: str, lease: timedelta) -> StoredEvent | None:
        """Take the event of *receiver* that has been due for longest for the length of *lease*; None if none is due."""
        now = self._clock()
        values = {"receiver": receiver, "holder": holder, "now": now, "until": now + lease.total_seconds()}
        # Whoever finds nothing need not wait for a writer.
        if not await self._rows(_NEXT, values):
            return None
        for id_, key, subject, body, attempt in await self._rows(_TAKE, values):
            return StoredEvent(
                id=id_, key=key, receiver=receiver, subject=subject, body=body, attempt=attempt, holder=holder
            )
        return None

    async def renew(self, holder: str, ids: Collection[int], lease: timedelta) -> None:
        """Hold the events that *holder* has for another *lease* from now on."""
        until = self._clock() + lease.total_seconds()
        for id_ in ids:
            await self._change(_RENEW, {"id": id_, "holder": holder, "until": until})

    async def complete(self, event: StoredEvent) -> None:
        """Remove an event that took effect."""
        await self._change(_COMPLETE, _named(event))

    async def postpone(self, event: StoredEvent, pause: timedelta, error: str) -> None:
        """Give a failed event back, to be due after *pause*."""
        await self._change(_POSTPONE, {**_named(event), "due": self._clock() + pause.total_seconds(), "error": error})

    async def release(self, event: StoredEvent, pause: timedelta) -> None:
        """Give back an event that was not tried, to be due after *pause*."""
        await self._change(_RELEASE, {**_named(event), "due": self._clock() + pause.total_seconds()})

    async def bury(self, event: StoredEvent, error: str, *, stops: bool) -> None:
        """Make a dead letter of an event."""
        due = float("inf") if stops else None
        await self._change(_BURY, {**_named(event), "due": due, "error": error, "now": self._clock()})

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters that died first, *limit* at most."""
        return [_dead_letter(*row) for row in await self._rows(_DEAD, {"limit": limit})]

    async def requeue(self, key: str) -> bool:
        """Make a dead letter due at once, in its old place, with all its attempts; return False if there is none."""
        return await self._change(_REQUEUE, {"key": key, "now": self._clock()})

    async def discard(self, key: str) -> bool:
        """Remove a dead letter, so that its event stays known; return False if there is none."""
        file = await self._opened()
        async with file.lend(_commit) as connection:
            is_dead = (await connection.execute(_DISCARD, {"key": key})).rowcount > 0
            if is_dead:
                await connection.execute(_MARK, {"key": key, **self._expiry()})
        return is_dead

    async def size(self) -> InboxSize:
        """Return how many events wait, and how many are dead."""
        ((waiting, dead),) = await self._rows(_SIZE, {})
        return InboxSize(waiting=waiting, dead=dead)

    def _expiry(self) -> dict[str, float]:
        expiry = self._clock() + self._retention
        return {"expiry": expiry, "worth": expiry - RENEWAL_GAIN.total_seconds()}

    async def _rows(self, statement: str, values: Mapping[str, object]) -> "list[Row]":
        file = await self._opened()
        return list(await file.keeper.execute_fetchall(statement, values))

    async def _change(self, statement: str, values: Mapping[str, object]) -> bool:
        file = await self._opened()
        return (await file.keeper.execute(statement, values)).rowcount > 0


async def _commit(_: "Connection") -> None:
    """Settle nothing more: the transaction is committed as it is."""


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
