"""What an error gives away."""

import traceback


def everything_of(error: BaseException) -> str:
    """What an error, those before it and their frames can tell."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    return f"{error!s} {error!r} {vars(error)!r} {''.join(trace.format())}"
