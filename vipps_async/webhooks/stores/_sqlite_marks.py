"""The table of an `SQLiteStore` that tells which events took effect, and whose handlers run."""

import logging
import sqlite3
from collections.abc import Callable, Mapping

import attrs

from vipps_async.errors import ClaimHeld
from vipps_async.webhooks.stores._sqlite_file import EventsFile
from vipps_async.webhooks.stores.base import RENEWAL_GAIN

_logger = logging.getLogger("vipps_async.webhooks")

# A lease counts until it ends, a mark as long as it is there.
_LOOK = """
SELECT holder IS NULL, expires_at FROM vipps_events WHERE key = :key AND (holder IS NULL OR expires_at > :now)"""
_ACQUIRE = """
INSERT INTO vipps_events (key, holder, expires_at) VALUES (:key, :holder, :until)
ON CONFLICT (key) DO UPDATE SET holder = :holder, expires_at = :until
WHERE holder IS NOT NULL AND expires_at <= :now"""
_RENEW = "UPDATE vipps_events SET expires_at = :until WHERE key = :key AND holder = :holder"
_RELEASE = "DELETE FROM vipps_events WHERE key = :key AND holder = :holder"  # which a mark has no more
_COMPLETE = "UPDATE vipps_events SET holder = NULL, expires_at = :expiry WHERE key = :key AND holder = :holder"
_REMOVE_FROM_INBOX = "DELETE FROM vipps_inbox WHERE key = :key"
# Whatever became of the row since it was looked at: the event took effect.
_MARK = """
INSERT INTO vipps_events (key, expires_at) VALUES (:key, :expiry)
ON CONFLICT (key) DO UPDATE SET holder = NULL, expires_at = max(expires_at, :expiry)"""
# More than the one that an event adds, so that a table that is too large shrinks; few, so that no event waits. A lease
# that ended is still good for who has it, unless another took it: it stays for long. No event that is in the inbox has
# a mark, for it leaves the one with the other.
_PURGE = """
DELETE FROM vipps_events WHERE key IN (
    SELECT key FROM vipps_events WHERE expires_at < :now AND (holder IS NULL OR expires_at < :horizon)
    ORDER BY expires_at LIMIT 2
)"""


@attrs.frozen(kw_only=True)
class Marks:
    """The steps of a claim; those that write are run in a transaction of the caller's.

    *mine* names a claim: the event's key, and a holder that no other claim has.

    Attributes:
        clock: seconds since 1970.
        retention: seconds for which an event is remembered.
        lease: seconds for which a claim is held, unless it is renewed.
    """

    clock: Callable[[], float]
    retention: float
    lease: float

    async def is_done(self, file: EventsFile, key: str) -> bool | None:
        """Return whether the event took effect, or is being handled (False); None if neither.

        It only reads, so that duplicates, which are most deliveries, wait for nobody; but a mark that gains much by it
        is renewed.
        """
        times = self._times()
        for is_done, expires_at in await file.read(_LOOK, {"key": key, **times}):
            if is_done and expires_at + RENEWAL_GAIN.total_seconds() < times["expiry"]:
                await file.write(lambda connection: self.mark(key, connection))
            return bool(is_done)
        return None

    def acquire(self, mine: Mapping[str, str], connection: sqlite3.Connection) -> None:
        """Write down who has the event.

        Raises:
            ClaimHeld: another has it, or had it since it was looked at.
        """
        if not self._run(connection, _ACQUIRE, mine):
            raise ClaimHeld(mine["key"])

    def renew(self, mine: Mapping[str, str], connection: sqlite3.Connection) -> None:
        """Hold the event for another lease."""
        self._run(connection, _RENEW, mine)

    def complete(self, mine: Mapping[str, str], connection: sqlite3.Connection) -> None:
        """Mark the event, take it out of the inbox, and purge.

        Raises:
            ClaimHeld: another has taken the event since the lease ran out.
        """
        if not self._run(connection, _COMPLETE, mine):
            _logger.warning("event %s was taken over after its lease ran out; nothing is committed here", mine["key"])
            raise ClaimHeld(mine["key"])
        self._run(connection, _REMOVE_FROM_INBOX, mine)
        self._run(connection, _PURGE, {})

    def release(self, mine: Mapping[str, str], connection: sqlite3.Connection) -> None:
        """Give the event back."""
        self._run(connection, _RELEASE, mine)

    def mark(self, key: str, connection: sqlite3.Connection) -> None:
        """Mark an event that nobody handles here."""
        self._run(connection, _MARK, {"key": key})

    def _run(self, connection: sqlite3.Connection, statement: str, values: Mapping[str, str]) -> bool:
        """Run *statement*, and return whether it changed a row."""
        return connection.execute(statement, {**values, **self._times()}).rowcount > 0

    def _times(self) -> dict[str, float]:
        now = self.clock()
        expiry = now + self.retention
        return {"now": now, "until": now + self.lease, "expiry": expiry, "horizon": now - self.retention}
