"""Which errors of SQLite say that somebody else's write was in the way, and how long that is waited for."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from vipps_async.webhooks.stores._sqlite_writer import _lock, is_busy


def connect(path: Path) -> sqlite3.Connection:
    """Open a file without waiting for anybody."""
    return sqlite3.connect(path, timeout=0, isolation_level=None)


def begin_too(_: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Begin to write while another connection does: SQLITE_BUSY."""
    other.execute("BEGIN IMMEDIATE")


def write_on_what_was_read(connection: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Write after another connection wrote what this one has read: SQLITE_BUSY_SNAPSHOT, an extended code."""
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM events").fetchall()
    connection.execute("INSERT INTO events VALUES (1)")
    connection.execute("COMMIT")
    other.execute("INSERT INTO events VALUES (2)")


def read_nothing(_: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Read a table that is not there: an error of another kind."""
    other.execute("SELECT * FROM nothing")


@pytest.mark.parametrize(
    ("do", "code", "busy"),
    [
        (begin_too, sqlite3.SQLITE_BUSY, True),
        (write_on_what_was_read, sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (read_nothing, sqlite3.SQLITE_ERROR, False),
    ],
)
def test_what_was_in_the_way(
    do: Callable[[sqlite3.Connection, sqlite3.Connection], None], code: int, *, busy: bool, tmp_path: Path
) -> None:
    """SQLite's own errors, of two connections to one file."""
    with closing(connect(tmp_path / "events.db")) as one, closing(connect(tmp_path / "events.db")) as other:
        one.execute("PRAGMA journal_mode = WAL")
        one.execute("CREATE TABLE events (id)")
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            do(one, other)
    assert caught.value.sqlite_errorcode == code
    assert is_busy(caught.value) is busy


def test_a_turn_that_did_not_come_is_no_other() -> None:
    """The queue's own limit, and nothing that SQLite did not say."""
    assert is_busy(TimeoutError())
    assert not is_busy(ValueError())


def test_a_lock_is_waited_for_until_the_deadline_and_no_longer(tmp_path: Path) -> None:
    """Then SQLite's own error comes out."""
    with closing(connect(tmp_path / "events.db")) as one, closing(connect(tmp_path / "events.db")) as other:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _lock(other, time.monotonic() + 0.05)
        one.execute("ROLLBACK")
        _lock(other, time.monotonic())
        assert other.in_transaction


def test_what_waiting_cannot_mend_is_not_waited_for(tmp_path: Path) -> None:
    """An error of another kind comes out at once, however far the deadline is."""
    with closing(connect(tmp_path / "events.db")) as one:
        one.execute("BEGIN")
        with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
            _lock(one, time.monotonic() + 3600)
