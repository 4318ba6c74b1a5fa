"""Which handlers take an event, by its name, in order of registration. Performs no I/O."""

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from vipps_async.epayment import PaymentEvent, PaymentEventName
from vipps_async.errors import ConfigurationError

Handler = Callable[[PaymentEvent], Awaitable[None]]
H = TypeVar("H", bound=Handler)


@attrs.frozen
class _Route:
    handler: Handler
    names: frozenset[PaymentEventName] = frozenset()
    takes_all: bool = False

    @property
    def is_fallback(self) -> bool:
        return not self.names and not self.takes_all

    def takes(self, name: PaymentEventName, *, is_named: bool) -> bool:
        return self.takes_all or name in self.names or (self.is_fallback and not is_named)


class Router:
    """Event name -> handlers."""

    def __init__(self) -> None:
        self._routes: list[_Route] = []

    def add(self, handler: H, *names: PaymentEventName | str) -> H:
        """Register *handler* for the events of these names.

        Raises:
            ConfigurationError: a name is none, and the handler would never run.
        """
        unknown = [name for name in map(PaymentEventName, names) if not name.is_known]
        if unknown:
            raise ConfigurationError(
                f"there is no event {', '.join(unknown)}, only {', '.join(PaymentEventName)}; on_other takes new ones"
            )
        return self._register(_Route(handler, names=frozenset(map(PaymentEventName, names))), handler)

    def add_for_all(self, handler: H) -> H:
        """Register *handler* for every event."""
        return self._register(_Route(handler, takes_all=True), handler)

    def add_fallback(self, handler: H) -> H:
        """Register *handler* for the events whose names no other handler is registered for."""
        return self._register(_Route(handler), handler)

    def handlers_for(self, name: PaymentEventName) -> list[Handler]:
        """Return the handlers that take an event, in order of registration."""
        is_named = any(name in route.names for route in self._routes)
        return [route.handler for route in self._routes if route.takes(name, is_named=is_named)]

    def _register(self, route: _Route, handler: H) -> H:
        if not any(map(inspect.iscoroutinefunction, (handler, getattr(handler, "__call__", None)))):  # noqa: B004 - an object's own method may be async
            raise ConfigurationError(f"{handler!r} must be an `async def`: the receiver awaits its handlers")
        self._routes.append(route)
        return handler
