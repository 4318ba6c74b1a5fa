"""Fault rules: which requests or deliveries suffer what, and the options that a rule takes. Performs no I/O."""

from collections.abc import Callable, Mapping
from types import EllipsisType, MappingProxyType
from typing import Any

import attrs

from vipps_async._wire.secret import Secret
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._faults.faults import AnyFault, DeliveryFault, ErrorCode, Fault
from vipps_async.sandbox._platform.problems import CODES

PAYMENT_OPERATIONS = ("create", "get", "events", "capture", "refund", "cancel", "adjust", "approve")
OPERATIONS = ("token", *PAYMENT_OPERATIONS, "register", "list", "delete")
MODIFICATIONS = ("capture", "refund", "cancel", "adjust")
ANY = "*"
DELIVERIES = "deliveries"


_WEEK = 604_800  # seconds
_MOST_COPIES = 100
_MOST_TIMES = 1_000_000


@attrs.frozen(kw_only=True)
class FaultContext:
    """A request, or the delivery of an event to one webhook, before it is known what happens to it.

    Attributes:
        operation: the request's, or ``"deliveries"``.
        reference: the payment's; empty where it is about none.
        amount: what the request or the event is about, in minor units.
        event: the event's name.
    """

    operation: str
    reference: str = ""
    amount: int | None = None
    event: EventName | None = None


def operations_for(fault: AnyFault) -> tuple[str, ...]:
    """Return the operations that can suffer *fault*."""
    if isinstance(fault, DeliveryFault):
        return (DELIVERIES,)
    return MODIFICATIONS if fault is Fault.FAILED else OPERATIONS


@attrs.define(kw_only=True)
class FaultRule:
    """A fault on order.

    Attributes:
        operation: whose requests suffer it; ``"*"``: every one's that can; ``"deliveries"``: deliveries do.
        fault: what they suffer.
        times: how many still do; ``None``: all, until faults are cleared.
        probability: the share of them that does; ``None``: each one.
        reference: only those about this payment.
        event: only deliveries of this event.
        retry_after: seconds for a ``Retry-After`` header.
        seconds: how long it lasts.
        copies: how often the event is delivered.
        secret: what the first attempt is signed with.
        number: its place among the rules, from 1 on.
    """

    operation: str
    fault: AnyFault
    times: int | None = None
    probability: float | None = None
    reference: str | None = None
    event: EventName | None = attrs.field(default=None, converter=attrs.converters.optional(EventName))
    retry_after: float | None = None
    seconds: float | None = None
    copies: int | None = None
    secret: Secret | None = attrs.field(default=None, repr=False)
    number: int = 0

    def concerns(self, context: FaultContext) -> bool:
        """Whether *context* is one of those that suffer it."""
        is_at = self.operation in {context.operation, ANY} and context.operation in operations_for(self.fault)
        is_about = self.reference in {None, context.reference} and self.event in {None, context.event}
        return is_at and is_about


@attrs.frozen(kw_only=True)
class Option:
    """What a rule may say beside its operation and its fault.

    Attributes:
        rule: what its value must be.
        holds: whether a value is so.
        read: makes the value from text.
        defaults: the faults that take it, with what each gets if it is not given.
    """

    rule: str
    holds: Callable[[Any], bool]
    read: Callable[[str], Any]
    defaults: Mapping[AnyFault, Any]


def _number(least: float, most: float, *types: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in types and least <= value <= most


_OF_REQUESTS: Mapping[AnyFault, None] = dict.fromkeys((*Fault, *map(ErrorCode, CODES)))
_OF_DELIVERIES: Mapping[AnyFault, None] = dict.fromkeys(DeliveryFault)


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "times": Option(
            rule=f"a whole number, 1 to {_MOST_TIMES}",
            holds=_number(1, _MOST_TIMES, int),
            read=int,
            defaults={**_OF_REQUESTS, **_OF_DELIVERIES},
        ),
        "probability": Option(
            rule="a number above 0, and 1 at most",
            holds=lambda value: _number(0, 1, int, float)(value) and value > 0,
            read=float,
            defaults={**_OF_REQUESTS, **_OF_DELIVERIES},
        ),
        "reference": Option(
            rule="the reference of a payment",
            holds=lambda value: isinstance(value, str) and value != "",
            read=str,
            defaults={**_OF_REQUESTS, **_OF_DELIVERIES},
        ),
        "event": Option(
            rule=f"one of {', '.join(EventName)}",
            holds=lambda value: isinstance(value, str) and value in EventName.__members__,
            read=str.upper,
            defaults=_OF_DELIVERIES,
        ),
        "retry_after": Option(
            rule=f"seconds, 0 to {_WEEK}",
            holds=_number(0, _WEEK, int, float),
            read=float,
            defaults=_OF_REQUESTS,
        ),
        "seconds": Option(
            rule=f"seconds, 0 to {_WEEK}",
            holds=_number(0, _WEEK, int, float),
            read=float,
            defaults={Fault.LATENCY: 1.0, Fault.REFUSED: 1.0, DeliveryFault.DELAY: 5.0, DeliveryFault.REORDER: 5.0},
        ),
        "copies": Option(
            rule=f"a whole number, 2 to {_MOST_COPIES}",
            holds=_number(2, _MOST_COPIES, int),
            read=int,
            defaults={DeliveryFault.DUPLICATE: 2, DeliveryFault.CONCURRENT: 2},
        ),
        "secret": Option(
            rule="text",
            holds=lambda value: isinstance(value, str) and value != "",
            read=str,
            defaults={DeliveryFault.RE_SIGN: "a-secret-of-another-webhook"},
        ),
    }
)


def fault_named(name: str) -> AnyFault:
    """Return the fault called *name*, in any of its spellings; the code of an error is one too.

    Raises:
        ConfigurationError: there is none; the message lists them.
    """
    if name in CODES:
        return ErrorCode(name)
    for kind in (Fault, DeliveryFault):
        try:
            return kind(name)
        except ValueError:
            continue
    spellings = (fault.spelling for kind in (Fault, DeliveryFault) for fault in kind)
    raise ConfigurationError(f"fault {name!r} is none of {', '.join(spellings)}, and no code of an error, such as 6260")


def fault_rule(
    operation: str,
    fault: str,
    *,
    times: int | EllipsisType | None = ...,
    spell: Callable[[str], str] = str,
    **options: Any,
) -> FaultRule:
    """Return a rule that makes sense.

    Args:
        operation: one of `OPERATIONS`, ``"*"``, or ``"deliveries"``.
        fault: its name, in any spelling, or the code of an error that is answered.
        times: how many suffer it; where it is left out one does, or all where there is a probability; ``None``: all.
        spell: returns the name of an option as its sender writes it.
        options: see `OPTIONS`; ``None`` counts as not given.

    Raises:
        ConfigurationError: the operation, the fault or an option cannot be meant so; the message says which, and why.
    """
    known = fault_named(fault)
    targets = operations_for(known) if isinstance(known, DeliveryFault) else (*operations_for(known), ANY)
    if operation not in targets:
        raise ConfigurationError(f"operation {operation!r} is none of {', '.join(targets)}, which suffer {known}")
    if times is ...:
        times = 1 if options.get("probability") is None else None
    given = {name: value for name, value in {"times": times, **options}.items() if value is not None}
    for name, value in given.items():
        _check(name, value, known, spell(name))
    defaults = {name: option.defaults[known] for name, option in OPTIONS.items() if known in option.defaults}
    settled = defaults | given
    secret = settled.pop("secret", None)
    return FaultRule(operation=operation, fault=known, secret=secret and Secret(secret), **settled)


def _check(name: str, value: Any, fault: AnyFault, written: str) -> None:
    option = OPTIONS[name]
    if fault not in option.defaults:
        raise ConfigurationError(f"{fault} takes no {written}; that is for {', '.join(option.defaults)}")
    if not option.holds(value):
        raise ConfigurationError(f"{written}={value!r} must be {option.rule}")
