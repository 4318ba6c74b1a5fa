"""Behind PgBouncer's transaction pooling the store, its inbox and a receiver keep their contracts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest
import pytest_asyncio

from tests.support.servers.pgbouncer import PgBouncer
from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from tests.support.webhooks.inbox_contract import InboxContract
from tests.support.webhooks.places import PostgresPlace
from tests.support.webhooks.signal_contract import becomes, subscribed, warnings
from tests.support.webhooks.store_contract import StoreContract
from vipps_async.epayment import PaymentEvent
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks.signals.postgres import PostgresSignal
from vipps_async.webhooks.stores.postgres import PostgresClaim, PostgresStore


class TestStore(StoreContract):
    """The contract of every store."""

    @pytest_asyncio.fixture
    async def store(self, pgbouncer_place: PostgresPlace) -> AsyncIterator[Any]:
        """An empty store."""
        async with pgbouncer_place.opened() as store:
            yield store


class TestInbox(InboxContract):
    """The contract of every inbox."""

    @pytest.fixture
    def place(self, pgbouncer_place: PostgresPlace) -> PostgresPlace:
        """A schema."""
        return pgbouncer_place


async def test_effects_commit_once_while_servers_are_swapped(pgbouncer_url: str, postgres_url: str) -> None:
    """Fifty events, each delivered by four processes' worth of pools at once, over three connections of PgBouncer's."""

    async def ship(event: PaymentEvent, claim: PostgresClaim) -> None:
        await claim.connection.execute("INSERT INTO effects VALUES ($1)", event.reference)

    async def deliver(pool: Any, number: int) -> None:
        receiver = receiver_of(store=PostgresStore(pool))
        receiver.on(PaymentEvent)(ship)
        body = event(reference=f"order-number-{number}", pspReference=f"psp-{number}")
        while (await receiver.handle(delivery(body))).status != 200:
            await asyncio.sleep(0.01)

    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=1) as direct:
        await PostgresStore(direct).create_schema()
        pools = [asyncpg.create_pool(pgbouncer_url, min_size=0, max_size=4, statement_cache_size=0) for _ in range(4)]
        async with pools[0], pools[1], pools[2], pools[3]:
            await asyncio.gather(*(deliver(pool, number) for number in range(50) for pool in pools))
        rows = await direct.fetch("SELECT reference, count(*) AS times FROM effects GROUP BY reference")
    assert len(rows) == 50
    assert {row["times"] for row in rows} == {1}


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_a_pool_that_prepares_statements_is_refused(postgres_server: PostgresServer, mode: str) -> None:
    """By its name, with the setting that helps, before anything is asked."""
    with PgBouncer(postgres_server, mode=mode) as bouncer:
        async with asyncpg.create_pool(bouncer.url, min_size=0, max_size=2) as pool:
            store = PostgresStore(pool)
            for use in (store.create_schema(), store.claim("a").__aenter__(), store.inbox.size()):
                with pytest.raises(
                    ConfigurationError, match=r"through a pooler such as PgBouncer.*statement_cache_size=0"
                ):
                    await use
            assert pool.get_idle_size() == pool.get_size()


async def test_a_statement_of_another_process_is_a_refusal_too(postgres_server: PostgresServer) -> None:
    """Also where the very first statement meets the name that another process has given its own."""
    with PgBouncer(postgres_server, connections=1) as bouncer:
        async with (
            asyncpg.create_pool(bouncer.url, min_size=0, max_size=1) as other,
            asyncpg.create_pool(bouncer.url, min_size=0, max_size=1) as pool,
        ):
            for number in range(9):
                await other.fetchval(f"SELECT $1::text || '{number}'", "theirs")
            with pytest.raises(ConfigurationError, match="statement_cache_size=0"):
                await PostgresStore(pool).create_schema()


async def test_a_signal_warns_once_that_it_may_hear_nothing(
    postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """LISTEN needs a session, which the log says; announcing needs none."""
    with PgBouncer(postgres_server) as bouncer:
        async with (
            asyncpg.create_pool(postgres_server.url(), min_size=0, max_size=1) as direct,
            asyncpg.create_pool(bouncer.url, min_size=0, max_size=2, statement_cache_size=0) as pool,
            PostgresSignal(direct) as hears,
            PostgresSignal(pool) as deaf,
        ):
            await asyncio.gather(subscribed(hears), subscribed(deaf))
            with hears.watch("order-0001") as heard:
                await deaf.announce("order-0001")
                await becomes(heard.is_set)
    (warning,) = warnings(caplog)
    assert "listens through a pooler such as PgBouncer" in str(warning)
