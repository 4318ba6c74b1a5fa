"""The stores that chaos is tried on.

To add one: write a class like `Sqlite`, and name it in `STORES`, or in `INBOXES` if it can hold events. The short and
the long form then run on it.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import aiosqlite
import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import attrs
from redis.asyncio import Redis

from tests.support.servers.pgbouncer import PgBouncer
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import RedisServer
from vipps_async.epayment import PaymentEvent
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.redis import RedisStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

Effect = Callable[[PaymentEvent, Any], Awaitable[None]]


@attrs.frozen
class Written:
    """What an effect left.

    Attributes:
        event: the event's ``pspReference``.
        seen: how many effects of its payment the handler had read before it wrote, where the store has transactions.
    """

    event: str
    seen: int | None = None


@attrs.frozen
class Opened:
    """A store as one receiver process has it, and how its handlers take effect: they read, then they write.

    Attributes:
        store: the store.
        together: writes the effect through the claim, so that it commits with the mark; where the store has no
            transactions, the same as *apart*.
        apart: writes the effect at once, whatever becomes of the claim.
    """

    store: EventStore
    together: Effect
    apart: Effect


@attrs.frozen
class Held:
    """What is in an inbox, as the database tells it to anybody.

    Attributes:
        waiting: the bodies of the events that are to be handled, by their keys.
        dead: the keys of the dead letters.
    """

    waiting: Mapping[str, bytes]
    dead: list[str]

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> "Held":
        """Return what *rows* of key, body and whether it is dead say."""
        rows = [*rows]
        return cls({key: body for key, body, is_dead in rows if not is_dead}, [row[0] for row in rows if row[2]])


class ChaosStore(Protocol):
    """What the harness needs to know of a store.

    Attributes:
        is_exact: whether *together* takes effect exactly once; otherwise at least once, and more than once only for
            an event whose handler was interrupted.
    """

    is_exact: bool

    def server(self, folder: Path) -> AbstractAsyncContextManager[str]:
        """Run what the store needs, with no events and no effects, and give what `opened` and `effects` need."""
        ...

    def opened(self, location: str, lease: timedelta) -> AbstractAsyncContextManager[Opened]:
        """Open the store in a receiver process."""
        ...

    async def effects(self, location: str) -> list[Written]:
        """Return what handlers have written, in the order in which they did."""
        ...


class ChaosServer(Protocol):
    """A server that crashes in its run."""

    async def crash(self) -> None:
        """Let it crash, and start it again."""
        ...


class ChaosInbox(ChaosStore, Protocol):
    """A store that can hold events."""

    async def held(self, location: str) -> Held:
        """Return what its inbox holds, read with plain SQL."""
        ...


def payment_of(event: PaymentEvent) -> str:
    """Whose payment it is, and which."""
    return f"{event.msn}/{event.reference}"


_WRITTEN = "SELECT event, seen FROM effects ORDER BY id"


class Sqlite:
    """A file."""

    is_exact = True

    @asynccontextmanager
    async def server(self, folder: Path) -> AsyncIterator[str]:
        """A file has no server; the table of effects holds doubles."""
        location = str(folder / "events.db")
        with closing(sqlite3.connect(location)) as connection:
            connection.execute("CREATE TABLE effects (id INTEGER PRIMARY KEY, payment TEXT, event TEXT, seen INTEGER)")
        yield location

    @asynccontextmanager
    async def opened(self, location: str, lease: timedelta) -> AsyncIterator[Opened]:
        """Open the store, and a connection of the shop's own."""

        async def take_effect(connection: Any, event: PaymentEvent) -> None:
            payment = payment_of(event)
            ((seen,),) = await connection.execute_fetchall("SELECT count(*) FROM effects WHERE payment = ?", [payment])
            insert = "INSERT INTO effects (payment, event, seen) VALUES (?, ?, ?)"
            await connection.execute(insert, [payment, event.psp_reference, seen])

        async def together(event: PaymentEvent, claim: Any) -> None:
            await take_effect(claim.connection, event)

        async def apart(event: PaymentEvent, _: Any) -> None:
            await take_effect(own, event)

        async with (
            aiosqlite.connect(location, timeout=10, isolation_level=None) as own,
            SQLiteStore(location, lease=lease) as store,
        ):
            yield Opened(store, together, apart)

    async def effects(self, location: str) -> list[Written]:
        """Read the rows, and have SQLite check the file that so many processes died over."""
        with closing(sqlite3.connect(location)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return [Written(*row) for row in connection.execute(_WRITTEN)]

    async def held(self, location: str) -> Held:
        """Read the file as another program does."""
        with closing(sqlite3.connect(location)) as connection:
            return Held.of(connection.execute("SELECT key, body, died_at IS NOT NULL FROM vipps_inbox"))


class InRedis:
    """A server with a password that keeps nothing."""

    is_exact = False

    @asynccontextmanager
    async def server(self, folder: Path) -> AsyncIterator[str]:  # noqa: ARG002 - a server has a folder of its own
        """A server for this run."""
        with RedisServer() as server:
            yield server.url

    @asynccontextmanager
    async def opened(self, location: str, lease: timedelta) -> AsyncIterator[Opened]:
        """Open the store; the shop counts its effects in the same server, with a client of its own."""

        async def note(event: PaymentEvent, _: Any) -> None:
            await own.rpush("effects", event.psp_reference)

        async with Redis.from_url(location) as client, Redis.from_url(location) as own:
            yield Opened(RedisStore(client, lease=lease), note, note)

    async def effects(self, location: str) -> list[Written]:
        """Return the shop's list, and check that nothing else stays in the server."""
        async with Redis.from_url(location, decode_responses=True) as client:
            staying = [key async for key in client.scan_iter(count=1000) if await client.pttl(key) == -1]
            assert staying == ["effects"]
            return [Written(str(event)) for event in await client.lrange("effects", 0, -1)]


class InPostgres:
    """A server of the run's own."""

    is_exact = True
    statement_cache_size = 100
    _server: PostgresServer | None = None

    @asynccontextmanager
    async def server(self, folder: Path) -> AsyncIterator[str]:  # noqa: ARG002 - a server has a folder of its own
        """A server for this run; the table of effects holds doubles."""
        with PostgresServer() as server:
            self._server = server
            await self._prepare(server.url())
            yield server.url()

    async def _prepare(self, location: str) -> None:
        async with self._pool(location, 1) as pool:
            await PostgresStore(pool).create_schema()
            await pool.execute("CREATE TABLE effects (id bigserial, payment text, event text, seen integer)")

    def _pool(self, location: str, connections: int) -> Any:
        cached = self.statement_cache_size
        return asyncpg.create_pool(location, min_size=0, max_size=connections, statement_cache_size=cached)

    @asynccontextmanager
    async def opened(self, location: str, lease: timedelta) -> AsyncIterator[Opened]:  # noqa: ARG002 - it has none
        """Open the store, and a pool of the shop's own, since handlers that wait for the store's would starve it."""

        async def take_effect(connection: Any, event: PaymentEvent) -> None:
            payment = payment_of(event)
            seen = await connection.fetchval("SELECT count(*) FROM effects WHERE payment = $1", payment)
            insert = "INSERT INTO effects (payment, event, seen) VALUES ($1, $2, $3)"
            await connection.execute(insert, payment, event.psp_reference, seen)

        async def together(event: PaymentEvent, claim: Any) -> None:
            await take_effect(claim.connection, event)

        async def apart(event: PaymentEvent, _: Any) -> None:
            await take_effect(own, event)

        async with (
            self._pool(location, 8) as pool,
            self._pool(location, 4) as own,
        ):
            yield Opened(PostgresStore(pool), together, apart)

    async def effects(self, location: str) -> list[Written]:
        """Read the rows, and check that the processes that died left no lock behind."""
        async with self._pool(location, 1) as pool:
            assert await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
            return [Written(*row) for row in await pool.fetch(_WRITTEN)]

    async def crash(self) -> None:
        """Shut the server down immediately, which leaves it no time to write anything, and start it again."""
        assert self._server is not None
        await asyncio.to_thread(self._server.stop_immediately)
        await asyncio.to_thread(self._server.start)

    async def held(self, location: str) -> Held:
        """Read the table on a connection of its own."""
        async with self._pool(location, 1) as pool:
            return Held.of(await pool.fetch("SELECT key, body, died_at IS NOT NULL FROM vipps_events_inbox"))


class ThroughPgBouncer(InPostgres):
    """The same behind PgBouncer's transaction pooling, which has fewer connections than the processes."""

    statement_cache_size = 0

    @asynccontextmanager
    async def server(self, folder: Path) -> AsyncIterator[str]:  # noqa: ARG002 - as above
        """A server for this run, and a PgBouncer in front of it."""
        with PostgresServer() as server, PgBouncer(server, connections=12) as bouncer:
            self._server, self._location = server, bouncer.url
            await self._prepare(bouncer.url)
            yield bouncer.url

    async def crash(self) -> None:
        """Crash the server as before, and wait until PgBouncer, which pauses after a failed login, lets one in."""
        await super().crash()
        while not await self._is_open():
            await asyncio.sleep(0.1)

    async def _is_open(self) -> bool:
        try:
            async with self._pool(self._location, 1) as pool:
                return bool(await pool.fetchval("SELECT true"))
        except (asyncpg.PostgresError, OSError):
            return False


_POSTGRES, _PGBOUNCER = InPostgres(), ThroughPgBouncer()
SERVERS: dict[str, ChaosServer] = {"postgres": _POSTGRES, "pgbouncer": _PGBOUNCER}
INBOXES: dict[str, ChaosInbox] = {"sqlite": Sqlite(), "postgres": _POSTGRES, "pgbouncer": _PGBOUNCER}
STORES: dict[str, ChaosStore] = {"redis": InRedis(), **INBOXES}
