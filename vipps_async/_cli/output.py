"""Write to a terminal, a file or a pipe that may close before the writer ends."""

import os
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
