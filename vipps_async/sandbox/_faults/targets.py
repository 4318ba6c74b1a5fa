"""The targets of faults, as the APIs that a sandbox serves declare them. Performs no I/O."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Self

import attrs

from vipps_async.sandbox._faults.faults import AnyFault, DeliveryFault, Fault
from vipps_async.sandbox._platform.api import ApiDefinition
from vipps_async.sandbox._platform.routes import is_named

ANY = "*"
DELIVERIES = "deliveries"


@attrs.frozen(kw_only=True)
class FaultTargets:
    """The operations, events and error codes of the served APIs.

    Attributes:
        operations: qualified names.
        about_something: those whose requests name a reference, by which they can ask for a fault themselves.
        can_fail: those that can fail after the rules have let them through.
        codes_of: by operation, the error codes that its API documents.
        event_types: the types of events by short name.
    """

    operations: tuple[str, ...]
    about_something: tuple[str, ...]
    can_fail: tuple[str, ...]
    codes_of: Mapping[str, tuple[str, ...]]
    event_types: Mapping[str, str | None]

    @classmethod
    def of(cls, apis: Iterable[ApiDefinition]) -> Self:
        """Return the targets that *apis* are, in the current version and as they were drafted."""
        served = [version for api in apis if api.routes for version in (api, api.draft) if version]
        routes = {route.operation: route for api in served for route in api.routes}
        return cls(
            operations=tuple(routes),
            about_something=tuple(name for name, route in routes.items() if route.subject),
            can_fail=tuple(name for name, route in routes.items() if route.can_fail),
            codes_of={route.operation: api.codes for api in served for route in api.routes},
            event_types={name: type_ for api in served for name, type_ in api.event_types.items()},
        )

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Every error code, each once."""
        return tuple(dict.fromkeys(code for codes in self.codes_of.values() for code in codes))

    def of_fault(self, fault: AnyFault) -> tuple[str, ...]:
        """Return the operations that *fault* can be injected into."""
        if isinstance(fault, DeliveryFault):
            return (DELIVERIES,)
        if isinstance(fault, Fault):
            return self.can_fail if fault is Fault.FAILED else self.operations
        return tuple(name for name in self.operations if fault in self.codes_of[name])

    def named(self, word: str, fault: AnyFault) -> frozenset[str]:
        """Return the operations that *word* names, of those that *fault* can be injected into."""
        return frozenset(name for name in self.of_fault(fault) if word == ANY or is_named(name, word))

    def event_named(self, text: str) -> str | None:
        """Return the name of the event that is called so, or has that type."""
        names = (name for name, type_ in self.event_types.items() if text.upper() == name.upper() or text == type_)
        return next(names, None)
