"""A command as a process: where it writes to, and what ends it."""

import asyncio
import contextlib
import os
import signal
from typing import TextIO


def write(out: TextIO, text: str) -> None:
    """Write *text* at once; to nowhere from when nobody reads *out* any more, as after ``| head``.

    What runs goes on: a payment, or the deliveries that a command forwards, do not hang on who looks on.

    Raises:
        OSError: it cannot be written for another reason.
    """
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())  # what is buffered, too, which Python would try to write as it ends
        os.close(nowhere)


def stop_signal() -> asyncio.Event:
    """Return what is set from now on by Ctrl-C, or when the process is asked to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in its loop; Ctrl-C works there
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    return stop
