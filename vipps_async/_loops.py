"""What belongs to one event loop: made in the loop that first uses it, made anew in the next, refused in a second one.

Connections, tasks and locks work in the event loop that they were made in only. An object that holds such things keeps
them in a `PerLoop`, and asks for them at every use. While the loop is the same, it is given the same ones. Where the
old loop was closed, as by `asyncio.run`, or was left behind in the parent by a fork, it is given new ones. Where the
old loop lives, in another thread or not, nothing can be done well, and the use is refused before it does anything.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from vipps_async.errors import WrongEventLoop

T = TypeVar("T")

# What a fork left in the child: destructors would close sockets, and empty a selector, that the parent uses.
_inherited: list[Any] = []


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
        self._moving = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._held: T | None = None

    def get(self) -> T:
        """Return what belongs to the loop that runs, made now if there is none.

        Raises:
            WrongEventLoop: another loop has it, which is not closed.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._process != os.getpid():
            self._move_to(loop)
        if self._held is None:
            self._held = self._make()
        return self._held

    def pop(self) -> T | None:
        """Return what the loop that runs, or one that was closed, has, and let go of it; ``None`` if there is nothing.

        What belongs to another loop that lives stays with it: only there can it be closed.
        """
        is_left = self._loop is not None and self._loop.is_closed() and self._process == os.getpid()
        if not (is_left or self._is_here()):
            return None
        held, self._held = self._held, None
        return held

    def peek(self) -> T | None:
        """Return what the loop that runs has; ``None`` if it has nothing, or no loop runs."""
        return self._held if self._is_here() else None

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop and self._process == os.getpid()
        except RuntimeError:
            return False

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        is_forked = self._process not in {0, os.getpid()}
        if is_forked:
            self._moving = threading.Lock()  # the parent's other thread may have held the old one
        with self._moving:
            held, old = self._held, self._loop
            if held is not None and not is_forked and old is not None and not old.is_closed():
                raise WrongEventLoop(self._owner)
            self._loop, self._process, self._held = loop, os.getpid(), self._make()
        if is_forked:
            _inherited.append(held)
        elif held is not None:
            self._discard(held)
