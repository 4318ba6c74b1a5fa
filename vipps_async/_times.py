"""Times on the wire are UTC, also where they do not say so. Performs no I/O."""

from datetime import UTC, datetime


def as_utc(moment: datetime) -> datetime:
    """Return *moment* in UTC; one without a time zone is taken as UTC, whatever this machine's zone is."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
