"""One form for what can be spelled in several ways and means the same, so that the same request has the same bytes.

The API compares bodies of one idempotency key, and the key of a creation is derived from its body: a process that
repeats it must not end in a conflict because its sets iterate in another order, or its clock is in another zone. What
is malformed is returned as it is, for the field's validator to refuse.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from vipps_async.errors import InvalidRequest


def metadata(pairs: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return *pairs* as plain texts, ordered by their keys; ``None`` if there are none."""
    if not isinstance(pairs, Mapping) or not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        return pairs
    # Not str(): what a text enum, or text that is marked as safe, shows there may be something else.
    return {str.__str__(key): str.__str__(pairs[key]) for key in sorted(pairs)} or None


def moment(instant: datetime | None) -> datetime | None:
    """Return an aware *instant* in UTC.

    Raises:
        InvalidRequest: in UTC its year is none that a datetime can have.
    """
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        return instant
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("expires_at", instant, "must be within the years 1 to 9999 of UTC") from None


def words(text: str) -> str:
    """Return the words of *text*, each once and in alphabetical order."""
    return " ".join(sorted(set(text.split())))
