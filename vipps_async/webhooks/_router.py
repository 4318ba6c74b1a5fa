"""Finds the handlers that take an event, in order of registration. Performs no I/O."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from vipps_async._events import EventFamily, EventName, WebhookEvent
from vipps_async.errors import ConfigurationError, shorten
from vipps_async.webhooks._events import FAMILIES, known_types
from vipps_async.webhooks._handlers import HandlerEntry, Selection, entry_of

E = TypeVar("E", bound=WebhookEvent)
E_contra = TypeVar("E_contra", bound=WebhookEvent, contravariant=True)
P = ParamSpec("P")
_HandlerOf = Callable[Concatenate[E, P], Awaitable[None]]
_H = TypeVar("_H", bound=Callable[..., Awaitable[None]])


class Registrar(Protocol[E]):
    """A decorator of handlers that take events of class ``E``, and maybe the claim."""

    def __call__(self, handler: _HandlerOf[E, P], /) -> _HandlerOf[E, P]:
        """Register *handler*, and return it."""
        ...


class AnyRegistrar(Protocol):
    """A decorator of handlers whose events have a class that a type checker cannot know."""

    def __call__(self, handler: _H, /) -> _H:
        """Register *handler*, and return it."""
        ...


class EventRouter:
    """Handlers of events, declared where no receiver is known; `WebhookReceiver` is one, and includes others.

    Args:
        families: the events that are known, to refuse a name that none has; `FAMILIES` by default.

    ::

        routes = EventRouter()

        @routes.on(PaymentEventName.CAPTURED)
        async def book(event: PaymentEvent) -> None: ...

        receiver.include(routes)

    A handler with a second parameter is given the claim too.
    """

    def __init__(self, families: Iterable[EventFamily[Any]] = FAMILIES) -> None:
        self._families = tuple(families)
        self._entries: list[HandlerEntry] = []
        self._is_finished = False

    @overload
    def on(self, *events: EventName[E]) -> Registrar[E]: ...
    @overload
    def on(self, *events: type[E]) -> Registrar[E]: ...
    @overload
    def on(self, *events: str) -> AnyRegistrar: ...
    def on(self, *events: Any) -> Any:
        """Decorate an ``async def`` that takes these events, where the operation succeeded.

        Args:
            events: names such as `PaymentEventName.AUTHORIZED` or their texts, the draft's included; event types such
                as ``"recurring.charge-captured.v1"``; or classes such as `PaymentEvent`, for all events of the class.
                A type checker holds the handler's first parameter against a name or a class.

        Raises:
            ConfigurationError: no event is named, or one that there is not, or the function is not async.
        """
        if not events:
            raise ConfigurationError("on() takes one or more events; for every event there is on_all")
        selection = self._selection(events, failures=False)
        return lambda handler: self._register(handler, selection)

    @overload
    def on_failed(self, handler: _HandlerOf[WebhookEvent, P], /) -> _HandlerOf[WebhookEvent, P]: ...
    @overload
    def on_failed(self, *events: EventName[E]) -> Registrar[E]: ...
    @overload
    def on_failed(self, *events: type[E]) -> Registrar[E]: ...
    @overload
    def on_failed(self, *events: str) -> AnyRegistrar: ...
    def on_failed(self, *events: Any) -> Any:
        """Decorate an ``async def`` that takes the events of operations that failed (``success`` is False).

        Args:
            events: as `on` takes them, as in ``@receiver.on_failed(PaymentEvent)``; without them, as in
                ``@receiver.on_failed``, the events of every operation that failed.

        Raises:
            ConfigurationError: there is no such event, or the function is not async.
        """
        if len(events) == 1 and not isinstance(events[0], str | type):
            return self._register(events[0], Selection(failures=True))
        selection = self._selection(events, failures=True)
        return lambda handler: self._register(handler, selection)

    def on_all(self, handler: _HandlerOf[WebhookEvent, P]) -> _HandlerOf[WebhookEvent, P]:
        """Decorate an ``async def`` that takes every event, those of failed operations and unknown ones included.

        Raises:
            ConfigurationError: the function is not async.
        """
        return self._register(handler, Selection(everything=True))

    def on_other(self, handler: _HandlerOf[WebhookEvent, P]) -> _HandlerOf[WebhookEvent, P]:
        """Decorate an ``async def`` that takes the events that no `on` and no `on_failed` takes, unknown ones included.

        Raises:
            ConfigurationError: the function is not async.
        """
        return self._register(handler, Selection())

    def include(self, routes: "EventRouter") -> None:
        """Add the handlers of another router, behind those that are registered; it takes no more of its own.

        Raises:
            ConfigurationError: it is no router, or this one.
        """
        if not isinstance(routes, EventRouter) or routes is self:
            raise ConfigurationError(f"include({shorten(routes)}) takes another EventRouter")
        self._check_open()
        self._entries.extend(routes.finish())

    def finish(self) -> Sequence[HandlerEntry]:
        """Return what is registered, and refuse more from now on; `include` does this."""
        self._is_finished = True
        return tuple(self._entries)

    def handlers_of(self, event: WebhookEvent) -> list[HandlerEntry]:
        """Return the handlers that take *event*, in order of registration.

        A failed operation changes nothing: who ships on AUTHORIZED must not be called for one that failed.
        """
        asking = [entry.selection.names(event) for entry in self._entries]
        is_asked_for = any(asking)
        return [
            entry
            for entry, asks in zip(self._entries, asking, strict=True)
            if asks or entry.selection.everything or (entry.selection.is_fallback and not is_asked_for)
        ]

    def _register(self, handler: _H, selection: Selection) -> _H:
        self._check_open()
        self._entries.append(entry_of(handler, selection))
        return handler

    def _check_open(self) -> None:
        if self._is_finished:
            raise ConfigurationError(
                "this router was included before: register all its handlers first, since a later one would never run"
            )

    def _selection(self, events: Iterable[Any], *, failures: bool) -> Selection:
        classes = tuple(event for event in events if isinstance(event, type))
        types = frozenset(self._type_of(event) for event in events if not isinstance(event, type))
        return Selection(types=types, classes=classes, failures=failures)

    def _type_of(self, event: Any) -> str:
        known = known_types(self._families)
        if isinstance(event, str):
            text = str.__str__(event)
            if text in known or (".v" in text and not _has_a_known_beginning(text, known)):
                return text
            for family in self._families:
                if (found := family.type_of(text)) is not None:
                    return found
        elif isinstance(event_type := getattr(event, "event_type", None), str):
            return event_type
        raise ConfigurationError(
            f"there is no event {shorten(event)}: give a name as its enum has it, a class, or an event type, one of "
            f"{', '.join(known)}; on_other takes new ones"
        )


def _has_a_known_beginning(event_type: str, known: Iterable[str]) -> bool:
    """Whether *event_type* looks like one of an API whose types are known, and so is a misspelt one."""
    return event_type.partition(".")[0] in {name.partition(".")[0] for name in known}
