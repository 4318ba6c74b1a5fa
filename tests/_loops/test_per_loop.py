"""What belongs to one event loop moves to the next, and is refused in a second one."""

import asyncio
import os

import pytest

from tests.support.loops import another_loop
from vipps_async._loops.per_loop import PerLoop
from vipps_async.errors import WrongEventLoop


async def _get(held: PerLoop[object]) -> object:
    return held.get()


async def _pop(held: PerLoop[object]) -> object:
    return held.pop()


def _held() -> PerLoop[object]:
    return PerLoop(object, owner="this test")


def test_one_loop_has_one() -> None:
    """Within a loop it is the same at each use."""

    async def twice() -> None:
        held = _held()
        assert held.get() is held.get() is held.peek()

    asyncio.run(twice())


def test_the_next_loop_has_its_own() -> None:
    """Once the first loop is closed, another has another."""
    held = _held()
    assert asyncio.run(_get(held)) is not asyncio.run(_get(held))


def test_a_second_loop_is_refused_while_the_first_lives() -> None:
    """A loop that is not closed keeps what it has, whether or not it runs in another thread."""
    held = _held()
    with another_loop() as loop:
        mine = asyncio.run_coroutine_threadsafe(_get(held), loop).result(5)
        with pytest.raises(WrongEventLoop, match="this test belongs to another event loop"):
            asyncio.run(_get(held))
        assert asyncio.run(_pop(held)) is None
        assert asyncio.run_coroutine_threadsafe(_pop(held), loop).result(5) is mine
        assert asyncio.run(_get(held)) is not mine


def test_what_a_closed_loop_left_can_be_had_to_close_it() -> None:
    """Without a running loop there is nothing, but what was left behind can be taken, once."""
    held = _held()
    mine = asyncio.run(_get(held))
    assert held.peek() is None
    assert held.pop() is mine
    assert held.pop() is None


def test_the_next_loop_discards_what_was_left() -> None:
    """Its owner is told what belonged to the loop that was closed, so that it can let go of it."""
    left: list[object] = []
    held = PerLoop(object, owner="this test", discard=left.append)
    mine = asyncio.run(_get(held))
    asyncio.run(_get(held))
    assert left == [mine]


def test_a_forked_process_has_its_own() -> None:
    """After a fork inside a loop the child makes its own, and destroys nothing of its parent's."""
    parent = os.getpid()

    class Connection:
        def __del__(self) -> None:
            if os.getpid() != parent:
                os.write(writer, b"destroyed ")

    held = PerLoop(Connection, owner="this test")

    async def get() -> Connection:
        return held.get()

    reader, writer = os.pipe()
    loop = asyncio.new_event_loop()
    mine = loop.run_until_complete(get())
    child = os.fork()
    if child == 0:
        try:
            is_other = asyncio.run(get()) is not mine
            del mine
            os.write(writer, b"other" if is_other else b"same")
        finally:
            os._exit(0)  # whatever happened: there must be no second run of the tests
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"other"
    assert loop.run_until_complete(get()) is mine
    loop.close()
    os.close(reader)
    os.close(writer)
