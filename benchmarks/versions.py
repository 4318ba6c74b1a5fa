"""What calls, deliveries and claims cost in this version of the package, against another checkout of it."""

import os
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types

from benchmarks import laps
from benchmarks.children import Child, child
from benchmarks.pairs import Cost, Row, Work, compare
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import RedisServer

ROOT = Path(__file__).parents[1]
ROUNDS = 41
LIMIT = "CPU 1.03"
WORKS = ("get", "create", "capture", "delivery", "memory", "sqlite", "redis", "postgres")


@asynccontextmanager
async def laps_of(tree: Path, url: str, redis: str, postgres: str) -> AsyncIterator[Child]:
    """Run the laps with the package in *tree*."""
    with TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPATH": str(tree)}
        async with child(laps.__file__, url, redis, postgres, folder, environ=environ) as process:
            yield process


def lapping(process: Child, work: str) -> Work:
    """Return the work of a lap in another process, which measures it."""

    async def run() -> Cost:
        wall, cpu = (await process.ask(work)).split()
        return Cost(float(wall), float(cpu))

    return Work(run)


async def _create_schema(url: str, schema: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.close()


async def compare_versions(other: Path, works: Collection[str] = WORKS, rounds: int = ROUNDS) -> list[Row]:
    """Compare this checkout with *other*, which is the base of the ratios."""
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(child("benchmarks.answering"))
        url = f"http://127.0.0.1:{await server.hear()}"
        redis, postgres = opened.enter_context(RedisServer()), opened.enter_context(PostgresServer())
        sides: list[Child] = []
        for number, tree in enumerate((other, ROOT)):
            await _create_schema(postgres.url(), f"side_{number}")
            places = (f"{redis.url.removesuffix('/0')}/{number}", postgres.url(f"side_{number}"))
            sides.append(await opened.enter_async_context(laps_of(tree, url, *places)))
        rows: list[Row] = []
        for work in works:
            print(f"measuring {work}", file=sys.stderr)
            base, own = (lapping(side, work) for side in sides)
            rows.append({"work": work, "at most": LIMIT, **await compare(base, own, rounds=rounds, units=laps.UNITS)})
        return rows
