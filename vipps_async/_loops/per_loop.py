"""Keeps objects of one event loop: made in the loop that first uses them, anew in the next, refused in a second one.

Connections, tasks and locks work in the event loop that they were made in only. An object that holds such things keeps
them in a `PerLoop`, and asks for them at every use. While the loop is the same, it is given the same ones. Where the
old loop was closed, as by `asyncio.run`, or was left behind in the parent by a fork, it is given new ones. Where the
old loop lives, in another thread or not, nothing can be done well, and the use is refused before it does anything.
"""

import asyncio
import os
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

from vipps_async.errors import WrongEventLoop

T = TypeVar("T")

# What a fork left in the child: destructors would close sockets, and empty a selector, that the parent uses.
_inherited: list[Any] = []

# Two threads that begin at once must not both be the first. Held over a fork, or a child could find it locked for ever.
_moving = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_moving.acquire, after_in_parent=_moving.release, after_in_child=_moving.release)


class PerLoop(Generic[T]):
    """Holds what *make* returns for the event loop that runs.

    Args:
        make: makes it; called without arguments, in the loop.
        owner: what the user made, for a message: ``"this VippsClient"``.
        discard: takes what belonged to a loop that was closed; by default it is dropped.
    """

    def __init__(self, make: Callable[[], T], *, owner: str, discard: Callable[[T], object] = lambda _: None) -> None:
        self._make = make
        self._owner = owner
        self._discard = discard
        # One value, so that no thread sees half of it: the loop, its process, and what belongs to it.
        self._state: tuple[asyncio.AbstractEventLoop | None, int, T | None] = (None, 0, None)

    def get(self) -> T:
        """Return what belongs to the loop that runs, made now if there is none.

        Raises:
            WrongEventLoop: another loop has it, which is not closed.
        """
        held = self.peek()
        if held is None:
            with _moving:
                held = self._made_in(asyncio.get_running_loop())
        return held

    def pop(self) -> T | None:
        """Return what the loop that runs, or one that was closed, has, and let go of it; ``None`` if there is nothing.

        What belongs to another loop that lives stays with it: only there can it be closed.
        """
        loop, process, held = self._state
        is_left = loop is not None and loop.is_closed() and process == os.getpid()
        held = held if is_left else self.peek()
        if held is not None:
            self._state = (loop, process, None)
        return held

    def peek(self) -> T | None:
        """Return what the loop that runs has; ``None`` if it has nothing, or no loop runs."""
        loop, process, held = self._state
        try:
            is_here = asyncio.get_running_loop() is loop and process == os.getpid()
        except RuntimeError:
            return None
        return held if is_here else None

    def _made_in(self, loop: asyncio.AbstractEventLoop) -> T:
        old, process, held = self._state
        is_forked = process not in {0, os.getpid()}
        if held is not None and old is not loop and not is_forked and old is not None and not old.is_closed():
            raise WrongEventLoop(self._owner)
        made = self._make()
        self._state = (loop, os.getpid(), made)
        if is_forked:
            _inherited.append(held)
        elif held is not None:
            self._discard(held)
        return made


class OneLoop:
    """Holds what a caller made, such as a pool of connections, to the event loop that it is first used in.

    What a `PerLoop` makes can be made anew. This cannot, whether or not its loop was closed.

    Args:
        owner: what the user made, for a message: ``"the pool of this PostgresStore"``.
        loop: the event loop that it was made in, where it tells.
    """

    def __init__(self, *, owner: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._owner = owner
        self._loop = loop
        self._process = 0

    def check(self) -> None:
        """Return if it works in the loop that runs.

        Raises:
            WrongEventLoop: it belongs to another, or to the process that this one was forked from.
        """
        loop, process = asyncio.get_running_loop(), os.getpid()
        if (self._loop or loop) is not loop or (self._process or process) != process:
            raise WrongEventLoop(self._owner)
        self._loop, self._process = loop, process


def cancellations() -> int:
    """Return how often the task that runs was asked to end; a `CancelledError` that does not add to it is a mistake."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
