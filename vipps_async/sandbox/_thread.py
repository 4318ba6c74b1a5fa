"""A sandbox in a thread of its own, for callers in any event loop or in none."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar, cast

from vipps_async._loops.thread import LoopThread
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._server import Sandbox

T = TypeVar("T")


def _is_bound_to_its_loop(value: object) -> bool:
    """Whether an object must be used in its own loop: one that has coroutine functions, and the clock."""
    members = (member for kind in type(value).__mro__ for member in vars(kind).values())
    return isinstance(value, Clock) or any(inspect.iscoroutinefunction(member) for member in members)


class _Elsewhere:
    """Stands for an object that is bound to another thread's event loop.

    Attributes are read there, functions run there, and coroutines can be awaited here; values come as they are.
    """

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return self._call(getattr, self._target, name)

    async def __aenter__(self) -> Any:
        return await self._await(self._target.__aenter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return await self._await(self._target.__aexit__, kind, error, trace)

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            return self._brought(function(*args, **kwargs))

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def _await(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*args, **kwargs), self._loop))

    def _brought(self, value: Any) -> Any:
        if inspect.iscoroutinefunction(value):
            return partial(self._await, value)
        if inspect.isroutine(value):
            return partial(self._call, value)
        if isinstance(value, Mapping):  # a view, which would change under whoever reads it here
            return MappingProxyType(dict(value))
        return _Elsewhere(value, self._loop) if _is_bound_to_its_loop(value) else value


@contextmanager
def run_in_thread(**settings: Any) -> Iterator[Sandbox]:
    """Run a sandbox in a thread of its own, for tests and programs without an event loop, or with many.

    Args:
        settings: what `Sandbox` takes.

    Yields:
        The running `Sandbox`. It can be used in any thread, and what has to be awaited in any event loop; without one
        ``asyncio.run(sandbox.approve(reference))`` does.

    Raises:
        ConfigurationError: a setting cannot work.
        OSError: the port is taken.

    ::

        with run_in_thread() as sandbox:
            ...  # create a payment at sandbox.base_url with sandbox.credentials
            asyncio.run(sandbox.approve(reference))
    """
    thread = LoopThread("vipps_sandbox")
    loop = thread.start()
    try:
        sandbox = Sandbox(**settings)
        thread.submit(sandbox.start()).result()
        try:
            yield cast("Sandbox", _Elsewhere(sandbox, loop))
        finally:
            thread.submit(sandbox.stop()).result()
    finally:
        thread.stop()
