"""Notifies the observers of a receiver of what happens to deliveries and events, and counts it. Performs no I/O."""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

import attrs

from vipps_async._events import WebhookEvent
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks._delivered import DeliveredEvent
from vipps_async.webhooks._handlers import is_async

_logger = logging.getLogger("vipps_async.webhooks")


class Stage(StrEnum):
    """A stage of a delivery or of an event.

    A delivery is REFUSED or RECEIVED. Of one that was received, exactly one more stage tells what became of it:
    HANDLED, DUPLICATE, HELD, FAILED or TIMED_OUT. With an inbox its event is told once it is handled, or known to be a
    duplicate, or DEAD; FAILED and TIMED_OUT then report each attempt.
    """

    RECEIVED = "received"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    HANDLED = "handled"
    HELD = "held"
    """Answered 503: the event is being handled elsewhere, or the store is busy."""
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    """A handler took longer than ``handler_timeout``."""
    DEAD = "dead"


@attrs.frozen(kw_only=True)
class Notice:
    """One thing that happened.

    Attributes:
        stage: what.
        event: to which event; ``None`` for a delivery that was refused.
        reason: why it was refused.
        error: what a handler or the store raised, where it was held, failed, timed out or is dead.
        seconds: how long it took where it was claimed: its turn, the claim and the handlers.
        attempt: which attempt it was, of an event out of the inbox.
        webhook_id: the delivery's ``Webhook-Id``, where it had one: probably the registration. Events out of the inbox
            have none.
    """

    stage: Stage
    event: WebhookEvent | None = None
    reason: str | None = None
    error: BaseException | None = None
    seconds: float | None = None
    attempt: int = 1
    webhook_id: str | None = None


Observer = Callable[[Notice], object]
O = TypeVar("O", bound=Observer)  # noqa: E741 - a type variable is named by a letter


class Observers:
    """Tells observers, in order of registration, and counts."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._counts = dict.fromkeys(Stage, 0)

    @property
    def counts(self) -> Mapping[Stage, int]:
        """The number of times that each stage was reached since the receiver was made."""
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

    def tell_of(
        self,
        delivered: DeliveredEvent,
        stage: Stage,
        *,
        error: BaseException | None = None,
        seconds: float | None = None,
    ) -> None:
        """Count what happened to an event, and tell it."""
        event, attempt, webhook_id = delivered.event, delivered.attempt, delivered.webhook_id
        self.tell(
            Notice(stage=stage, event=event, error=error, seconds=seconds, attempt=attempt, webhook_id=webhook_id)
        )

    def tell(self, notice: Notice) -> None:
        """Count a notice, and tell it; an observer that raises is logged, since no event may fail by it."""
        self._counts[notice.stage] += 1
        for observer in self._observers:
            try:
                observer(notice)
            except Exception:
                _logger.exception("an observer failed at a notice of stage %s", notice.stage)
