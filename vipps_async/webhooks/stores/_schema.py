"""Decides which SQL brings a store's tables to the version that this package works with. Knows no database.

Each version is a file in the folder ``schema``: ``sqlite_1.sql`` creates the tables, and a later ``sqlite_2.sql``
changes those of version 1. A file also writes its number into the table of versions, so that it can be run by hand.
"""

from collections.abc import Collection
from importlib.resources import files
from typing import Literal

from vipps_async.errors import ConfigurationError

Database = Literal["sqlite", "postgres"]

VERSION = 1


def script(database: Database, version: int) -> str:
    """Return the SQL that leads to *version* from the one before, or from nothing to 1."""
    return files("vipps_async.webhooks.stores").joinpath("schema", f"{database}_{version}.sql").read_text("utf-8")


def migrations(database: Database, *, found: int | None, tables: Collection[str], place: str) -> list[str]:
    """Return the scripts that are to be run, in order; none where the tables are up to date.

    Args:
        database: whose SQL.
        found: the version that the database tells; ``None`` where it has no table of versions.
        tables: those of the store's tables that are there.
        place: the database, for a message: ``"the file 'events.db'"``.

    Raises:
        ConfigurationError: the tables have no version, and may be anything, or a version that is not known here.
    """
    if found is None and tables:
        raise ConfigurationError(
            f"{place} has tables without a schema version, {', '.join(sorted(tables))}: another program's, or those of "
            "a vipps_async before versions; rename them, or give the store a database of its own"
        )
    if found is not None and not 1 <= found <= VERSION:
        raise ConfigurationError(
            f"{place} has schema version {found}, and this vipps_async works with {VERSION}: "
            "a newer one has been here; use that one in every process"
        )
    return [script(database, version) for version in range((found or 0) + 1, VERSION + 1)]
