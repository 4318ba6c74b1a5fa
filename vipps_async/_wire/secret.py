"""Secrets, and what keeps them out of messages and tracebacks, where any argument may be one. Performs no I/O."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, NoReturn, ParamSpec, SupportsIndex, TypeVar

from vipps_async.errors import ConfigurationError, shorten

P = ParamSpec("P")
T = TypeVar("T")

_HARMLESS = (int, float, timedelta, type(None))


class Secret(str):
    """Text that is sent but never shown: a repr of it, or of what holds it, is redacted, and a pickle is refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the text, so that a traceback's locals and a logged dictionary do not print it."""
        return "'**********'"

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        """Refuse to be written in the clear."""
        raise TypeError(
            "a secret is not pickled, since whoever reads the pickle would have it: have each process read its own, as "
            "Credentials.from_env() does"
        )

    def __copy__(self) -> "Secret":
        """Return itself: text does not change."""
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> "Secret":
        """Return itself: text does not change."""
        return self


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
