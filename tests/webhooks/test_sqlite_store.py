"""The store in a file keeps the contract, also between processes, and commits effect and mark together."""

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.webhooks.deliveries import delivery, event, receiver_of
from tests.support.webhooks.store_contract import StoreContract
from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ClaimHeld, ConfigurationError
from vipps_async.webhooks.stores import _sqlite_file, _sqlite_marks, _sqlite_writer
from vipps_async.webhooks.stores.sqlite import SQLiteClaim, SQLiteStore

KEY = "psp-1:CAPTURED"
SHIP = "INSERT INTO shipments VALUES ('order-1')"
SHORT = timedelta(seconds=0.4)

HOLD = """
import asyncio, sys
from datetime import timedelta
from vipps_async.webhooks.stores.sqlite import SQLiteStore

async def hold():
    async with SQLiteStore(sys.argv[1], lease=timedelta(seconds=0.4)) as store, store.claim("psp-1:CAPTURED") as claim:
        await claim.connection.execute("INSERT INTO shipments VALUES ('order-1')")
        print("inside", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""
FORGET_TO_CLOSE = """
import asyncio, sys
from vipps_async.webhooks.stores.sqlite import SQLiteStore

store = SQLiteStore(sys.argv[1])

async def main():
    async with store.claim("a"):
        pass

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shop's database, with a table for what handlers do."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE shipments (number TEXT)")
    return path


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    """A store in the shop's database."""
    async with SQLiteStore(path) as store:
        yield store


class TestSQLiteStore(StoreContract):
    """The contract of every store."""


def rows(path: Path, query: str) -> list[Any]:
    """Read the file as another process does."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def shipments(path: Path) -> int:
    """How many effects took place."""
    return len(rows(path, "SELECT * FROM shipments"))


async def is_new(store: SQLiteStore, key: str = KEY) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def handle(store: SQLiteStore, handler: Callable[[SQLiteClaim], Awaitable[None]]) -> None:
    """Run *handler* inside a claim."""
    async with store.claim(KEY) as claim:
        await handler(claim)


async def ship_once(store: SQLiteStore) -> None:
    """Do what a handler does."""
    async with store.claim(KEY) as claim:
        if not claim.is_duplicate:
            await claim.connection.execute(SHIP)


def later(seconds: float) -> Callable[[], float]:
    """The clock of somebody for whom leases have run out."""
    return lambda: time.time() + seconds


async def free(store: SQLiteStore) -> float:
    """Wait until the event can be claimed, and return how many seconds that took."""
    start = time.monotonic()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await is_new(store)
            except ClaimHeld:
                await asyncio.sleep(0.01)
            else:
                return time.monotonic() - start


async def test_a_claim_of_another_process_is_held_until_it_dies(path: Path) -> None:
    """What a living process holds stays held beyond its lease; after kill -9 it is free soon, and without effect."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"inside\n"
    async with SQLiteStore(path, lease=SHORT) as store:
        for _ in range(10):
            with pytest.raises(ClaimHeld):
                await is_new(store)
        process.kill()
        await process.wait()
        assert await free(store) < 5
    assert shipments(path) == 0


async def test_effect_and_mark_are_committed_together(path: Path, store: SQLiteStore) -> None:
    """Inside the claim nobody sees the effect or the mark; after it, both are there."""
    async with store.claim(KEY) as claim:
        await claim.connection.execute(SHIP)
        assert shipments(path) == 0
        assert rows(path, "SELECT holder IS NULL FROM vipps_events") == [(0,)]
    assert shipments(path) == 1
    assert rows(path, "SELECT holder IS NULL FROM vipps_events") == [(1,)]


async def test_an_exception_undoes_the_effect(path: Path, store: SQLiteStore) -> None:
    """What a handler wrote before it raised is gone, tables included, and the event can be claimed."""

    async def fail(claim: SQLiteClaim) -> None:
        await claim.connection.execute(SHIP)
        await claim.connection.execute("CREATE TABLE more (number TEXT)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await handle(store, fail)
    assert shipments(path) == 0
    assert not rows(path, "SELECT * FROM sqlite_master WHERE name = 'more'")
    assert await is_new(store)


async def test_a_handler_s_effect_commits_with_its_event(path: Path, store: SQLiteStore) -> None:
    """Of a handler that fails twice and then succeeds one effect remains, however often the event comes again."""
    receiver = receiver_of(store=store)
    attempts = 0

    @receiver.on("CAPTURED")
    async def ship(event: PaymentEvent, claim: SQLiteClaim) -> None:
        nonlocal attempts
        attempts += 1
        await claim.connection.execute("INSERT INTO shipments VALUES (?)", [event.reference])
        if attempts < 3:
            raise RuntimeError

    statuses = [(await receiver.handle(delivery(event()))).status for _ in range(5)]
    assert statuses == [500, 500, 200, 200, 200]
    assert shipments(path) == 1


async def test_who_lost_the_lease_commits_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was paused for longer than its lease, while another took over, does not add a second effect."""
    async with SQLiteStore(path) as paused, SQLiteStore(path, clock=later(61)) as other:

        async def pause(claim: SQLiteClaim) -> None:
            await ship_once(other)
            await claim.connection.execute(SHIP)

        with pytest.raises(ClaimHeld):
            await handle(paused, pause)
        assert shipments(path) == 1
        assert not await is_new(paused)
    assert f"event {KEY} was taken over" in caplog.text


async def test_who_lost_the_lease_does_not_give_away_another_s(path: Path) -> None:
    """When the paused process gives up, the claim of who took over stays held."""
    async with SQLiteStore(path) as paused, SQLiteStore(path, clock=later(61)) as other:
        mine = paused.claim(KEY)
        await mine.__aenter__()
        async with other.claim(KEY):
            with pytest.raises(ClaimHeld):
                await mine.__aexit__(None, None, None)
            with pytest.raises(ClaimHeld):
                await is_new(paused)


async def test_a_lease_that_nobody_took_is_still_good(path: Path, store: SQLiteStore) -> None:
    """A handler that outlived its lease commits if nobody took over meanwhile."""
    async with store.claim(KEY) as claim:
        await claim.connection.execute(SHIP)
        await claim.connection.execute("UPDATE vipps_events SET expires_at = 0")
    assert shipments(path) == 1
    assert not await is_new(store)


async def test_a_lease_is_renewed_while_its_handler_runs(path: Path) -> None:
    """A handler that takes three times the lease keeps its claim."""
    async with SQLiteStore(path, lease=SHORT) as store, SQLiteStore(path, lease=SHORT) as other:

        async def take_long(claim: SQLiteClaim) -> None:
            for _ in range(12):
                await asyncio.sleep(0.1)
                with pytest.raises(ClaimHeld):
                    await is_new(other)
            await claim.connection.execute(SHIP)

        await handle(store, take_long)
    assert shipments(path) == 1


async def test_who_waits_for_a_handler_that_writes_does_not_run_after_it(path: Path) -> None:
    """A handler that holds the file for longer than its lease is not followed by whom that kept waiting."""
    async with SQLiteStore(path, lease=SHORT) as store, SQLiteStore(path, clock=later(10)) as other:
        async with store.claim(KEY) as claim:
            await claim.connection.execute(SHIP)
            waiting = asyncio.create_task(ship_once(other))
            await asyncio.sleep(0.6)
            assert not waiting.done()
        with pytest.raises(ClaimHeld):
            await waiting
        assert not await is_new(other)
    assert shipments(path) == 1


async def test_what_a_handler_has_read_still_holds_when_it_writes(path: Path, store: SQLiteStore) -> None:
    """From the first statement on, which may be a read, nobody else writes until the mark."""
    async with store.claim(KEY) as claim:
        await claim.connection.execute_fetchall("SELECT * FROM shipments")
        with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("DELETE FROM shipments")
        await claim.connection.execute(SHIP)
    assert shipments(path) == 1


async def test_handlers_that_read_before_they_write_wait_for_each_other(path: Path, store: SQLiteStore) -> None:
    """Of sixty payments at once each is handled at the first attempt, and no update is lost."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE stock AS SELECT 100 AS number")
    receiver = receiver_of(store=store)

    @receiver.on("CAPTURED")
    async def take(event: PaymentEvent, claim: SQLiteClaim) -> None:
        ((number,),) = await claim.connection.execute_fetchall("SELECT number FROM stock")
        await asyncio.sleep(0)
        await claim.connection.execute("UPDATE stock SET number = ?", [number - 1])

    bodies = [event(reference=f"order-{number:04}", pspReference=f"psp-{number}") for number in range(60)]
    replies = await asyncio.gather(*(receiver.handle(delivery(body)) for body in bodies))
    assert [reply.status for reply in replies] == [200] * 60
    assert rows(path, "SELECT number FROM stock") == [(40,)]


async def test_handlers_that_do_not_write_run_side_by_side(store: SQLiteStore) -> None:
    """Before its first statement a handler is in nobody's way."""
    async with store.claim("a"):
        async with store.claim("b") as other:
            await other.connection.execute(SHIP)
        assert not await is_new(store, "b")
    assert not await is_new(store, "a")


@pytest.mark.parametrize(
    "end",
    [
        lambda connection: connection.commit(),
        lambda connection: connection.rollback(),
        lambda connection: connection.execute("COMMIT"),
        lambda connection: connection.execute("END"),
        lambda connection: connection.executescript("CREATE TABLE more (number TEXT)"),
    ],
)
async def test_a_handler_cannot_end_the_transaction(
    path: Path, store: SQLiteStore, end: Callable[[Any], Awaitable[None]]
) -> None:
    """A handler that commits by itself, which would part effect and mark, fails at once and without effect."""

    async def ship(claim: SQLiteClaim) -> None:
        await claim.connection.execute(SHIP)
        await end(claim.connection)

    assert await is_new(store, "psp-2:CAPTURED")  # the store has committed on the connection before
    with pytest.raises(sqlite3.ProgrammingError, match="the store commits or rolls back"):
        await handle(store, ship)
    assert shipments(path) == 0
    assert await is_new(store)


async def test_a_handler_may_use_savepoints(path: Path, store: SQLiteStore) -> None:
    """Parts of an effect can be undone."""
    async with store.claim(KEY) as claim:
        await claim.connection.execute(SHIP)
        await claim.connection.execute("SAVEPOINT more")
        await claim.connection.execute(SHIP)
        await claim.connection.execute("ROLLBACK TO more")
        await claim.connection.execute("RELEASE more")
    assert shipments(path) == 1


async def test_a_transaction_that_sqlite_ended_is_not_marked(path: Path, store: SQLiteStore) -> None:
    """A statement that rolls everything back, caught by the handler, gives the event back."""

    async def clash(claim: SQLiteClaim) -> None:
        await claim.connection.execute("CREATE TEMP TABLE one (number INTEGER PRIMARY KEY)")
        await claim.connection.execute(SHIP)
        await claim.connection.execute("INSERT INTO one VALUES (1)")
        with pytest.raises(sqlite3.IntegrityError):
            await claim.connection.execute("INSERT OR ROLLBACK INTO one VALUES (1)")

    with pytest.raises(RuntimeError, match="rolled"):
        await handle(store, clash)
    assert shipments(path) == 0
    assert await is_new(store)


async def test_a_duplicate_has_no_connection(store: SQLiteStore) -> None:
    """Nothing can be written for an event that took effect."""
    assert await is_new(store)
    async with store.claim(KEY) as claim:
        with pytest.raises(RuntimeError, match="duplicate"):
            _ = claim.connection


async def test_what_a_handler_set_on_its_connection_does_not_reach_the_next(store: SQLiteStore) -> None:
    """A row factory ends with its claim."""
    for key in "ab":
        async with store.claim(key) as claim:
            assert claim.connection.row_factory is None
            claim.connection.row_factory = sqlite3.Row


class CancelledAt:
    """Awaits *work*, and cancels its task at the suspensions of these numbers."""

    def __init__(self, work: Coroutine[Any, Any, None], *numbers: int) -> None:
        self.work = work
        self.numbers = numbers
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, None]:
        """Step through the work."""
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = self.work.send(None) if thrown is None else self.work.throw(thrown)
            except StopIteration:
                return
            thrown = None
            self.suspensions += 1
            task = asyncio.current_task()
            if self.suspensions in self.numbers and task is not None:
                task.cancel()
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - handed on
                thrown = error


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_cancelling_anywhere_leaves_both_or_neither(path: Path, times: int) -> None:
    """Cancelled at any suspension, also again while cleaning up: effect and mark agree, and nothing stays locked."""
    async with SQLiteStore(path, connections=1) as store:
        for number in range(1, 40):
            run = CancelledAt(ship_once(store), *range(number, number + times))
            task = asyncio.ensure_future(_await(run))
            await asyncio.wait([task])
            await free_or_done(store, "other")
            with closing(sqlite3.connect(path, timeout=5)) as other, other:
                effects = other.execute("DELETE FROM shipments").rowcount
                other.execute("DELETE FROM vipps_events WHERE key = 'other'")
            assert effects == (not await is_new(store)), number
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("DELETE FROM vipps_events")
            if not task.cancelled():
                assert run.suspensions < number
                return
    pytest.fail("the work never ended")


async def _await(run: CancelledAt) -> None:
    await run


async def free_or_done(store: SQLiteStore, key: str) -> None:
    """Claim *key* in a store whose only connection must be free and outside of a transaction."""
    async with asyncio.timeout(5), store.claim(key) as claim:
        if not claim.is_duplicate:
            await claim.connection.execute("SELECT 1")
            assert claim.connection.in_transaction


async def test_an_event_is_remembered_for_the_retention(path: Path) -> None:
    """Up to the retention, that moment included, an event is a duplicate; after it, a purge forgets it."""
    now = 1_000_000.0
    async with SQLiteStore(path, retention=timedelta(seconds=600), clock=lambda: now) as store:
        assert await is_new(store)
        now += 600
        assert await is_new(store, "psp-2:CAPTURED")
        assert not await is_new(store)
        now += 0.01
        assert await is_new(store, "psp-3:CAPTURED")
        assert await is_new(store)


async def test_old_events_are_deleted_a_few_at_a_time(path: Path, store: SQLiteStore) -> None:
    """An event deletes at most two, the oldest first, and nothing that is still remembered."""
    old = time.time() - 1000
    with closing(sqlite3.connect(path)) as other, other:
        other.executemany("INSERT INTO vipps_events VALUES (?, NULL, ?)", [(f"old-{i}", old + i) for i in range(10)])
        other.execute("INSERT INTO vipps_events VALUES ('dead', 'process', ?)", [old - 8 * 86400])
    left = []
    for key in "abcd":
        assert await is_new(store, key)
        left.append(len(rows(path, "SELECT * FROM vipps_events WHERE expires_at < unixepoch()")))
    assert left == [9, 7, 5, 3]
    assert [await is_new(store, key) for key in "abcd"] == [False] * 4


async def test_purging_uses_the_index(path: Path, store: SQLiteStore) -> None:
    """What is purged is found without reading the table."""
    plan = rows(path, f"EXPLAIN QUERY PLAN {_sqlite_marks._PURGE.replace(':horizon', '0').replace(':now', '0')}")
    assert not [step for *_, step in plan if step.startswith("SCAN") and "INDEX" not in step]


async def test_a_file_that_is_opened_again_remembers(path: Path) -> None:
    """Events outlive the process, and a store that was closed opens again on use."""
    store = SQLiteStore(path)
    assert await is_new(store)
    await store.close()
    assert not await is_new(store)
    await store.close()
    await store.close()
    async with SQLiteStore(str(path)) as other:
        assert not await is_new(other)


async def test_the_file_is_created_in_write_ahead_mode(tmp_path: Path) -> None:
    """Readers and writers do not wait for each other; create_schema() can be called again and again."""
    async with SQLiteStore(tmp_path / "new.db") as store:
        await store.create_schema()
        await store.create_schema()
    assert rows(tmp_path / "new.db", "PRAGMA journal_mode") == [("wal",)]


async def test_the_schema_can_be_applied_by_hand(tmp_path: Path) -> None:
    """`schema` is what the store needs, and creates nothing twice."""
    path = tmp_path / "migrated.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SQLiteStore(path).schema)
        before = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    async with SQLiteStore(path) as store:
        assert await is_new(store)
    assert rows(path, "SELECT sql FROM sqlite_master") == before


async def test_many_can_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Processes that start together do not fail over who creates the file."""
    stores = [SQLiteStore(tmp_path / "new.db") for _ in range(8)]
    outcomes = await asyncio.gather(*(is_new(store) for store in stores), return_exceptions=True)
    assert outcomes.count(True) == 1
    assert all(outcome is False or isinstance(outcome, bool | ClaimHeld) for outcome in outcomes)
    for store in stores:
        await store.close()


async def ended(before: int) -> None:
    """Wait until the connections' threads have ended: they are told, and not joined."""
    async with asyncio.timeout(5):
        while threading.active_count() > before:
            await asyncio.sleep(0.01)


async def test_connections_are_few_and_kept(path: Path) -> None:
    """However many events arrive, there are as many threads as connections, and two for the store's own steps."""
    before = threading.active_count()
    async with SQLiteStore(path, connections=3) as store:
        claims = await asyncio.gather(*(is_new(store, f"event-{index}") for index in range(40)))
        threads = set(threading.enumerate())
        assert [await is_new(store, f"later-{index}") for index in range(10)] == [True] * 10
        assert all(claims)
        assert len(threads) == before + 5
        assert threads == set(threading.enumerate())
    await ended(before)


async def test_an_event_for_which_there_is_no_connection_comes_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While handlers have every connection, the next event was not tried, and is not held afterwards."""
    monkeypatch.setattr(_sqlite_file, "CONNECTION_TIMEOUT", 0.1)
    async with SQLiteStore(path, connections=1) as store:
        async with store.claim("slow"):
            with pytest.raises(ClaimHeld):
                await is_new(store)
        assert await is_new(store)


async def test_a_file_that_stays_locked_makes_the_event_come_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's long transaction is an answer of 503, not a hang; afterwards the event takes effect."""
    async with SQLiteStore(path) as store:
        receiver = receiver_of(store=store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other, monkeypatch.context() as patch:
            patch.setattr(_sqlite_writer, "WRITE_TIMEOUT", 0.1)
            other.execute("BEGIN IMMEDIATE")
            assert (await receiver.handle(delivery(event()))).status == 503
            other.execute("ROLLBACK")
        assert (await receiver.handle(delivery(event()))).status == 200


async def test_closing_under_a_claim_loses_nothing(path: Path) -> None:
    """A claim that is inside while the store is closed still commits, and closes its connection."""
    before = threading.active_count()
    store = SQLiteStore(path)
    async with store.claim(KEY) as claim:
        await store.close()
        await claim.connection.execute(SHIP)
    assert shipments(path) == 1
    await ended(before)


def _make_directory(path: Path) -> Path:
    path.mkdir()
    return path


def _write_text(path: Path) -> Path:
    path.write_text("no database" * 100)
    return path


@pytest.mark.parametrize(
    "spoil", [_make_directory, _write_text, lambda path: path / "missing" / "events.db", lambda _: ":memory:"]
)
async def test_a_file_that_cannot_work_is_refused(tmp_path: Path, spoil: Callable[[Path], Path | str]) -> None:
    """A directory, some other file, a missing folder and memory that no process shares are told at the start."""
    with pytest.raises(ConfigurationError, match="file"):
        await SQLiteStore(spoil(tmp_path / "events.db")).create_schema()


@pytest.mark.parametrize(
    "settings", [{"lease": timedelta(0)}, {"retention": timedelta(seconds=-1)}, {"connections": 0}]
)
def test_settings_that_cannot_work_are_refused(path: Path, settings: dict[str, Any]) -> None:
    """None may be 0, or less."""
    with pytest.raises(ConfigurationError, match=r"from 0\.001 seconds|must be 1 or more"):
        SQLiteStore(path, **settings)


def test_a_missing_library_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says how to install it."""
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    monkeypatch.delitem(sys.modules, "vipps_async.webhooks.stores._sqlite_connection", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'vipps-async\[sqlite\]'"):
        SQLiteStore(path)


def test_a_store_that_was_not_closed_lets_the_process_end(tmp_path: Path) -> None:
    """The connections' threads do not keep the interpreter alive."""
    command = [sys.executable, "-W", "ignore", "-c", FORGET_TO_CLOSE, str(tmp_path / "events.db")]
    assert subprocess.run(command, timeout=20, check=False).returncode == 0


async def test_a_store_can_be_cancelled_while_it_opens_the_file(path: str) -> None:
    """Whenever that is, the file is closed; Python 3.13 and later warn of one that is not."""

    async def use() -> None:
        async with SQLiteStore(path):
            await asyncio.Event().wait()

    for turns in range(12):
        using = asyncio.create_task(use())
        for _ in range(turns):
            await asyncio.sleep(0)
        using.cancel()
        await asyncio.wait({using})
        assert using.cancelled()
        gc.collect()


async def test_a_lease_that_ended_is_good_while_nobody_took_it(path: Path) -> None:
    """Also after the purge that another event's end brings: whoever still has it completes it."""
    now = 1_000_000.0
    async with SQLiteStore(path, lease=60, clock=lambda: now) as store:
        async with store.claim("slow") as claim:
            assert not claim.is_duplicate
            now += 3600
            async with store.claim("quick"):
                pass
        async with store.claim("slow") as again:
            assert again.is_duplicate
