"""Keeps a handler's statements inside the transaction that the store began.

Statements that would end it are refused. SQLite may end it by itself all the same: after ``INSERT OR ROLLBACK``, a
trigger's ``RAISE(ROLLBACK)``, a full disk. What is executed after that would be committed at once and alone, so nothing
is executed any more; and at the end the savepoint that was made at the beginning proves that the transaction is still
the same.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_SAVEPOINT = "vipps_claim"
_REFUSED = {
    sqlite3.SQLITE_TRANSACTION: "the store commits or rolls back what a handler does, together with the event's mark",
    sqlite3.SQLITE_ATTACH: "SQLite does not commit to two files as one: open the store in the file that is written to",
    sqlite3.SQLITE_DETACH: "the handler's transaction is that of one file",
}
_ROLLED_BACK = "SQLite rolled the claim's transaction back under its handler: the event has to come again"


class HandlerGuard:
    """Guards a connection, in its thread.

    Attributes:
        is_altered: whether a handler has left more than rows behind: temporary tables, or settings of the connection.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.is_altered = False
        self._is_handler = False
        self._refusal: str | None = None
        connection.set_authorizer(self._authorize)

    def run(self, connection: sqlite3.Connection, work: Callable[[], T]) -> T:
        """Return what a handler's *work* returns.

        Raises:
            sqlite3.OperationalError: SQLite has ended the transaction.
            sqlite3.ProgrammingError: the statement is none for a handler.
        """
        if not connection.in_transaction:
            raise sqlite3.OperationalError(_ROLLED_BACK)
        self._is_handler, self._refusal = True, None
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if self._refusal is None:
                raise
            raise sqlite3.ProgrammingError(self._refusal) from error  # SQLite says no more than "not authorized"
        finally:
            self._is_handler = False

    def _authorize(self, action: int, _: str | None, __: str | None, database: str | None, ___: str | None) -> int:
        if not self._is_handler:
            return sqlite3.SQLITE_OK
        self._refusal = _REFUSED.get(action)
        if self._refusal is not None:
            return sqlite3.SQLITE_DENY
        self.is_altered = self.is_altered or database == "temp" or action == sqlite3.SQLITE_PRAGMA
        return sqlite3.SQLITE_OK


def mark_beginning(connection: sqlite3.Connection) -> None:
    """Begin what `prove_unbroken` proves."""
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")


def prove_unbroken(connection: sqlite3.Connection) -> None:
    """Prove that the transaction is the one in which `mark_beginning` was called.

    Raises:
        RuntimeError: it is not.
    """
    try:
        connection.execute(f"RELEASE {_SAVEPOINT}")
    except sqlite3.OperationalError as error:
        raise RuntimeError(_ROLLED_BACK) from error
