"""Which request or delivery suffers which fault: rules, chance by a seed, and what payments ask for. Performs no I/O.

Chance has a generator for each rule and operation, or kind of event. So what happens elsewhere, or at the same time,
does not change which of its occasions are struck.
"""

import secrets
from collections import deque
from collections.abc import Iterable
from random import Random

import attrs

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._faults.faults import AnyFault
from vipps_async.sandbox._faults.magic_values import magic_values
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule

_REMEMBERED = 100_000  # faults
_SEEDS = 2**32


@attrs.frozen(kw_only=True)
class InjectedFault:
    """A fault that struck.

    Attributes:
        operation: the request's, or ``"deliveries"``.
        fault: what it suffered.
        reference: the payment's; empty where it was about none.
        event: the delivered event's name.
    """

    operation: str
    fault: AnyFault
    reference: str
    event: EventName | None


class FaultPlan:
    """The faults to come, first come first served, and those that struck.

    Args:
        seed: what chance goes by: with the same one, the same occasions are struck; ``None`` takes any.

    Raises:
        ConfigurationError: the seed is out of its range.
    """

    def __init__(self, seed: int | None) -> None:
        if seed is not None and not (type(seed) is int and 0 <= seed < _SEEDS):
            raise ConfigurationError(f"seed={seed!r} must be a whole number, 0 to {_SEEDS - 1}")
        self.seed = secrets.randbelow(_SEEDS) if seed is None else seed
        self._rules: list[FaultRule] = []
        self._added = 0
        self._generators: dict[str, Random] = {}
        self._granted: set[InjectedFault] = set()
        self._done: deque[InjectedFault] = deque(maxlen=_REMEMBERED)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """What is on order."""
        return tuple(self._rules)

    @property
    def done(self) -> list[InjectedFault]:
        """What struck, oldest first."""
        return list(self._done)

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Add rules."""
        for rule in rules:
            self._added += 1
            self._rules.append(attrs.evolve(rule, number=self._added))

    def withdraw(self) -> None:
        """Withdraw every rule."""
        self._rules.clear()

    def clear(self) -> None:
        """Forget everything, and begin with the seed again."""
        self.withdraw()
        self._added = 0
        for memory in (self._generators, self._granted, self._done):
            memory.clear()

    def take(self, context: FaultContext) -> FaultRule | None:
        """Return what *context* suffers, and count it.

        Raises:
            ConfigurationError: the payment's reference asks for something that is not known.
        """
        rule = self._due(context) or self._wished(context)
        if rule is not None:
            self._done.append(_record(rule, context))
        return rule

    def _due(self, context: FaultContext) -> FaultRule | None:
        for rule in self._rules:
            if rule.concerns(context) and self._strikes(rule, context):
                return self._spend(rule)
        return None

    def _strikes(self, rule: FaultRule, context: FaultContext) -> bool:
        if rule.probability is None:
            return True
        stream = f"{rule.number} {context.event or context.operation}"
        if stream not in self._generators:
            self._generators[stream] = Random(f"{self.seed} {stream}")  # noqa: S311 - to be repeated, not to be secret
        return self._generators[stream].random() < rule.probability

    def _spend(self, rule: FaultRule) -> FaultRule:
        if rule.times is not None:
            rule.times -= 1
            self._rules = [rule for rule in self._rules if rule.times != 0]
        return rule

    def _wished(self, context: FaultContext) -> FaultRule | None:
        for rule in magic_values(context):
            wish = _record(rule, context)
            if rule.concerns(context) and (rule.times is None or wish not in self._granted):
                self._granted.add(wish)
                return rule
        return None


def _record(rule: FaultRule, context: FaultContext) -> InjectedFault:
    return InjectedFault(
        operation=context.operation, fault=rule.fault, reference=context.reference, event=context.event
    )
