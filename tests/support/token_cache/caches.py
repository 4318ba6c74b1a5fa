"""Caches as users may write them: one that works, and ones that do not."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn

from vipps_async.token_cache import CachedValue


class InMemory:
    """A cache as a user writes one, for one process; what it holds does not age."""

    def __init__(self) -> None:
        self.held: dict[str, CachedValue] = {}

    async def get(self, name: str) -> CachedValue | None:
        """Return what *name* holds."""
        return self.held.get(name)

    async def set(self, name: str, value: bytes, *, lifetime: timedelta) -> None:
        """Hold *value*."""
        self.held[name] = CachedValue(value, lifetime)

    async def add(self, name: str, value: bytes, *, lifetime: timedelta) -> bool:
        """Hold *value* if nothing is held."""
        return self.held.setdefault(name, CachedValue(value, lifetime)).value == value

    async def delete(self, name: str, value: bytes) -> None:
        """Let go of *value*."""
        if name in self.held and self.held[name].value == value:
            del self.held[name]


class Failing(InMemory):
    """A cache with one method that does what *how* does."""

    def __init__(self, method: str, how: Callable[..., Awaitable[Any]]) -> None:
        super().__init__()
        setattr(self, method, how)


async def hang(*_: object, **__: object) -> None:
    """Never answer."""
    await asyncio.sleep(60)


async def break_down(*_: object, **__: object) -> NoReturn:
    """Fail with an error that tells too much."""
    raise OSError("cannot connect to redis://:s3cret@cache.example")


async def be_cancelled(*_: object, **__: object) -> NoReturn:
    """Fail as what waits for a pool that was closed does."""
    raise asyncio.CancelledError


def break_down_at_once(*_: object, **__: object) -> NoReturn:
    """Fail before there is anything to await."""
    raise OSError("cannot connect to redis://:s3cret@cache.example")


async def talk_nonsense(*_: object, **__: object) -> object:
    """Answer what is no answer."""
    return CachedValue("no bytes", "no time")  # type: ignore[arg-type]  # what a careless cache may do
