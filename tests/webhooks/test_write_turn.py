"""Threads of several processes write in the order of their arrival; whoever dies or stands still is no obstacle."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vipps_async.webhooks.stores._write_turn import WriteTurn

WRITE = """
import sys
from vipps_async.webhooks.stores._write_turn import WriteTurn

turn = WriteTurn(sys.argv[1])
turn.acquire()
print("has its turn", flush=True)
sys.stdin.readline()
"""
FORK = """
import os, sys
from vipps_async.webhooks.stores._write_turn import WriteTurn

turn = WriteTurn(sys.argv[1])
turn.acquire()
if os.fork() == 0:
    sys.stdin.readline()
    os._exit(0)
print("has its turn", flush=True)
os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file that is locked."""
    path = tmp_path / "events.db-turn"
    path.touch()
    return path


@contextmanager
def process(path: Path, program: str = WRITE) -> Iterator["subprocess.Popen[str]"]:
    """Another process, which ends with the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def waiting(path: Path) -> list[int]:
    """The processes whose threads wait for their turn, as the kernel lists them."""
    locks = Path("/proc/locks").read_text("utf-8").splitlines()
    return [int(lock.split()[5]) for lock in locks if "->" in lock and f":{path.stat().st_ino} " in lock]


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, which the kernel tells nobody of."""
    while not is_so():
        time.sleep(0.002)


def has_its_turn(process: "subprocess.Popen[str]") -> bool:
    """Wait until a process says that it has its turn."""
    assert process.stdout is not None
    return process.stdout.readline() == "has its turn\n"


def test_turns_come_in_the_order_of_arrival(path: Path) -> None:
    """Also those of the threads of one process."""
    mine, order, threads = WriteTurn(str(path)), list[int](), list[threading.Thread]()
    mine.acquire()

    def write(number: int) -> None:
        turn = WriteTurn(str(path))
        turn.acquire()
        order.append(number)
        turn.release()

    for number in range(10):
        threads.append(threading.Thread(target=write, args=(number,)))
        threads[-1].start()
        until(lambda: len(waiting(path)) == len(threads))
    mine.release()
    for thread in threads:
        thread.join()
    assert order == list(range(10))


def test_the_turn_of_a_process_that_dies_is_the_next_ones(path: Path) -> None:
    """The kernel gives it on."""
    with process(path) as first:
        assert has_its_turn(first)
        with process(path) as second:
            until(lambda: waiting(path) == [second.pid])
            first.kill()
            assert has_its_turn(second)


def test_a_process_that_is_stopped_while_it_waits_is_in_nobodys_way(path: Path) -> None:
    """Those behind it go on; it has its turn once it is continued."""
    mine = WriteTurn(str(path))
    mine.acquire()
    with process(path) as stopped, process(path) as other:
        until(lambda: {*waiting(path)} == {stopped.pid, other.pid})
        stopped.send_signal(signal.SIGSTOP)
        until(lambda: waiting(path) == [other.pid])
        mine.release()
        assert has_its_turn(other)
        other.kill()
        stopped.send_signal(signal.SIGCONT)
        assert has_its_turn(stopped)


def test_a_child_does_not_keep_the_turn_that_its_parent_died_with(path: Path) -> None:
    """Although a fork copies the lock."""
    with process(path, FORK) as parent:
        assert has_its_turn(parent)
        parent.wait()
        WriteTurn(str(path)).acquire()


def test_a_place_that_is_forgotten_is_closed(path: Path) -> None:
    """Its descriptor does not stay open."""
    before = descriptors()
    turn = WriteTurn(str(path))
    assert descriptors() == before + 1
    del turn
    assert descriptors() == before


def descriptors() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
