"""Which handlers take an event, by its name, in order of registration. Performs no I/O."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any, TypeVar

import attrs

from vipps_async.epayment import PaymentEvent, PaymentEventName
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.webhooks.stores.base import Claim

# What a handler may look like: `caller_of`.
Handler = Callable[..., Awaitable[None]]
H = TypeVar("H", bound=Handler)
Call = Callable[[PaymentEvent, Claim], Coroutine[Any, Any, None]]

_CLAIM = "claim"
# A method without its object, and a claim where the event comes.
_NO_EVENT = frozenset({"self", "cls", _CLAIM})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen(kw_only=True)
class Route:
    """A handler, and which events it takes.

    Attributes:
        handler: what is awaited.
        call: calls it, with the claim where it asks for one.
        names: takes the events of these names that report a success.
        takes_failed: takes the events that report a failure.
        takes_all: takes every event.
    """

    handler: Handler
    call: Call
    names: frozenset[PaymentEventName] = frozenset()
    takes_failed: bool = False
    takes_all: bool = False

    @property
    def name(self) -> str:
        """What the handler is called, for a log line."""
        return getattr(self.handler, "__qualname__", None) or shorten(self.handler)

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
            call=caller_of(handler),
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


def caller_of(handler: Handler) -> Call:
    """Return what calls *handler* with an event and its claim.

    The first positional parameter takes the event. The claim goes to the parameter called ``claim``, or else to a
    second one without a default. Every other parameter needs a default, and keeps it.

    Raises:
        ConfigurationError: it could not be called, or would run without a claim that it may be asking for.
    """
    first, *rest = _parameters(handler)
    if first.kind not in _POSITIONAL or first.name in _NO_EVENT:
        raise _refusal(handler, f"its first parameter is {first.name}")
    second = rest[0] if rest and rest[0].kind in _POSITIONAL else None
    named = next((one for one in rest if one.name == _CLAIM), None)
    asking = named or (second if second and second.default is second.empty else None)
    unknown = [one.name for one in rest if one is not asking and one.default is one.empty]
    if second is not None and asking is None:
        unknown.append(second.name)
    if unknown:
        raise _refusal(handler, f"it is not clear what its {', '.join(unknown)} should be")
    if asking is None:
        return lambda event, _: _awaited(handler(event))
    if asking is second:
        return lambda event, claim: _awaited(handler(event, claim))
    return lambda event, claim: _awaited(handler(event, claim=claim))


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _parameters(handler: Handler) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError) as error:
        raise _refusal(handler, "what it takes is not known") from error
    if not parameters:
        raise _refusal(handler, "it takes nothing")
    return parameters


def _refusal(handler: Handler, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{shorten(handler)} must take the event, or the event and its claim, as (event, claim) or (event, *, claim) "
        f"do; what else it takes needs a default, behind a *; decorators need functools.wraps: {reason}"
    )
