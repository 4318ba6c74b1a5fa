"""Where inboxes are kept: an SQLite file, or a schema of a PostgreSQL server. Any process can open them."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import attrs

from vipps_async.webhooks.stores.base import InboxStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

Rows = list[tuple[Any, ...]]


class Place(Protocol):
    """Where events are held, and where handlers write their effects."""

    def opened(self, **settings: Any) -> AbstractAsyncContextManager[InboxStore]:
        """Open the store, as one process has it, with settings of its own."""
        ...

    async def sql(self, statement: str, *values: object) -> Rows:
        """Run *statement*, with its values for ``$1`` and so on, as another program does, and return the rows."""
        ...

    async def elapse(self, time: timedelta) -> None:
        """Let *time* pass for the events that are held, and for the claims of processes that died."""
        ...

    async def ship(self, claim: Any, what: str) -> None:
        """Take effect through *claim*, as a handler does."""
        ...


@attrs.frozen
class SqlitePlace:
    """A file."""

    path: str

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[SQLiteStore]:
        """Open the store."""
        async with SQLiteStore(self.path, **settings) as store:
            yield store

    async def sql(self, statement: str, *values: object) -> Rows:
        """Run *statement* on a connection of its own."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement.replace("$", "?"), values).fetchall()

    async def elapse(self, time: timedelta) -> None:
        """Move all times into the past, which is the same."""
        await self.sql(
            "UPDATE vipps_inbox SET due_at = due_at - $1, stored_at = stored_at - $1, died_at = died_at - $1",
            time.total_seconds(),
        )
        await self.sql("UPDATE vipps_events SET expires_at = expires_at - $1", time.total_seconds())

    async def ship(self, claim: Any, what: str) -> None:
        """Insert a row."""
        await claim.connection.execute("INSERT INTO effects VALUES (?)", [what])


@attrs.frozen
class PostgresPlace:
    """A schema of a server, which PgBouncer is in front of if no statements are to be cached."""

    url: str
    statement_cache_size: int = 100

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[PostgresStore]:
        """Open the store."""
        async with asyncpg.create_pool(
            self.url, min_size=0, max_size=8, statement_cache_size=self.statement_cache_size
        ) as pool:
            store = PostgresStore(pool, table="vipps", **settings)  # so that the inbox's table is called as SQLite's is
            await store.create_schema()
            yield store

    async def sql(self, statement: str, *values: object) -> Rows:
        """Run *statement* on a connection of its own."""
        connection = await asyncpg.connect(self.url, statement_cache_size=self.statement_cache_size)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    async def elapse(self, time: timedelta) -> None:
        """Move all times into the past, which is the same."""
        await self.sql(
            "UPDATE vipps_inbox SET due_at = due_at - $1::interval, stored_at = stored_at - $1::interval, "
            "died_at = died_at - $1::interval",
            time,
        )
        await self.sql("UPDATE vipps SET expires_at = expires_at - $1::interval", time)

    async def ship(self, claim: Any, what: str) -> None:
        """Insert a row."""
        await claim.connection.execute("INSERT INTO effects VALUES ($1)", what)
