"""What a `PostgresStore`'s tables have in common: their names, their keys, and what to do if they are missing."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from vipps_async.errors import ConfigurationError

# Seconds that a delivery waits for a free connection; Webhooks API: an answer is awaited for 10.
PATIENCE = 3.0

# Lower case, so that the name means the same with quotes and without; short, so that the indexes' names fit as well.
_TABLE_NAME = re.compile(r"(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,46}")
# What PostgreSQL's text holds, and an index entry too (a third of a page at most).
_PLAIN_KEY = re.compile(r"[ -~]{0,1000}")

# How a duplicate renews its mark: only where the gain is worth a write.
KEEP = """
UPDATE {table} SET expires_at = now() + $2::interval
WHERE key = $1 AND expires_at < now() + $2::interval - $3::interval"""

# SQLSTATE -> what to do about it; PostgreSQL documentation, appendix A.
_ADVICE = {
    "25P02": "a handler caught a database error: wrap what may fail in `async with claim.connection.transaction()`",
    "42P01": "the store's tables are missing: `await store.create_schema()`, or run the SQL of `store.schema`",
}


@contextmanager
def advised() -> Iterator[None]:
    """Add advice to the database's errors."""
    try:
        yield
    except Exception as error:
        advice = _ADVICE.get(getattr(error, "sqlstate", ""))
        if advice:
            error.add_note(advice)
        raise


def quoted(table: str, suffix: str = "") -> str:
    """Return the name, with the suffix, as SQL takes it.

    Raises:
        ConfigurationError: it is no name, or too long.
    """
    if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
        raise ConfigurationError(
            f"table={table!r} must be a lower-case name of letters, digits and _, 47 at most, or schema.name"
        )
    return ".".join(f'"{part}"' for part in f"{table}{suffix}".split("."))


def stored(key: str) -> str:
    """Return what stands for *key* in a table: itself, or the hash of the rare one that does not fit.

    That is one with NUL or a lone surrogate, in another script, or very long.
    """
    if _PLAIN_KEY.fullmatch(key):
        return key
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
