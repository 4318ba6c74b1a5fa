"""General rules of requests' fields, and dates, both ways."""

from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from vipps_async._wire import validators
from vipps_async._wire.converter import Malformed, structure, unstructure
from vipps_async.errors import InvalidRequest


@attrs.frozen(kw_only=True)
class Charge:
    """Something with a date."""

    due: date = attrs.field(validator=validators.day)
    tried_at: datetime | None = None


def test_a_date_is_written_and_read_as_a_day() -> None:
    """It has no time and no zone, beside a time that has both."""
    charge = Charge(due=date(2026, 11, 2), tried_at=datetime(2026, 11, 2, 7, tzinfo=UTC))
    assert unstructure(charge) == {"due": "2026-11-02", "triedAt": "2026-11-02T07:00:00Z"}
    assert structure({"due": "2026-11-02", "triedAt": "2026-11-02T07:00:00Z"}, Charge) == charge


@pytest.mark.parametrize("text", ["2026-11-31", "2.11.2026", "2026-11-02T07:00:00Z", "", None, 20261102])
def test_what_is_no_day_is_malformed(text: Any) -> None:
    """A field that decides is not guessed."""
    with pytest.raises(Malformed, match="due"):
        structure({"due": text}, Charge)


@pytest.mark.parametrize("due", [datetime(2026, 11, 2, tzinfo=UTC), "2026-11-02", None, 1])
def test_a_time_is_no_day(due: Any) -> None:
    """A datetime is a date to Python, and would be sent as another thing."""
    with pytest.raises(InvalidRequest, match=r"due=.*must be a date without a time"):
        Charge(due=due)
