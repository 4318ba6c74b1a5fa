"""What belongs to one event loop: made in the loop that first uses it, made anew in the next, refused in a second one.

Connections, tasks and locks work in the event loop that they were made in only. An object that holds such things keeps
them in a `PerLoop`, and asks for them at every use. While the loop is the same, it is given the same ones. Where the
old loop was closed, as by `asyncio.run`, or was left behind in the parent by a fork, it is given new ones. Where the
old loop lives, in another thread or not, nothing can be done well, and the use is refused before it does anything.
"""

import asyncio
import os
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
    """

    def __init__(self, make: Callable[[], T], *, owner: str) -> None:
        self._make = make
        self._owner = owner
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
        held = self._held
        if held is None:
            held = self._held = self._make()
        return held

    def pop(self) -> T | None:
        """Return what the loop that runs has, and let go of it; ``None`` if it has nothing, or no loop runs.

        What belongs to another loop stays with it: only there can it be closed.
        """
        if not self._is_here():
            return None
        held, self._held = self._held, None
        return held

    def peek(self) -> T | None:
        """Return what the loop that runs has; ``None`` as for `pop`."""
        return self._held if self._is_here() else None

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop and self._process == os.getpid()
        except RuntimeError:
            return False

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        is_forked = self._process not in {0, os.getpid()}
        if self._held is not None and not is_forked and self._loop is not None and not self._loop.is_closed():
            raise WrongEventLoop(self._owner)
        if is_forked:
            _inherited.append(self._held)
        self._loop, self._process, self._held = loop, os.getpid(), None


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
