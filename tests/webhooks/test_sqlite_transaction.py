"""What handlers do on their claim's connection is committed with the event's mark, or not at all."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from vipps_async.errors import ClaimHeld
from vipps_async.webhooks.stores import _sqlite_writer
from vipps_async.webhooks.stores.sqlite import SQLiteClaim, SQLiteStore

KEY = "psp-1:CAPTURED"
SHIP = "INSERT INTO shipments VALUES ('order-1')"
SLOW = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT max(i) FROM n"
TABLES = """
CREATE TABLE shipments (number TEXT);
CREATE TABLE seen (number TEXT UNIQUE);
INSERT INTO seen VALUES ('order-1');
CREATE TABLE audit (line TEXT);
CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ROLLBACK, 'the audit is closed'); END;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shop's database."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    """A store in the shop's database, whose handlers have one connection after the other."""
    async with SQLiteStore(path, connections=1) as store:
        yield store


def shipments(path: Path) -> int:
    """How many effects took place, as another process reads it."""
    with closing(sqlite3.connect(path)) as connection:
        ((number,),) = connection.execute("SELECT count(*) FROM shipments")
        return int(number)


async def is_new(store: SQLiteStore, key: str = KEY) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def handle(store: SQLiteStore, handler: Callable[[SQLiteClaim], Awaitable[None]], key: str = KEY) -> None:
    """Run *handler* inside a claim."""
    async with store.claim(key) as claim:
        await handler(claim)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR ROLLBACK INTO seen VALUES ('order-1')",
        "INSERT INTO audit VALUES ('order-1')",
        "CREATE TEMP TABLE one AS SELECT 1 AS n; INSERT OR ROLLBACK INTO seen VALUES ('order-1')",
    ],
)
async def test_nothing_is_written_after_sqlite_ended_the_transaction(
    path: Path, store: SQLiteStore, statement: str
) -> None:
    """A handler that catches each error, and goes on, leaves nothing, and its event comes again."""
    errors: list[str] = []

    async def go_on(claim: SQLiteClaim) -> None:
        for step in (SHIP, *statement.split("; "), SHIP, "BEGIN", "SELECT 1", SHIP):
            try:
                await claim.connection.execute(step)
            except sqlite3.Error as error:
                errors.append(str(error))

    with pytest.raises(RuntimeError, match="SQLite rolled the claim's transaction back"):
        await handle(store, go_on)
    assert len(errors) == 5
    assert all("SQLite rolled the claim's transaction back" in error for error in errors[1:])
    assert shipments(path) == 0
    assert await is_new(store)


async def test_a_cursor_writes_nothing_after_sqlite_ended_the_transaction(path: Path, store: SQLiteStore) -> None:
    """The same holds for a cursor that the handler made before, and for executemany()."""

    async def go_on(claim: SQLiteClaim) -> None:
        cursor = await claim.connection.cursor()
        with suppress(sqlite3.IntegrityError):
            await cursor.execute("INSERT INTO audit VALUES ('order-1')")
        with pytest.raises(sqlite3.OperationalError, match="rolled"):
            await cursor.execute(SHIP)
        with pytest.raises(sqlite3.OperationalError, match="rolled"):
            await claim.connection.executemany("INSERT INTO shipments VALUES (?)", [["a"], ["b"]])

    with pytest.raises(RuntimeError, match="rolled"):
        await handle(store, go_on)
    assert shipments(path) == 0


async def test_a_transaction_that_was_exchanged_is_noticed(path: Path, store: SQLiteStore) -> None:
    """Also one that the handler ended and began again below aiosqlite: the store proves that it is the one it began."""

    async def exchange(claim: SQLiteClaim) -> None:
        cursor = await claim.connection.execute(SHIP)
        raw: sqlite3.Connection = cursor.connection
        raw.commit()
        raw.execute("BEGIN")

    with pytest.raises(RuntimeError, match="rolled"):
        await handle(store, exchange)
    assert await is_new(store)


@pytest.mark.parametrize("statement", ["ATTACH '{other}' AS other", "DETACH main"])
async def test_a_handler_stays_in_its_file(tmp_path: Path, store: SQLiteStore, statement: str) -> None:
    """SQLite does not commit to two files as one, so another is refused, with what to do instead."""

    async def attach(claim: SQLiteClaim) -> None:
        await claim.connection.execute(statement.format(other=tmp_path / "other.db"))

    with pytest.raises(sqlite3.ProgrammingError, match="file"):
        await handle(store, attach)
    assert not (tmp_path / "other.db").exists()
    assert await is_new(store)


async def test_a_connection_ends_with_its_claim(path: Path, store: SQLiteStore) -> None:
    """Used later, it and its cursors refuse, while another event's handler has the transaction."""
    kept: list[Any] = []

    async def keep(claim: SQLiteClaim) -> None:
        kept.extend((claim.connection, await claim.connection.execute(SHIP)))

    await handle(store, keep)
    connection, cursor = kept
    async with store.claim("psp-2:CAPTURED") as claim:
        await claim.connection.execute(SHIP)
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: connection.execute(SHIP),
            lambda: connection.executemany(SHIP, [[]]),
            lambda: connection.execute_fetchall("SELECT 1"),
            connection.cursor,
            connection.commit,
            lambda: cursor.execute(SHIP),
            cursor.fetchall,
        ]
        for use in uses:
            with pytest.raises(sqlite3.ProgrammingError, match="the claim of this connection was left"):
                await use()
        with pytest.raises(sqlite3.ProgrammingError, match="the claim of this connection was left"):
            connection.row_factory = sqlite3.Row
    assert shipments(path) == 2


async def test_what_a_handler_left_running_writes_nothing_after_its_claim(path: Path, store: SQLiteStore) -> None:
    """A task that outlives its handler finds the connection closed, whatever the next claim does."""
    go_on = asyncio.Event()

    async def write_later(claim: SQLiteClaim) -> None:
        await go_on.wait()
        await claim.connection.execute(SHIP)

    async with store.claim(KEY) as claim:
        await claim.connection.execute("SELECT 1")
        task = asyncio.create_task(write_later(claim))
    async with store.claim("psp-2:CAPTURED") as other:
        await other.connection.execute("SELECT 1")
        go_on.set()
        with pytest.raises(sqlite3.ProgrammingError, match="left"):
            await task
    assert shipments(path) == 0


async def test_what_waits_while_its_handler_fails_is_not_run(path: Path, store: SQLiteStore) -> None:
    """A statement behind a slow one of the same handler is given up with the claim, and reaches no other event's."""
    tasks: list[asyncio.Task[Any]] = []

    async def fail(claim: SQLiteClaim) -> None:
        await claim.connection.execute("SELECT 1")
        tasks.append(asyncio.create_task(_do(claim.connection.execute(SLOW))))
        tasks.append(asyncio.create_task(_do(claim.connection.execute(SHIP))))
        await asyncio.sleep(0)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        await handle(store, fail)
    async with store.claim("psp-2:CAPTURED") as other:
        await other.connection.execute("SELECT 1")
        with pytest.raises(sqlite3.ProgrammingError, match="left"):
            await tasks[1]
        await tasks[0]
    assert shipments(path) == 0


async def _do(work: Awaitable[object]) -> None:
    await work


@pytest.mark.parametrize(
    "takeover",
    [
        lambda connection: connection.close(),
        lambda connection: connection.set_authorizer(None),
        lambda connection: connection.__aenter__(),
        lambda connection: asyncio.to_thread(connection.stop),
    ],
)
async def test_a_handler_does_not_take_the_connection_over(
    path: Path, store: SQLiteStore, takeover: Callable[[Any], Awaitable[None]]
) -> None:
    """It neither closes it nor removes its guard; what it does beside that is committed."""
    async with store.claim(KEY) as claim:
        with pytest.raises(sqlite3.ProgrammingError, match="lent"):
            await takeover(claim.connection)
        await claim.connection.execute(SHIP)
    assert shipments(path) == 1


async def test_statements_of_one_handler_at_once_take_turns(path: Path, store: SQLiteStore) -> None:
    """A handler may gather its statements: they begin one transaction."""
    async with store.claim(KEY) as claim:
        await asyncio.gather(*(claim.connection.execute(SHIP) for _ in range(5)))
    assert shipments(path) == 5


@pytest.mark.parametrize("statement", ["CREATE TEMP TABLE one (number)", "PRAGMA locking_mode = EXCLUSIVE"])
async def test_what_a_handler_leaves_on_its_connection_does_not_reach_the_next(
    path: Path, store: SQLiteStore, statement: str
) -> None:
    """Temporary tables and settings end with the claim, and keep nobody from the file."""
    for key in "ab":
        async with store.claim(key) as claim:
            await claim.connection.execute(statement)
    async with SQLiteStore(path) as other:
        assert await is_new(other, "c")


async def test_a_file_that_is_locked_is_no_failure_of_the_handler(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler whose first statement finds another program writing for long is not to blame: `ClaimHeld`."""
    monkeypatch.setattr(_sqlite_writer, "WRITE_TIMEOUT", 0.1)

    async def write(claim: SQLiteClaim) -> None:
        other.execute("BEGIN IMMEDIATE")
        await claim.connection.execute(SHIP)

    with closing(sqlite3.connect(path, isolation_level=None)) as other, pytest.raises(ClaimHeld):
        await handle(store, write)
    assert shipments(path) == 0


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file grows beyond *size* bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_loses_and_doubles_nothing(path: Path, store: SQLiteStore) -> None:
    """A handler goes on after a write for which there was no room: nothing of it stays, and later all of it does."""
    written: list[bool] = []

    async def ship(claim: SQLiteClaim) -> None:
        with suppress(sqlite3.Error):
            await claim.connection.execute("INSERT INTO seen VALUES (?)", ["x" * 6_000_000])
            written.append(True)
        await claim.connection.execute(SHIP)

    with full_disk(4_000_000), pytest.raises((sqlite3.Error, RuntimeError)):
        await handle(store, ship)
    assert shipments(path) == 0
    await handle(store, ship)
    assert (written, shipments(path)) == ([True], 1)
