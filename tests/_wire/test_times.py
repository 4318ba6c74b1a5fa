"""Times are UTC, on whatever machine."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from vipps_async._wire.times import as_utc, from_http_date

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


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize("month", range(1, 13))
def test_an_http_date_is_read_as_it_is_written(month: int) -> None:
    """The date of a signature or of a ``Retry-After`` is in UTC, in every month."""
    moment = MOMENT.replace(month=month)
    assert from_http_date(format_datetime(moment, usegmt=True)) == moment
    assert from_http_date(format_datetime(moment, usegmt=True)).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["Monday, 19-Jan-26 16:26:32 GMT", "Mon Jan 19 16:26:32 2026", "Mon, 19 Jan 2026 17:26:32 +0100"],
    ids=["RFC 850", "asctime", "RFC 5322"],
)
def test_an_http_date_may_have_another_form(text: str) -> None:
    """What others send for a date is read too: RFC 9110, 5.6.7."""
    assert from_http_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    ["", "soon", "Mon, 32 Jan 2026 16:26:32 GMT", "Mon, 19 Xxx 2026 16:26:32 GMT", "Mon, 19 Jan 2026 25:26:32 GMT"],
)
def test_what_is_no_http_date_is_refused(text: str) -> None:
    """Neither words nor a day, month or hour that there is not become a date."""
    with pytest.raises((ValueError, TypeError)):
        from_http_date(text)
