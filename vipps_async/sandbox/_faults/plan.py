"""Which request or delivery suffers which fault: orders, chance by a seed, and what payments ask for. Performs no I/O.

Chance has a generator for each order and operation, or kind of event. So what happens elsewhere, or at the same time,
does not change which of its occasions are struck.
"""

import secrets
from collections import deque
from collections.abc import Iterable
from random import Random

import attrs

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.faults import AnyFault
from vipps_async.sandbox._faults.orders import Occasion, Order
from vipps_async.sandbox._faults.wishes import wishes
from vipps_async.sandbox._ledger.lifecycle import EventName

_REMEMBERED = 100_000  # faults
_SEEDS = 2**32


@attrs.frozen(kw_only=True)
class FaultDone:
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
        self._orders: list[Order] = []
        self._ordered = 0
        self._generators: dict[str, Random] = {}
        self._granted: set[FaultDone] = set()
        self._done: deque[FaultDone] = deque(maxlen=_REMEMBERED)

    @property
    def orders(self) -> tuple[Order, ...]:
        """What is on order."""
        return tuple(self._orders)

    @property
    def done(self) -> list[FaultDone]:
        """What struck, oldest first."""
        return list(self._done)

    def add(self, orders: Iterable[Order]) -> None:
        """Order more."""
        for order in orders:
            self._ordered += 1
            self._orders.append(attrs.evolve(order, number=self._ordered))

    def withdraw(self) -> None:
        """Withdraw every order."""
        self._orders.clear()

    def clear(self) -> None:
        """Forget everything, and begin with the seed again."""
        self.withdraw()
        self._ordered = 0
        for memory in (self._generators, self._granted, self._done):
            memory.clear()

    def take(self, occasion: Occasion) -> Order | None:
        """Return what *occasion* suffers, and count it.

        Raises:
            ConfigurationError: the payment's reference asks for something that is not known.
        """
        order = self._due(occasion) or self._wished(occasion)
        if order is not None:
            self._done.append(_record(order, occasion))
        return order

    def _due(self, occasion: Occasion) -> Order | None:
        for order in self._orders:
            if order.concerns(occasion) and self._strikes(order, occasion):
                return self._spend(order)
        return None

    def _strikes(self, order: Order, occasion: Occasion) -> bool:
        if order.probability is None:
            return True
        stream = f"{order.number} {occasion.event or occasion.operation}"
        if stream not in self._generators:
            self._generators[stream] = Random(f"{self.seed} {stream}")  # noqa: S311 - to be repeated, not to be secret
        return self._generators[stream].random() < order.probability

    def _spend(self, order: Order) -> Order:
        if order.times is not None:
            order.times -= 1
            self._orders = [order for order in self._orders if order.times != 0]
        return order

    def _wished(self, occasion: Occasion) -> Order | None:
        for order in wishes(occasion):
            wish = _record(order, occasion)
            if order.concerns(occasion) and (order.times is None or wish not in self._granted):
                self._granted.add(wish)
                return order
        return None


def _record(order: Order, occasion: Occasion) -> FaultDone:
    return FaultDone(
        operation=occasion.operation, fault=order.fault, reference=occasion.reference, event=occasion.event
    )
