"""The interface of a place where processes share a token."""

from datetime import timedelta
from typing import Protocol, runtime_checkable

import attrs


@attrs.frozen
class CachedValue:
    """A value that a cache holds.

    Attributes:
        value: what was set or added.
        expires_in: how long the cache will hold it yet, by the cache's own clock.
    """

    value: bytes
    expires_in: timedelta


@runtime_checkable
class TokenCache(Protocol):
    """Holds values by name for a limited time, the same for all processes.

    It sees no secret and decides nothing: values are encrypted before they get here, and `add` settles which process
    renews the token. Its methods have to be atomic, and must let go of a value when its lifetime is over. They may
    raise anything, and are cut off after two seconds: a client whose cache fails goes on with a token of its own.
    """

    async def get(self, name: str) -> CachedValue | None:
        """Return what *name* holds, if it holds anything."""
        ...

    async def set(self, name: str, value: bytes, *, lifetime: timedelta) -> None:
        """Have *name* hold *value*, whatever it held."""
        ...

    async def add(self, name: str, value: bytes, *, lifetime: timedelta) -> bool:
        """Have *name* hold *value* if it holds nothing, or that already, which begins its lifetime anew.

        Return whether it holds *value* now.
        """
        ...

    async def delete(self, name: str, value: bytes) -> None:
        """Have *name* hold nothing, if it holds *value*."""
        ...
