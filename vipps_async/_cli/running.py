"""What commands share that run until they are stopped."""

import asyncio
import contextlib
import signal


def stop_signal() -> asyncio.Event:
    """Return what is set from now on by Ctrl-C, or when the process is asked to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in its loop; Ctrl-C works there
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    return stop
