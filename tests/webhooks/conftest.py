"""Fixtures of the webhook tests: databases, empty but for a table ``effects`` that handlers write to."""

import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest
import pytest_asyncio

from tests.support.servers.pgbouncer import PgBouncer
from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.places import Place, PostgresPlace, SqlitePlace

_schemas = (f"test_{number}" for number in itertools.count())


@pytest_asyncio.fixture
async def postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """What connects to a schema of the test's own."""
    schema = next(_schemas)
    connection = await asyncpg.connect(postgres_server.url())
    await connection.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.effects (reference text)")
    await connection.close()
    yield postgres_server.url(schema)
    connection = await asyncpg.connect(postgres_server.url())  # another, since the server may have been restarted
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await connection.close()


@pytest_asyncio.fixture
async def pgbouncer_url(postgres_server: PostgresServer, postgres_url: str) -> AsyncIterator[str]:
    """What connects to a schema of the test's own through PgBouncer's transaction pooling."""
    connection = await asyncpg.connect(postgres_url)
    role = await connection.fetchval("SELECT current_schema()")
    await connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} SET search_path = {role}")
    await connection.close()
    with PgBouncer(postgres_server, role=role) as bouncer:
        yield bouncer.url
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")
    await connection.close()


@pytest.fixture
def pgbouncer_place(pgbouncer_url: str) -> PostgresPlace:
    """A schema, through PgBouncer."""
    return PostgresPlace(pgbouncer_url, statement_cache_size=0)


@pytest.fixture
def postgres_place(postgres_url: str) -> PostgresPlace:
    """A schema."""
    return PostgresPlace(postgres_url)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> SqlitePlace:
    """A file."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE effects (reference TEXT)")
    return SqlitePlace(str(path))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    """One after the other."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found
