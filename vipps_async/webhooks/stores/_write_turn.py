"""Queues the writers of a file: all threads of all processes, in order of arrival.

SQLite lets one connection write at a time, and has the others try again after pauses that grow: under load whoever
came last may be first, and somebody waits for seconds. So each writer first locks a file beside the database, with
``flock``, for which the kernel keeps a queue. It frees the lock of a process that dies, and takes a stopped one that
waits out of the queue. The queue gives the order only: that one writes at a time is still SQLite's care, also with
programs that know nothing of the queue, and where a system has no ``flock``.
"""

import os
import sys
import weakref

if sys.platform != "win32":
    import fcntl

_descriptors: set[int] = set()


class WriteTurn:
    """A place in the queue, for one thread.

    Args:
        path: the file that is locked; it is created if it is not there, stays empty, and must not be removed.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        _descriptors.add(self._descriptor)
        weakref.finalize(self, _close, self._descriptor)
        self._is_held = False

    def acquire(self) -> None:
        """Block until it is this thread's turn, without a limit."""
        if sys.platform != "win32":
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._is_held = True

    def release(self) -> None:
        """Let the next one write; does nothing for who has no turn."""
        if self._is_held and sys.platform != "win32":
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._is_held = False


def _close(descriptor: int) -> None:
    if descriptor in _descriptors:
        _descriptors.remove(descriptor)
        os.close(descriptor)


def _leave_to_parent() -> None:
    """Close what a fork copied: a lock is held until every copy of its descriptor is closed."""
    for descriptor in [*_descriptors]:
        _close(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
