"""Rules for handling events after their delivery was answered. Performs no I/O."""

from datetime import timedelta
from typing import Any

import attrs

from vipps_async._wire.durations import as_duration, within
from vipps_async.errors import ConfigurationError


def _check_count(_: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{field.name}={value!r} must be a whole number, 1 or more")


_IN_BOUNDS = within(most=timedelta(days=7))


@attrs.frozen(kw_only=True)
class InboxPolicy:
    """Rules for handling events after their delivery was answered.

    Durations are seconds or timedeltas.

    Args:
        workers: how many events this process handles at once; with PostgreSQL keep it below the pool's size, since each
            occupies a connection, and deliveries need some too.
        attempts: how often an event is tried before it is a dead letter.
        initial_delay: before the second attempt; each later pause is twice as long as the one before. A random part of
            up to half of each is left out, so that what failed together does not come back together.
        max_delay: what pauses grow to.
        dead_letter_blocks: whether the later events of a dead letter's subject wait until it is requeued or discarded;
            with ``False`` they go on, and a dead letter that is requeued takes effect after events that came later.
        lease: when the events of a process that died are free again; one that lives renews it.
        poll_interval: how often the store is asked for events that this process did not receive itself, or that failed.
        shutdown_timeout: how long a shutdown waits for the handlers of events out of the inbox before it cancels them
            and gives their events back.

    Raises:
        ConfigurationError: an argument is not above 0.
    """

    workers: int = attrs.field(default=4, validator=_check_count)
    attempts: int = attrs.field(default=20, validator=_check_count)
    initial_delay: timedelta = attrs.field(default=timedelta(seconds=1), converter=as_duration, validator=_IN_BOUNDS)
    max_delay: timedelta = attrs.field(default=timedelta(hours=1), converter=as_duration, validator=_IN_BOUNDS)
    dead_letter_blocks: bool = True
    lease: timedelta = attrs.field(default=timedelta(seconds=30), converter=as_duration, validator=_IN_BOUNDS)
    poll_interval: timedelta = attrs.field(default=timedelta(seconds=1), converter=as_duration, validator=_IN_BOUNDS)
    shutdown_timeout: timedelta = attrs.field(
        default=timedelta(seconds=20), converter=as_duration, validator=_IN_BOUNDS
    )

    def pause_after(self, attempt: int) -> timedelta:
        """Return the longest pause after the attempt of this number, 1 the first."""
        doublings = min(attempt - 1, 40)  # more than any pause has, and few enough for a timedelta
        return min(self.max_delay, timedelta(seconds=self.initial_delay.total_seconds() * 2**doublings))
