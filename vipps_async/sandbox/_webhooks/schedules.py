"""How long deliveries are tried. Sources: Webhooks API, retries; the draft's guide, callbacks."""

from datetime import timedelta

import attrs

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


@attrs.frozen(kw_only=True)
class Schedule:
    """When a delivery that failed is tried again.

    Attributes:
        retry_delays: seconds between attempts, the last one repeated.
        give_up_after: how long an event is tried.
        remove_after: how long a webhook may fail before it is removed; ``None``: forever.
    """

    retry_delays: tuple[float, ...]
    give_up_after: timedelta
    remove_after: timedelta | None


# Attempts 1 to 4, 5, 6, 7 to 29, and then daily.
CURRENT = Schedule(
    retry_delays=(2.0,) * 4 + (_MINUTE, 2 * _MINUTE) + (_HOUR,) * 23 + (_DAY,),
    give_up_after=timedelta(days=7),
    remove_after=timedelta(weeks=2),
)

# Attempts 1 to 5, 6 to 10, 10 to 20, 20 to 50, and from 50 on without an end.
DRAFT = Schedule(
    retry_delays=(2.0,) * 5 + (15.0,) * 5 + (_MINUTE,) * 10 + (15 * _MINUTE,) * 30 + (_HOUR,),
    give_up_after=timedelta.max,
    remove_after=None,
)
