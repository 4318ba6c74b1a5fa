"""Refuses SQLite files that a process's parent had open when it was forked.

SQLite knows by process who has locked a file, and what a fork copies of that is wrong: even through a connection of its
own the child would write to a log that its parent deletes, and lose what it committed.
Source: SQLite, How To Corrupt An SQLite Database File, 2.7.
"""

import os
from collections import Counter
from contextlib import suppress

from vipps_async.errors import ConfigurationError

_Identity = tuple[int, int]

_open: Counter[_Identity] = Counter()
_inherited: set[_Identity] = set()


def refuse_inherited(path: str) -> None:
    """Raise ConfigurationError for a file that was open when this process was forked."""
    with suppress(FileNotFoundError):
        if _identity(path) in _inherited:
            raise ConfigurationError(
                f"the events' file {path!r} was open when this process was forked, and SQLite cannot work in both: "
                "first use the store after the fork, or close it before"
            )


def note_opened(path: str) -> _Identity:
    """Note that this process has a connection to a file more, and return which file that is."""
    identity = _identity(path)
    _open[identity] += 1
    return identity


def note_closed(identity: _Identity) -> None:
    """Note that this process has a connection to a file less."""
    _open[identity] -= 1


def _identity(path: str) -> _Identity:
    status = os.stat(path)  # noqa: PTH116 - a text is what SQLite is given too
    return status.st_dev, status.st_ino


def _leave_to_parent() -> None:
    _inherited.update(+_open)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
