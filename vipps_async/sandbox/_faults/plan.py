"""Decides which fault is injected into a request or a delivery, by rules, by chance, and by what is asked for.

The rules are asked in their order. One that concerns the request, and hits by its probability, is used up by one and
ends the search. If none does, the reference or the amount of the request may ask for a fault itself, once unless it
says always. Chance has a generator for each rule and operation, or kind of event, so that what happens elsewhere, or at
the same time, does not change which requests are hit: with one seed, the same ones are. Performs no I/O.
"""

import secrets
from collections import deque
from collections.abc import Iterable
from random import Random

import attrs

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.faults import AnyFault
from vipps_async.sandbox._faults.magic_values import magic_values
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule
from vipps_async.sandbox._faults.targets import FaultTargets

_REMEMBERED = 100_000  # faults
_SEEDS = 2**32


@attrs.frozen(kw_only=True)
class InjectedFault:
    """A fault that was injected.

    Attributes:
        operation: the request's, or ``"deliveries"``.
        fault: what was injected.
        reference: what it was about; empty where it was about nothing.
        event: the delivered event's name.
    """

    operation: str
    fault: AnyFault
    reference: str
    event: str | None


class FaultPlan:
    """The faults to come, and those that were injected.

    Args:
        targets: what faults can be injected into.
        seed: of chance: with the same one, the same requests are hit; ``None`` takes any.

    Raises:
        ConfigurationError: the seed is out of its range.
    """

    def __init__(self, targets: FaultTargets, seed: int | None) -> None:
        if seed is not None and not (type(seed) is int and 0 <= seed < _SEEDS):
            raise ConfigurationError(f"seed={seed!r} must be a whole number, 0 to {_SEEDS - 1}")
        self.targets = targets
        self.seed = secrets.randbelow(_SEEDS) if seed is None else seed
        self._rules: list[FaultRule] = []
        self._added = 0
        self._generators: dict[str, Random] = {}
        self._granted: set[InjectedFault] = set()
        self._done: deque[InjectedFault] = deque(maxlen=_REMEMBERED)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules that are left, in their order."""
        return tuple(self._rules)

    @property
    def done(self) -> list[InjectedFault]:
        """The faults that were injected, oldest first."""
        return list(self._done)

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Add rules."""
        for rule in rules:
            self._added += 1
            self._rules.append(attrs.evolve(rule, number=self._added))

    def remove(self, number: int) -> bool:
        """Remove one rule; return whether there was one of this number."""
        left = [rule for rule in self._rules if rule.number != number]
        is_gone = len(left) < len(self._rules)
        self._rules = left
        return is_gone

    def clear(self) -> None:
        """Remove every rule."""
        self._rules.clear()

    def reset(self) -> None:
        """Forget everything, and begin with the seed again."""
        self.clear()
        self._added = 0
        for memory in (self._generators, self._granted, self._done):
            memory.clear()

    def draw(self, context: FaultContext) -> FaultRule | None:
        """Return the rule of the fault to inject into *context*, if one is, and record it.

        Raises:
            ConfigurationError: its reference asks for something that is not known.
        """
        rule = self._due(context) or self._asked_for(context)
        if rule is not None:
            self._done.append(_record(rule, context))
        return rule

    def _due(self, context: FaultContext) -> FaultRule | None:
        for rule in self._rules:
            if rule.concerns(context) and self._hits(rule, context):
                return self._use_up(rule)
        return None

    def _hits(self, rule: FaultRule, context: FaultContext) -> bool:
        if rule.probability is None:
            return True
        stream = f"{rule.number} {context.event or context.operation}"
        if stream not in self._generators:
            self._generators[stream] = Random(f"{self.seed} {stream}")  # noqa: S311 - to be repeated, not to be secret
        return self._generators[stream].random() < rule.probability

    def _use_up(self, rule: FaultRule) -> FaultRule:
        if rule.times is not None:
            rule.times -= 1
            self._rules = [rule for rule in self._rules if rule.times != 0]
        return rule

    def _asked_for(self, context: FaultContext) -> FaultRule | None:
        for rule in magic_values(context, self.targets):
            asked = _record(rule, context)
            if rule.concerns(context) and (rule.times is None or asked not in self._granted):
                self._granted.add(asked)
                return rule
        return None


def _record(rule: FaultRule, context: FaultContext) -> InjectedFault:
    return InjectedFault(
        operation=context.operation, fault=rule.fault, reference=context.reference, event=context.event
    )
