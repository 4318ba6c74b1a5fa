"""Which handlers take an event, by its name, in order of registration. Performs no I/O."""

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from vipps_async.epayment import PaymentEventName
from vipps_async.errors import ConfigurationError

# A handler takes the event, and the claim too if it has a second parameter.
Handler = Callable[..., Awaitable[None]]
H = TypeVar("H", bound=Handler)


@attrs.frozen
class Route:
    """A handler, and what it takes."""

    handler: Handler
    takes_claim: bool
    names: frozenset[PaymentEventName] = frozenset()
    takes_all: bool = False

    @property
    def is_fallback(self) -> bool:
        """Whether the handler takes what no route names."""
        return not self.names and not self.takes_all

    def takes(self, name: PaymentEventName, *, is_named: bool) -> bool:
        """Whether the handler takes an event of that name; *is_named*: whether some route names it."""
        return self.takes_all or name in self.names or (self.is_fallback and not is_named)


class Router:
    """Event name -> handlers."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

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
        return self._register(handler, names=frozenset(map(PaymentEventName, names)))

    def add_for_all(self, handler: H) -> H:
        """Register *handler* for every event."""
        return self._register(handler, takes_all=True)

    def add_fallback(self, handler: H) -> H:
        """Register *handler* for the events whose names no other handler is registered for."""
        return self._register(handler)

    def routes_for(self, name: PaymentEventName) -> list[Route]:
        """Return the routes whose handlers take an event, in order of registration."""
        is_named = any(name in route.names for route in self._routes)
        return [route for route in self._routes if route.takes(name, is_named=is_named)]

    def _register(self, handler: H, *, names: frozenset[PaymentEventName] = frozenset(), takes_all: bool = False) -> H:
        if not any(map(inspect.iscoroutinefunction, (handler, getattr(handler, "__call__", None)))):  # noqa: B004 - an object's own method may be async
            raise ConfigurationError(f"{handler!r} must be an `async def`: the receiver awaits its handlers")
        self._routes.append(Route(handler, takes_claim=_takes_claim(handler), names=names, takes_all=takes_all))
        return handler


def _takes_claim(handler: Handler) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(handler).parameters.values()
    needed = [one for one in parameters if one.kind in positional and one.default is one.empty]
    if len(needed) not in {1, 2}:
        raise ConfigurationError(f"{handler!r} must take the event, or the event and its claim")
    return len(needed) == 2
