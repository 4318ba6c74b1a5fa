"""Times are UTC, on whatever machine."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from vipps_async._times import as_utc

MOMENT = datetime(2026, 1, 19, 16, 26, 32, tzinfo=UTC)


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize(
    "moment",
    [MOMENT, MOMENT.replace(tzinfo=None), MOMENT.astimezone(timezone(timedelta(hours=9)))],
    ids=["UTC", "without a zone", "another zone"],
)
def test_any_time_becomes_utc(moment: datetime) -> None:
    """A time of another zone is converted, and one without a zone is UTC, not this machine's."""
    assert as_utc(moment) == MOMENT
    assert as_utc(moment).tzinfo is UTC
