"""The connection that a handler sees; the only module that needs aiosqlite.

aiosqlite has no public way to give a connection out for a time. Overridden here are the two places that everything
which a connection and its cursors do goes through; and what would take the connection over is refused.
"""

import sqlite3
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NoReturn, TypeVar

import aiosqlite

from vipps_async.webhooks.stores._sqlite_transaction import LEFT, HandlerTransaction

T = TypeVar("T")

_LENT = "the connection is lent to the handler: the store opens, closes and guards it"


class ClaimConnection(aiosqlite.Connection):
    """The connection that a handler sees, until its claim is left."""

    def __init__(self, transaction: HandlerTransaction) -> None:
        super().__init__(lambda: transaction.connection, iter_chunk_size=64)
        self._connection = transaction.connection
        self._transaction = transaction

    def leave(self) -> None:
        """Refuse everything from now on."""
        self._connection = None

    @property
    def _conn(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError(LEFT)
        return self._connection

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return await self._transaction.execute(partial(fn, *args, **kwargs))

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise sqlite3.ProgrammingError(_LENT)

    async def close(self) -> NoReturn:
        """Refuse: the store closes the connection."""
        raise sqlite3.ProgrammingError(_LENT)

    def stop(self) -> NoReturn:
        """Refuse: the thread is the store's."""
        raise sqlite3.ProgrammingError(_LENT)

    async def set_authorizer(self, authorizer_callback: object) -> NoReturn:  # noqa: ARG002 - aiosqlite's signature
        """Refuse: the store's authorizer keeps the handler from ending the transaction."""
        raise sqlite3.ProgrammingError(_LENT)
