"""Which SQL a store runs is decided by the version that its database tells."""

import pytest

from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.stores._schema import VERSION, Database, migrations, script

PLACE = "the file 'shop.db'"


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_version_has_a_script_that_tells_its_number(database: Database) -> None:
    """Whoever runs the files by hand gets tables that the store takes as its own."""
    for version in range(1, VERSION + 1):
        assert f"-- Version {version}." in script(database, version)


def test_a_new_database_gets_every_version_in_order() -> None:
    """From nothing all scripts are run."""
    scripts = migrations("sqlite", found=None, tables=[], place=PLACE)
    assert scripts == [script("sqlite", version) for version in range(1, VERSION + 1)]


def test_tables_that_are_up_to_date_are_left_alone() -> None:
    """Nothing is run."""
    assert migrations("sqlite", found=VERSION, tables=["vipps_events", "vipps_inbox"], place=PLACE) == []


def test_tables_without_a_version_are_refused_by_name() -> None:
    """The message names the database, its tables and what to do."""
    with pytest.raises(ConfigurationError, match=r"'shop.db'.* vipps_events, vipps_inbox.* rename them"):
        migrations("sqlite", found=None, tables=["vipps_inbox", "vipps_events"], place=PLACE)


@pytest.mark.parametrize("found", [0, VERSION + 1])
def test_a_version_that_is_not_known_is_refused_by_name(found: int) -> None:
    """Tables that a newer package has changed are not written to."""
    with pytest.raises(ConfigurationError, match=rf"'shop.db' has schema version {found}.*works with {VERSION}"):
        migrations("sqlite", found=found, tables=["vipps_events"], place=PLACE)
