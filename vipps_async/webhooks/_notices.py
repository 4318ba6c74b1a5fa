"""What happens to deliveries and events, told to whoever observes a receiver, and counted. Performs no I/O."""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import attrs

from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks._router import is_async

_logger = logging.getLogger("vipps_async.webhooks")


class Stage(StrEnum):
    """What happened; a delivery is refused or received, and an event that was received is one of the others."""

    RECEIVED = "received"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    HANDLED = "handled"
    FAILED = "failed"
    DEAD = "dead"


@attrs.frozen(kw_only=True)
class Notice:
    """One thing that happened.

    Attributes:
        stage: what.
        event: to which event; ``None`` for a delivery that was refused.
        reason: why it was refused.
        error: what a handler or the store raised, where it failed or is dead.
        seconds: how long it took where it was claimed: its turn, the claim and the handlers.
        attempt: which attempt it was, of an event out of the inbox.
    """

    stage: Stage
    event: PaymentEvent | None = None
    reason: str | None = None
    error: BaseException | None = None
    seconds: float | None = None
    attempt: int = 1


Observer = Callable[[Notice], object]
O = TypeVar("O", bound=Observer)  # noqa: E741 - a type variable is named by a letter


class Notices:
    """Tells observers, in order of registration, and counts."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._counts = dict.fromkeys(Stage, 0)

    @property
    def counts(self) -> Mapping[Stage, int]:
        """How often each stage was reached since the receiver was made."""
        return dict(self._counts)

    def add(self, observer: O) -> O:
        """Have *observer* told from now on.

        Raises:
            ConfigurationError: it is async.
        """
        if is_async(observer):
            raise ConfigurationError(f"{observer!r} must be a plain function: the receiver does not await observers")
        self._observers.append(observer)
        return observer

    def tell(self, stage: Stage, **facts: Any) -> None:
        """Count a notice of *facts*, and tell it; an observer that raises is logged, since no event may fail by it."""
        self._counts[stage] += 1
        if not self._observers:
            return
        notice = Notice(stage=stage, **facts)
        for observer in self._observers:
            try:
                observer(notice)
            except Exception:
                _logger.exception("an observer failed at a notice of stage %s", stage)
