"""Which handlers take an event, by its name, in order of registration. Performs no I/O."""

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeVar

import attrs

from vipps_async.epayment import PaymentEventName
from vipps_async.errors import ConfigurationError

# A handler takes the event, and the claim too if it has a second parameter.
Handler = Callable[..., Awaitable[None]]
H = TypeVar("H", bound=Handler)


@attrs.frozen(kw_only=True)
class Route:
    """A handler, and which events it takes.

    Attributes:
        handler: what is awaited.
        takes_claim: whether it is given the claim too.
        names: takes the events of these names that report a success.
        takes_failed: takes the events that report a failure.
        takes_all: takes every event.
    """

    handler: Handler
    takes_claim: bool
    names: frozenset[PaymentEventName] = frozenset()
    takes_failed: bool = False
    takes_all: bool = False

    @property
    def is_fallback(self) -> bool:
        """Whether the handler takes what no other asks for."""
        return not (self.names or self.takes_failed or self.takes_all)

    def asks_for(self, name: PaymentEventName, *, success: bool) -> bool:
        """Whether the handler was registered for such events in particular."""
        return name in self.names if success else self.takes_failed


class Router:
    """Event name -> handlers."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        # Bounded, since an unsigned delivery can say any name.
        self.routes_for = lru_cache(maxsize=64)(self._find)

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

    def add_for_failed(self, handler: H) -> H:
        """Register *handler* for the events that report a failure, whatever their name."""
        return self._register(handler, takes_failed=True)

    def add_fallback(self, handler: H) -> H:
        """Register *handler* for the events that no other handler is registered for in particular."""
        return self._register(handler)

    def _find(self, name: PaymentEventName, *, success: bool = True) -> list[Route]:
        """Return the routes whose handlers take an event, in order of registration.

        A failed operation changes nothing: who ships on AUTHORIZED must not be told of one that failed.
        """
        asking = [route for route in self._routes if route.asks_for(name, success=success)]
        return [
            route for route in self._routes if route.takes_all or route in asking or (route.is_fallback and not asking)
        ]

    def _register(
        self,
        handler: H,
        *,
        names: frozenset[PaymentEventName] = frozenset(),
        takes_failed: bool = False,
        takes_all: bool = False,
    ) -> H:
        if not is_async(handler):
            raise ConfigurationError(f"{handler!r} must be an `async def`: the receiver awaits its handlers")
        route = Route(
            handler=handler,
            takes_claim=_takes_claim(handler),
            names=names,
            takes_failed=takes_failed,
            takes_all=takes_all,
        )
        self._routes.append(route)
        self.routes_for.cache_clear()
        return handler


def is_async(function: object) -> bool:
    """Whether calling *function* gives something to await, as far as its definition tells."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004 - an object's own method may be async


def _takes_claim(handler: Handler) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(handler).parameters.values()
    needed = [one for one in parameters if one.kind in positional and one.default is one.empty]
    if len(needed) not in {1, 2}:
        raise ConfigurationError(f"{handler!r} must take the event, or the event and its claim")
    return len(needed) == 2
