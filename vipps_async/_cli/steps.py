"""Tells a story on a terminal, step by step."""

import os
from typing import TextIO

from vipps_async._cli.process import write

_BOLD, _DIM, _GREEN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"
_WIDTH = 50


class DemoFailed(Exception):
    """Something differs from what it should be."""


def expect(what: str, actual: object, expected: object) -> None:
    """Return if something is as it should be.

    Raises:
        DemoFailed: it is not; the message says *what*.
    """
    if actual != expected:
        raise DemoFailed(f"{what} should be {expected!r}, and is {actual!r}")


class StepPrinter:
    """Writes numbered steps, in colour where *out* is a terminal and ``NO_COLOR`` is not set.

    Args:
        out: where to write.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._count = 0
        self._has_colour = out.isatty() and "NO_COLOR" not in os.environ

    def title(self, text: str) -> None:
        """Open the story."""
        self._write(f"\n{self._styled(_BOLD, text)}\n")

    def step(self, deed: str, result: str) -> None:
        """Tell one step, and what came of it."""
        self._count += 1
        self._write(f"  {self._styled(_GREEN, f'{self._count:>2}')}  {deed:<{_WIDTH}} {self._styled(_DIM, result)}")

    def detail(self, text: str) -> None:
        """Tell more of the last step."""
        self._write(f"        {self._styled(_DIM, text)}")

    def end(self, text: str) -> None:
        """Close the story."""
        self._write(f"\n  {self._styled(_GREEN, '✓')} {self._styled(_BOLD, text)}\n")

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._has_colour else text

    def _write(self, line: str) -> None:
        write(self._out, f"{line}\n")
