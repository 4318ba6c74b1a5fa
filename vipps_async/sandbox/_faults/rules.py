"""Rules by which faults are injected into requests and deliveries, and the options that a rule takes.

Performs no I/O.
"""

from collections.abc import Callable, Collection, Mapping
from types import EllipsisType, MappingProxyType
from typing import Any

import attrs

from vipps_async._wire.secret import Secret
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.faults import AnyFault, DeliveryFault, ErrorCode, Fault
from vipps_async.sandbox._faults.targets import ANY, FaultTargets

_WEEK = 604_800  # seconds
_MOST_COPIES = 100
_MOST_TIMES = 1_000_000


@attrs.frozen(kw_only=True)
class FaultContext:
    """A request, or the delivery of an event to one webhook, before it is known what happens to it.

    Attributes:
        operation: the request's, or ``"deliveries"``.
        reference: what it is about; empty where it is about nothing.
        amount: what the request or the event is about, in minor units.
        event: the event's name.
        event_type: the event's type.
    """

    operation: str
    reference: str = ""
    amount: int | None = None
    event: str | None = None
    event_type: str | None = None


@attrs.define(kw_only=True)
class FaultRule:
    """A rule by which a fault is injected into requests or deliveries.

    Attributes:
        operation: the word that names their operations, as it was given.
        operations: those operations; ``"deliveries"`` for deliveries.
        fault: what is injected.
        times: how often yet; ``None``: always, until faults are cleared.
        probability: the share of them that is hit; ``None``: each one.
        reference: only those about this.
        event: only deliveries of this event.
        retry_after: seconds for a ``Retry-After`` header.
        seconds: how long it lasts.
        copies: how often the event is delivered.
        secret: what the first attempt is signed with.
        number: its place among the rules, from 1 on.
    """

    operation: str
    operations: frozenset[str]
    fault: AnyFault
    times: int | None = None
    probability: float | None = None
    reference: str | None = None
    event: str | None = None
    retry_after: float | None = None
    seconds: float | None = None
    copies: int | None = None
    secret: Secret | None = attrs.field(default=None, repr=False)
    number: int = 0

    def concerns(self, context: FaultContext) -> bool:
        """Whether *context* is one of those that it is for."""
        is_about = self.reference in {None, context.reference} and self.event in {None, context.event}
        return context.operation in self.operations and is_about


@attrs.frozen(kw_only=True)
class Option:
    """An option of a rule, beside its operation and its fault.

    Attributes:
        rule: what its value must be.
        holds: whether a value is so.
        parse: makes the value from text.
        faults: the kinds of faults that take it, or those alone that it is for.
        defaults: what a fault gets if it is not given.
    """

    rule: str
    holds: Callable[[Any], bool]
    parse: Callable[[str], Any]
    faults: tuple[type | AnyFault, ...]
    defaults: Mapping[AnyFault, Any] = MappingProxyType({})

    def is_for(self, fault: AnyFault) -> bool:
        """Whether *fault* takes it; an error code takes what requests' faults do."""
        kind = DeliveryFault if isinstance(fault, DeliveryFault) else Fault
        return fault in self.faults or kind in self.faults


def _number(least: float, most: float, *types: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in types and least <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_KINDS: Mapping[object, str] = {Fault: "faults of requests", DeliveryFault: "faults of deliveries"}
_SECONDS = (Fault.LATENCY, Fault.REFUSED, DeliveryFault.DELAY, DeliveryFault.REORDER)
_COPIES = (DeliveryFault.DUPLICATE, DeliveryFault.CONCURRENT)

OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "times": Option(
            rule=f"a whole number, 1 to {_MOST_TIMES}",
            holds=_number(1, _MOST_TIMES, int),
            parse=int,
            faults=(Fault, DeliveryFault),
        ),
        "probability": Option(
            rule="a number above 0, and 1 at most",
            holds=lambda value: _number(0, 1, int, float)(value) and value > 0,
            parse=float,
            faults=(Fault, DeliveryFault),
        ),
        "reference": Option(
            rule="what the requests or events are about",
            holds=_is_text,
            parse=str,
            faults=(Fault, DeliveryFault),
        ),
        "event": Option(rule="the name or the type of an event", holds=_is_text, parse=str, faults=(DeliveryFault,)),
        "retry_after": Option(
            rule=f"seconds, 0 to {_WEEK}", holds=_number(0, _WEEK, int, float), parse=float, faults=(Fault,)
        ),
        "seconds": Option(
            rule=f"seconds, 0 to {_WEEK}",
            holds=_number(0, _WEEK, int, float),
            parse=float,
            faults=_SECONDS,
            defaults={Fault.LATENCY: 1.0, Fault.REFUSED: 1.0, DeliveryFault.DELAY: 5.0, DeliveryFault.REORDER: 5.0},
        ),
        "copies": Option(
            rule=f"a whole number, 2 to {_MOST_COPIES}",
            holds=_number(2, _MOST_COPIES, int),
            parse=int,
            faults=_COPIES,
            defaults=dict.fromkeys(_COPIES, 2),
        ),
        "secret": Option(
            rule="text",
            holds=_is_text,
            parse=str,
            faults=(DeliveryFault.RE_SIGN,),
            defaults={DeliveryFault.RE_SIGN: "a-secret-of-another-webhook"},
        ),
    }
)


def fault_named(name: str, codes: Collection[str]) -> AnyFault:
    """Return the fault called *name*, in any of its spellings; the code of an error is one too.

    Raises:
        ConfigurationError: there is none; the message lists them.
    """
    if name in codes:
        return ErrorCode(name)
    for kind in (Fault, DeliveryFault):
        try:
            return kind(name)
        except ValueError:
            continue
    spellings = (fault.spelling for kind in (Fault, DeliveryFault) for fault in kind)
    example = next(iter(codes), "none here")
    raise ConfigurationError(
        f"fault {name!r} is none of {', '.join(spellings)}, and no code of an error, such as {example}"
    )


def fault_rule(
    targets: FaultTargets,
    operation: str,
    fault: str,
    *,
    times: int | EllipsisType | None = ...,
    spell: Callable[[str], str] = str,
    **options: Any,
) -> FaultRule:
    """Return a rule that makes sense.

    Args:
        targets: what faults can be injected into.
        operation: a word that names one or more of their operations, ``"*"``, or ``"deliveries"``.
        fault: its name, in any spelling, or the code of an error that is answered.
        times: how often it is injected; where it is left out once, or always where there is a probability; ``None``:
            always.
        spell: returns the name of an option as its sender writes it.
        options: see `OPTIONS`; ``None`` counts as not given.

    Raises:
        ConfigurationError: the operation, the fault or an option cannot be meant so; the message says which, and why.
    """
    known = fault_named(fault, targets.codes)
    operations = targets.named(operation, known)
    if not operations or (operation == ANY and isinstance(known, DeliveryFault)):
        possible = ", ".join(targets.of_fault(known))
        raise ConfigurationError(f"operation {operation!r} is none of {possible}, which {known} can be injected into")
    if times is ...:
        times = 1 if options.get("probability") is None else None
    given = {name: value for name, value in {"times": times, **options}.items() if value is not None}
    for name, value in given.items():
        _check(name, value, known, spell(name))
    settled = {name: option.defaults[known] for name, option in OPTIONS.items() if known in option.defaults} | given
    if "event" in settled:
        settled["event"] = _event_name(targets, settled["event"], spell("event"))
    secret = settled.pop("secret", None)
    return FaultRule(
        operation=operation, operations=operations, fault=known, secret=secret and Secret(secret), **settled
    )


def _check(name: str, value: Any, fault: AnyFault, written: str) -> None:
    option = OPTIONS[name]
    if not option.is_for(fault):
        takers = ", ".join(_KINDS.get(kind, str(kind)) for kind in option.faults)
        raise ConfigurationError(f"{fault} takes no {written}; that is for {takers}")
    if not option.holds(value):
        raise ConfigurationError(f"{written}={value!r} must be {option.rule}")


def _event_name(targets: FaultTargets, event: str, written: str) -> str:
    name = targets.event_named(event)
    if name is None:
        raise ConfigurationError(f"{written}={event!r} must be one of {', '.join(targets.event_types)}, or a type")
    return name
