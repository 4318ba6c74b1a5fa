"""Checks handlers of events, and calls them. Performs no I/O."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import attrs

from vipps_async._events import WebhookEvent
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.webhooks.stores.base import Claim

Handler = Callable[..., Awaitable[None]]
Invoke = Callable[[Any, Claim], Coroutine[Any, Any, None]]

_CLAIM = "claim"
# A method without its object, and a claim where the event comes.
_NO_EVENT = frozenset({"self", "cls", _CLAIM})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen(kw_only=True)
class Selection:
    """The events that a handler asks for; none in particular: those that no other handler asks for.

    Attributes:
        types: events of these types.
        classes: events of these classes, whatever their type.
        failures: those that report a failure, instead of those that report a success.
        everything: every event.
    """

    types: frozenset[str] = frozenset()
    classes: tuple[type, ...] = ()
    failures: bool = False
    everything: bool = False

    def names(self, event: WebhookEvent) -> bool:
        """Whether *event* is asked for in particular."""
        is_any = self.failures and not (self.types or self.classes)
        is_of_these = is_any or event.type in self.types or isinstance(event, self.classes)
        return is_of_these and event.success is not self.failures

    @property
    def is_fallback(self) -> bool:
        """Whether no event is asked for in particular."""
        return not (self.types or self.classes or self.failures or self.everything)


@attrs.frozen(kw_only=True)
class HandlerEntry:
    """A handler, and which events it takes.

    Attributes:
        handler: what is awaited.
        invoke: calls it, with the claim where it asks for one.
        selection: which events it takes.
    """

    handler: Handler
    invoke: Invoke
    selection: Selection

    @property
    def name(self) -> str:
        """The handler's name, for a log line."""
        return getattr(self.handler, "__qualname__", None) or shorten(self.handler)


def entry_of(handler: Handler, selection: Selection) -> HandlerEntry:
    """Return the entry of a handler.

    Raises:
        ConfigurationError: it is not async, or takes what is not known.
    """
    if not is_async(handler):
        raise ConfigurationError(f"{handler!r} must be an `async def`: the receiver awaits its handlers")
    return HandlerEntry(handler=handler, invoke=invoker_of(handler), selection=selection)


def is_async(function: object) -> bool:
    """Whether calling *function* gives something to await, as far as its definition tells."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004 - an object's own method may be async


def invoker_of(handler: Handler) -> Invoke:
    """Return what calls *handler* with an event and its claim.

    The first positional parameter takes the event. The claim goes to the parameter called ``claim``, or else to a
    second one without a default. Every other parameter needs a default, and keeps it.

    Raises:
        ConfigurationError: it could not be called, or would run without a claim that it may be asking for.
    """
    first, *rest = _parameters(handler)
    if first.kind not in _POSITIONAL or first.name in _NO_EVENT:
        raise _unclear(handler, f"its first parameter is {first.name}")
    second = rest[0] if rest and rest[0].kind in _POSITIONAL else None
    named = next((one for one in rest if one.name == _CLAIM), None)
    asking = named or (second if second and second.default is second.empty else None)
    unknown = [one.name for one in rest if one is not asking and one.default is one.empty]
    if second is not None and asking is None:
        unknown.append(second.name)
    if unknown:
        raise _unclear(handler, f"it is not clear what its {', '.join(unknown)} should be")
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
        raise _unclear(handler, "what it takes is not known") from error
    if not parameters:
        raise _unclear(handler, "it takes nothing")
    return parameters


def _unclear(handler: Handler, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{shorten(handler)} must take the event, or the event and its claim, as (event, claim) or (event, *, claim) "
        f"do; what else it takes needs a default, behind a *; decorators need functools.wraps: {reason}"
    )
