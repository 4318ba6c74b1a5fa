"""A file is opened by whom it can work for, at the version that is known, and in one process at a time for writing."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.webhooks.deliveries import delivery, event, receiver_of
from vipps_async.errors import ClaimHeld, ConfigurationError, WrongEventLoop
from vipps_async.webhooks.stores import _sqlite_writer
from vipps_async.webhooks.stores.sqlite import SQLiteStore

FORK = """
import asyncio, os, sys
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.stores.sqlite import SQLiteStore

async def use(store, *, closes=False):
    async with store.claim("a"):
        pass
    if closes:
        await store.close()

store = SQLiteStore(sys.argv[1])
asyncio.run(use(store, closes=sys.argv[2] == "closed"))
if os.fork() == 0:
    for each in (store, SQLiteStore(sys.argv[1])):
        try:
            asyncio.run(asyncio.wait_for(use(each), 10))
        except ConfigurationError as error:
            print(error, flush=True)
        else:
            print("works", flush=True)
    os._exit(0)
os.wait()
os._exit(0)
"""
STAND_STILL = """
import asyncio, sys
from datetime import timedelta
from vipps_async.webhooks.stores.sqlite import SQLiteStore

async def hold():
    async with SQLiteStore(sys.argv[1], lease=timedelta(seconds=1)) as store:
        async with store.claim("theirs") as claim:
            await claim.connection.execute("INSERT INTO shipments VALUES ('theirs')")
            print("inside", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
        print("committed", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(hold())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shop's database."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE shipments (number TEXT)")
    return path


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """Read the file as another program does."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def change(path: Path, script: str) -> None:
    """Change the file as another program does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


async def is_new(store: SQLiteStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def test_the_tables_have_a_version(path: Path) -> None:
    """Beside the shop's own tables, and opened again they are the same."""
    for _ in range(2):
        async with SQLiteStore(path):
            assert rows(path, "SELECT version FROM vipps_schema") == [(1,)]


async def test_tables_without_a_version_are_refused_by_name(path: Path) -> None:
    """Nothing is changed in them."""
    change(path, "CREATE TABLE vipps_events (key TEXT PRIMARY KEY, holder TEXT, at REAL)")
    before = rows(path, "SELECT sql FROM sqlite_master")
    with pytest.raises(ConfigurationError, match=r"shop.db' has tables without a schema version, vipps_events"):
        await SQLiteStore(path).create_schema()
    assert rows(path, "SELECT sql FROM sqlite_master") == before


async def test_tables_of_a_newer_version_are_refused_by_name(path: Path) -> None:
    """What a later package has changed is not written to."""
    async with SQLiteStore(path):
        pass
    change(path, "UPDATE vipps_schema SET version = 2")
    with pytest.raises(ConfigurationError, match="schema version 2, and this vipps_async works with 1"):
        await SQLiteStore(path).create_schema()


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_file_that_was_open_at_a_fork_is_refused_in_the_child(path: Path, state: str) -> None:
    """By its name, to every store there: SQLite would lose what the child commits. Closed before, it works."""
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(path), state]
    answers = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout.splitlines()
    if state == "closed":
        assert answers == ["works", "works"]
    else:
        assert len(answers) == 2
        assert all("shop.db' was open when this process was forked" in answer for answer in answers)


def test_a_file_that_one_of_two_connections_left_open_is_refused_after_a_fork(path: Path) -> None:
    """Each connection counts: closing one does not make the file one that nobody has open."""
    script = """
import os, sys
from vipps_async import ConfigurationError
from vipps_async.webhooks.stores._sqlite_forks import note_closed, note_opened, refuse_inherited

path, closed = sys.argv[1], int(sys.argv[2])
open(path, "w").close()
opened = [note_opened(path), note_opened(path)]
for identity in opened[:closed]:
    note_closed(identity)
child = os.fork()
if child == 0:
    try:
        refuse_inherited(path)
    except ConfigurationError:
        os._exit(3)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    commands = ([sys.executable, "-c", script, str(path), str(closed)] for closed in (0, 1, 2))
    assert [subprocess.run(command, check=False).returncode for command in commands] == [3, 3, 0]


def test_a_store_works_in_one_event_loop_after_another(path: Path) -> None:
    """Closed or not, what belonged to the old loop is made anew, and its threads end."""
    before, store = threading.active_count(), SQLiteStore(path)
    assert [asyncio.run(is_new(store, "a")) for _ in range(3)] == [True, False, False]
    asyncio.run(store.close())
    del store
    while threading.active_count() > before:
        time.sleep(0.01)


def test_a_second_event_loop_at_once_is_refused_by_name(path: Path) -> None:
    """Before anything is done: no delivery hangs, and none is claimed."""
    store = SQLiteStore(path)

    async def use_twice() -> None:
        async with store.claim("a"):
            with pytest.raises(WrongEventLoop, match="SQLiteStore"):
                await asyncio.to_thread(lambda: asyncio.run(is_new(store, "b")))
        await store.close()

    asyncio.run(use_twice())
    assert rows(path, "SELECT key FROM vipps_events") == [("a",)]


@contextmanager
def writer_that_stands_still(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that is stopped in the middle of its transaction."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", STAND_STILL, str(path)], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
async def test_a_process_that_stands_still_while_it_writes_does_not_block_the_others_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch, end: signal.Signals
) -> None:
    """Their events are answered 503 and come again, duplicates 200; they go on once it is continued, or killed."""
    async with SQLiteStore(path, connections=2) as store:
        receiver = receiver_of(store=store)
        bodies = [event(reference=f"order-{number:04}", pspReference=f"psp-{number}") for number in range(9)]
        known, *new = map(delivery, bodies)
        assert (await receiver.handle(known)).status == 200
        monkeypatch.setattr(_sqlite_writer, "WRITE_TIMEOUT", 0.3)
        with writer_that_stands_still(path) as process:
            replies = await asyncio.gather(*map(receiver.handle, new))
            assert [reply.status for reply in replies] == [503] * 8
            assert (await receiver.handle(known)).status == 200
            process.send_signal(end)
            if end == signal.SIGCONT:
                print(file=process.stdin, flush=True)
                assert process.stdout is not None
                assert await asyncio.to_thread(process.stdout.readline) == "committed\n"
            monkeypatch.undo()
            replies = await asyncio.gather(*map(receiver.handle, new))
            assert [reply.status for reply in replies] == [200] * 8
    theirs = [] if end == signal.SIGKILL else [("theirs",)]
    assert rows(path, "SELECT * FROM shipments") == theirs


async def test_what_a_killed_process_held_is_free_after_its_lease(path: Path) -> None:
    """Not before, and by the lease that it took, whatever the others' are."""
    now = time.time()
    async with SQLiteStore(path, clock=lambda: now) as store:
        with writer_that_stands_still(path) as process:
            process.kill()
            process.wait()
        ((ends,),) = rows(path, "SELECT expires_at FROM vipps_events")
        assert isinstance(ends, float)
        now = ends - 0.01
        with pytest.raises(ClaimHeld):
            await is_new(store, "theirs")
        now = ends
        assert await is_new(store, "theirs")
