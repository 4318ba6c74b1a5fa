"""Keeps arguments out of messages and tracebacks, since one in the wrong place may be an API key. Performs no I/O."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from vipps_async.errors import ConfigurationError, shorten

P = ParamSpec("P")
T = TypeVar("T")

_HARMLESS = (int, float, timedelta, type(None))


def described(value: object) -> str:
    """Return what a message may say of *value*: itself if it is a number, a duration or None, or else what it is."""
    if isinstance(value, str):
        return f"<text of {len(value)} characters>"
    return shorten(value) if isinstance(value, _HARMLESS) else f"<{type(value).__name__}>"


def hides_arguments(function: Callable[P, T]) -> Callable[P, T]:
    """Have *function* raise a ConfigurationError without the frames that hold its arguments.

    Error trackers print the local variables of each frame of a traceback.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except ConfigurationError as error:
            refusal = error.with_traceback(None)
        del args, kwargs  # this frame is one of them
        raise refusal from None

    return call


def hides_init_arguments(cls: type[T]) -> type[T]:
    """Have the constructor of *cls* raise as `hides_arguments` describes."""
    cls.__init__ = hides_arguments(cls.__init__)  # type: ignore[method-assign]  # of attrs' making
    return cls
