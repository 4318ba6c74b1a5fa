"""Times on the wire are UTC, also where they do not say so. Performs no I/O."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = {name: f"{number:02}" for number, name in enumerate(_MONTHS, start=1)}


def as_utc(moment: datetime) -> datetime:
    """Return *moment* in UTC; one without a time zone is taken as UTC, whatever this machine's zone is."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_text(moment: datetime) -> str:
    """Return *moment* as ISO 8601 text in UTC, ending in ``Z``: an offset may have seconds, which no API reads."""
    return as_utc(moment).isoformat().replace("+00:00", "Z")


def from_http_date(text: str) -> datetime:
    """Return the moment that an HTTP date tells, in any of its forms.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    try:
        return _from_fixed_form(text)
    except (KeyError, ValueError):
        return as_utc(parsedate_to_datetime(text))


def _from_fixed_form(text: str) -> datetime:
    # What everybody is to send, such as "Sun, 06 Nov 1994 08:49:37 GMT", read in a tenth of the time: RFC 9110, 5.6.7.
    day, month, year, time, zone = text[5:7], text[8:11], text[12:16], text[17:25], text[25:]
    if zone != " GMT":
        raise ValueError(f"{text!r} has another form")
    return datetime.fromisoformat(f"{year}-{_DIGITS[month]}-{day}T{time}+00:00")
