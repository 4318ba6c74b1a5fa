"""Reads lists page by page, no oftener than the API takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vipps_async.errors import RateLimited

T = TypeVar("T")

_PAUSE = 12.0  # seconds: lists are read 5 times a minute
_PAUSES = 5  # a minute's


async def read_page(read: Callable[[], Awaitable[T]]) -> T:
    """Return what *read* returns; a list that was read too often is read again when its time has come.

    Raises:
        RateLimited: even a minute did not help.
        CallError: as another of its subclasses.
    """
    for _ in range(_PAUSES):
        try:
            return await read()
        except RateLimited as error:
            asked = error.retry_after
            await asyncio.sleep(asked.total_seconds() if asked else _PAUSE)
    return await read()
