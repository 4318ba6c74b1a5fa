"""The store in PostgreSQL keeps the contract; effect and mark commit together or neither does, whatever dies."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest
import pytest_asyncio

from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.deliveries import delivery, event, key_of, receiver_of
from tests.support.webhooks.store_contract import StoreContract
from vipps_async import PaymentEvent
from vipps_async.errors import ClaimHeld, ConfigurationError, DeliveryError
from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.postgres import PostgresClaim, PostgresStore

KEY = "psp-1:CAPTURED"
UNUSED_POOL: Any = SimpleNamespace(acquire=None)
Handler = Callable[[PaymentEvent, PostgresClaim], Awaitable[None]]


@pytest_asyncio.fixture
async def pool(postgres_url: str) -> AsyncIterator[Any]:
    """A small pool."""
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=3) as pool:
        yield pool


@pytest_asyncio.fixture
async def store(pool: Any) -> PostgresStore:
    """An empty store."""
    store = PostgresStore(pool)
    await store.create_schema()
    return store


class TestPostgresStore(StoreContract):
    """The contract of every store."""

    @pytest_asyncio.fixture
    async def store(self, store: PostgresStore) -> PostgresStore:
        """An empty store."""
        return store


async def effects(pool: Any) -> int:
    """How often handlers took effect."""
    return int(await pool.fetchval("SELECT count(*) FROM effects"))


async def is_new(store: PostgresStore, key: str) -> bool:
    """Claim *key*, and return whether it was new."""
    async with store.claim(key) as claim:
        return not claim.is_duplicate


async def claimed(store: PostgresStore, key: str) -> bool | None:
    """Claim *key*, and return whether it was new, or ``None`` if it is held."""
    try:
        return await is_new(store, key)
    except ClaimHeld:
        return None


async def ship(event: PaymentEvent, claim: PostgresClaim) -> None:
    """A handler that writes through its claim."""
    await claim.connection.execute("INSERT INTO effects VALUES ($1)", event.reference)


def receiver_with(store: PostgresStore, *handlers: Handler) -> WebhookReceiver:
    """A receiver that runs these handlers for every event."""
    receiver = receiver_of(store=store)
    for handler in handlers:
        receiver.on(PaymentEvent)(handler)
    return receiver


async def deliver(receiver: WebhookReceiver, **changes: Any) -> int:
    """Deliver an event, and return the status of the answer."""
    return (await receiver.handle(delivery(event(**changes)))).status


async def waiting_for(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not await is_so():
            await asyncio.sleep(0.01)


async def test_the_effect_commits_with_the_mark(store: PostgresStore, pool: Any) -> None:
    """A handler's write through its claim is there once the event is marked, and once however often it is delivered."""
    receiver = receiver_with(store, ship)
    assert [await deliver(receiver) for _ in range(3)] == [200, 200, 200]
    assert await effects(pool) == 1


async def test_neither_effect_nor_mark_is_seen_before_the_handler_ends(store: PostgresStore, pool: Any) -> None:
    """While the handlers run nobody else sees their writes or the mark."""

    async def look(event: PaymentEvent, claim: PostgresClaim) -> None:
        async with pool.acquire() as other:
            assert await other.fetchval("SELECT count(*) FROM effects") == 0
            assert await other.fetchval("SELECT count(*) FROM vipps_events") == 0

    assert await deliver(receiver_with(store, ship, look)) == 200
    assert await effects(pool) == 1


async def test_a_handler_that_raises_leaves_nothing(store: PostgresStore, pool: Any) -> None:
    """The writes of every handler of the event are rolled back with the mark, and the redelivery writes them once."""
    failures = [RuntimeError("first"), RuntimeError("second")]

    async def fail_twice(event: PaymentEvent, claim: PostgresClaim) -> None:
        if failures:
            raise failures.pop()

    receiver = receiver_with(store, ship, fail_twice)
    for status, rows in ((500, 0), (500, 0), (200, 1), (200, 1)):
        assert await deliver(receiver) == status
        assert await effects(pool) == rows


async def test_fifty_duplicates_at_once_take_effect_once(store: PostgresStore, pool: Any) -> None:
    """Fifty processes' worth of one delivery at a pool of three: one effect, everybody answered at once."""
    receivers = [receiver_with(store, ship) for _ in range(50)]
    async with asyncio.timeout(10):
        statuses = await asyncio.gather(*map(deliver, receivers))
    assert set(statuses) <= {200, 503}
    assert await effects(pool) == 1
    assert await deliver(receivers[0]) == 200
    assert pool.get_idle_size() == pool.get_size()


async def test_a_duplicate_is_told_at_once_that_the_claim_is_held(store: PostgresStore, pool: Any) -> None:
    """Duplicates of an event whose handler takes its time do not wait for it, and leave the pool to other events."""
    async with store.claim(KEY), asyncio.timeout(2):
        assert await asyncio.gather(*(claimed(store, KEY) for _ in range(20))) == [None] * 20
        assert await is_new(store, "psp-2:CAPTURED")


async def test_an_exhausted_pool_is_answered_503(
    store: PostgresStore, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a free connection a delivery is sent back instead of hanging, and the log says why."""
    assert await deliver(receiver_with(store, ship), pspReference="first") == 200
    monkeypatch.setattr("vipps_async.webhooks.stores._postgres_table.PATIENCE", 0.05)
    taken = [await pool.acquire() for _ in range(3)]
    assert await deliver(receiver_with(store, ship)) == 503
    assert "no connection of the pool came free" in caplog.text
    for connection in taken:
        await pool.release(connection)
    assert await deliver(receiver_with(store, ship)) == 200


async def test_a_server_without_connections_left_is_answered_503(
    store: PostgresStore, pool: Any, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was tried then, so that it is no failure of a handler's."""
    schema = await pool.fetchval("SELECT current_schema()")
    await pool.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
    await pool.execute(f"GRANT USAGE ON SCHEMA {schema} TO few; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO few")
    async with asyncpg.create_pool(postgres_server.url(schema), user="few", min_size=0, max_size=3) as small:
        receiver = receiver_with(PostgresStore(small), ship)
        async with small.acquire():
            assert await deliver(receiver) == 503
        assert "the server has no connection left" in caplog.text
        assert await deliver(receiver) == 200
    await pool.execute("DROP OWNED BY few; DROP ROLE few")


async def test_a_handler_s_own_transaction_is_a_savepoint(store: PostgresStore, pool: Any) -> None:
    """What a handler rolls back to its savepoint is gone, and the rest commits with the mark."""

    async def try_and_ship(event: PaymentEvent, claim: PostgresClaim) -> None:
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            async with claim.connection.transaction():
                await ship(event, claim)
                await claim.connection.execute("SELECT 1 / 0")
        async with claim.connection.transaction():
            await ship(event, claim)

    receiver = receiver_with(store, try_and_ship)
    assert [await deliver(receiver) for _ in range(2)] == [200, 200]
    assert await effects(pool) == 1


async def test_a_swallowed_database_error_does_not_lose_the_event(
    store: PostgresStore, pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL ends a failed transaction at COMMIT without an error: the event is given back, with advice."""

    async def swallow(event: PaymentEvent, claim: PostgresClaim) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await claim.connection.execute("SELECT 1 / 0")

    assert await deliver(receiver_with(store, ship, swallow)) == 500
    assert "claim.connection.transaction()" in caplog.text
    assert await effects(pool) == 0
    assert await deliver(receiver_with(store, ship)) == 200
    assert await effects(pool) == 1


@pytest.mark.parametrize(
    ("end", "rows"),
    [
        ("ROLLBACK", (0, 1)),
        ("ROLLBACK; BEGIN", (0, 1)),
        ("COMMIT", (1, 1)),
        ("COMMIT; BEGIN", (1, 2)),
        ("COMMIT AND CHAIN", (1, 2)),
    ],
)
async def test_a_handler_that_ends_the_transaction_is_told(
    store: PostgresStore, pool: Any, end: str, rows: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """It is an error; the event counts as done only where every handler's effect is known to have been committed."""

    async def meddle(event: PaymentEvent, claim: PostgresClaim) -> None:
        await claim.connection.execute(end)

    assert await deliver(receiver_with(store, ship, meddle)) == 500
    assert "ended the claim's transaction" in caplog.text
    assert await effects(pool) == rows[0]
    assert await deliver(receiver_with(store, ship)) == 200
    assert await effects(pool) == rows[1]
    assert await deliver(receiver_with(store, ship)) == 200
    assert await effects(pool) == rows[1]


@pytest.mark.parametrize("end", ["COMMIT", "COMMIT; BEGIN", "ROLLBACK"])
async def test_an_early_end_marks_no_event_whose_handlers_have_not_ended(
    store: PostgresStore, pool: Any, end: str
) -> None:
    """A handler that fails after another has ended the transaction runs again with the redelivery."""
    failures = [RuntimeError("the warehouse is closed")]

    async def end_early(event: PaymentEvent, claim: PostgresClaim) -> None:
        await claim.connection.execute(end)

    async def fail_once(event: PaymentEvent, claim: PostgresClaim) -> None:
        if failures:
            raise failures.pop()

    assert await deliver(receiver_with(store, end_early, fail_once)) == 500
    assert await deliver(receiver_with(store, fail_once, ship)) == 200
    assert await effects(pool) == 1


async def test_a_mark_that_was_not_completed_is_purged_in_the_end(store: PostgresStore, pool: Any) -> None:
    """What an early commit has left of an event that never came again does not stay for ever."""
    await pool.execute("INSERT INTO vipps_events VALUES ('left', false, now() - interval '1 minute')")
    assert await is_new(store, KEY)
    assert await pool.fetch("SELECT key FROM vipps_events") == [(KEY,)]


async def test_what_is_neither_new_nor_held_nor_done_is_an_error(store: PostgresStore, pool: Any) -> None:
    """A database that takes no mark, and says nothing, does not make an event one that took effect before."""
    await pool.execute(
        """
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER swallow BEFORE INSERT ON vipps_events FOR EACH ROW EXECUTE FUNCTION swallow()
        """
    )
    with pytest.raises(DeliveryError, match="answered None; nothing was handled"):
        await is_new(store, KEY)


NOTE_COMMITS = """
CREATE TABLE commits (waits text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN INSERT INTO commits VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER note AFTER UPDATE ON vipps_events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER note AFTER INSERT OR DELETE ON vipps_events_inbox DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION note()
"""


@pytest.mark.parametrize(("asked", "done"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
async def test_what_is_answered_is_on_disk(
    store: PostgresStore, pool: Any, postgres_url: str, asked: str, done: str
) -> None:
    """A session, and a handler, that let commits wait for no disk are overruled; any other wish is left as it is."""
    await pool.execute(NOTE_COMMITS)

    async def wish(event: PaymentEvent, claim: PostgresClaim) -> None:
        await claim.connection.execute(f"SET synchronous_commit = {asked}")

    assert await deliver(receiver_with(store, ship, wish)) == 200
    async with asyncpg.create_pool(
        postgres_url, min_size=0, max_size=1, server_settings={"synchronous_commit": asked}
    ) as hasty:
        mine = PostgresStore(hasty)
        assert await deliver(receiver_with(mine, ship), pspReference="psp-2") == 200
        assert await mine.inbox.put("a", "order-1", b"", receiver="shop")
        taken = await mine.inbox.take("shop", "me", timedelta(seconds=60))
        assert taken
        await mine.inbox.bury(taken, "failed", stops=True)
        assert await mine.inbox.discard("a")
    assert await pool.fetch("SELECT waits FROM commits") == [(done,)] * 4


async def test_a_commit_that_fails_gives_the_event_back(store: PostgresStore, pool: Any) -> None:
    """A constraint that is checked at the commit fails the delivery, and the redelivery takes effect."""
    await pool.execute("CREATE TABLE orders (reference text PRIMARY KEY)")
    await pool.execute(
        "ALTER TABLE effects ADD FOREIGN KEY (reference) REFERENCES orders DEFERRABLE INITIALLY DEFERRED"
    )
    receiver = receiver_with(store, ship)
    assert await deliver(receiver) == 500
    await pool.execute("INSERT INTO orders VALUES ('acme-shop-123-order123abc')")
    assert [await deliver(receiver) for _ in range(2)] == [200, 200]
    assert await effects(pool) == 1


async def test_a_duplicate_has_no_connection(store: PostgresStore) -> None:
    """Nothing can be written through the claim of an event that took effect."""
    assert await is_new(store, KEY)
    async with store.claim(KEY) as claim:
        with pytest.raises(RuntimeError, match="took effect before"):
            _ = claim.connection


async def test_a_duplicate_holds_nothing(store: PostgresStore, pool: Any) -> None:
    """A duplicate's block has no connection of the pool's."""
    assert await is_new(store, KEY)
    async with store.claim(KEY) as claim:
        assert claim.is_duplicate
        assert pool.get_idle_size() == pool.get_size()


async def test_a_connection_is_of_no_use_after_its_claim(store: PostgresStore) -> None:
    """A handler that keeps its connection cannot write into somebody else's transaction."""
    async with store.claim(KEY) as claim:
        connection = claim.connection
    with pytest.raises(asyncpg.InterfaceError, match="released"):
        await connection.execute("SELECT 1")


async def test_processes_share_the_claims(store: PostgresStore, postgres_url: str) -> None:
    """Two stores on two pools, as in two processes, hold and mark events for each other."""
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=2) as other_pool:
        other = PostgresStore(other_pool)
        async with store.claim(KEY):
            assert await claimed(other, KEY) is None
            assert await claimed(other, "psp-2:CAPTURED") is True
        assert await claimed(other, KEY) is False
        assert await claimed(store, "psp-2:CAPTURED") is False


async def test_stores_with_tables_of_their_own_do_not_touch_each_other(store: PostgresStore, pool: Any) -> None:
    """One event is claimed side by side in two tables, of which one is named after a keyword."""
    other = PostgresStore(pool, table="order")
    await other.create_schema()
    async with store.claim(KEY):
        assert await claimed(other, KEY) is True


HOLD = """
import asyncio, sys
import asyncpg
from vipps_async.webhooks.stores.postgres import PostgresStore

async def hold():
    async with asyncpg.create_pool(sys.argv[1], min_size=0, max_size=1) as pool:
        async with PostgresStore(pool).claim(sys.argv[2]) as claim:
            await claim.connection.execute("INSERT INTO effects VALUES ('from a process that died')")
            print("held", flush=True)
            await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_a_killed_process_leaves_no_claim(store: PostgresStore, pool: Any, postgres_url: str) -> None:
    """A process killed inside its claim leaves neither its effect nor a claim, and a redelivery takes effect."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, postgres_url, key_of(event()), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    assert await deliver(receiver_with(store, ship)) == 503
    os.kill(holder.pid, signal.SIGKILL)
    await holder.communicate()

    async def is_handled() -> bool:
        return await deliver(receiver_with(store, ship)) == 200

    await waiting_for(is_handled)
    assert await pool.fetch("SELECT * FROM effects") == [("acme-shop-123-order123abc",)]


@pytest.mark.parametrize("how", [PostgresServer.kill, PostgresServer.stop])
async def test_a_restarted_server_needs_no_manual_step(
    store: PostgresStore, pool: Any, postgres_server: PostgresServer, how: Callable[[PostgresServer], None]
) -> None:
    """A server that crashes, or is stopped and started, fails the deliveries under way; what comes next is handled."""
    crashes = iter([True])

    async def crash(event: PaymentEvent, claim: PostgresClaim) -> None:
        if next(crashes, False):
            how(postgres_server)
            postgres_server.start()

    receiver = receiver_with(store, ship, crash)
    await asyncio.gather(*(deliver(receiver, pspReference=f"psp-{number}", reference=f"o-{number}") for number in "12"))
    assert await deliver(receiver) == 200
    for number in "12":
        assert await deliver(receiver, pspReference=f"psp-{number}", reference=f"o-{number}") == 200
    assert await effects(pool) == 3


async def test_deliveries_while_the_server_is_down_are_given_back(
    store: PostgresStore, pool: Any, postgres_server: PostgresServer
) -> None:
    """Without a server a delivery is answered 500 for Vipps MobilePay to repeat, and handled once it is back."""
    receiver = receiver_with(store, ship)
    postgres_server.stop()
    try:
        statuses = [await deliver(receiver) for _ in range(3)]
    finally:
        postgres_server.start()
    assert statuses == [500, 500, 500]
    assert await deliver(receiver) == 200
    assert await effects(pool) == 1


@pytest.mark.parametrize("delay", [0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01])
async def test_a_cancelled_claim_returns_its_connection(store: PostgresStore, pool: Any, delay: float) -> None:
    """Wherever a cancellation strikes, the pool gets its connection back, in no transaction, and the event is whole."""

    async def hold(key: str) -> None:
        async with store.claim(key) as claim:
            if not claim.is_duplicate:
                await claim.connection.execute("INSERT INTO effects VALUES ($1)", key)
                await claim.connection.execute("SELECT pg_sleep(0.002)")

    keys = [f"psp-{number}" for number in range(12)]
    tasks = [asyncio.create_task(hold(key)) for key in keys]
    await asyncio.sleep(delay)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(10):
        # A release that is cancelled goes on in asyncpg's own task.
        while pool.get_idle_size() < pool.get_size():
            await asyncio.sleep(0.01)
        await asyncio.gather(*map(hold, keys))
    assert await effects(pool) == await pool.fetchval("SELECT count(*) FROM vipps_events") == len(keys)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    assert await pool.fetchval(idle) == 0


async def remember(pool: Any, count: int, age: timedelta) -> None:
    """Have *count* events taken effect that long ago."""
    mark = "INSERT INTO vipps_events SELECT $1 || n, true, now() + interval '8 days' - $2::interval"
    await pool.execute(f"{mark} FROM generate_series(1, $3) n", f"old-{age.days}-", age, count)


async def test_an_event_is_remembered_for_the_retention(store: PostgresStore, pool: Any) -> None:
    """Within the retention an event is a duplicate; after it, a purge forgets it."""
    await remember(pool, 1, timedelta(days=7, hours=23))
    await remember(pool, 1, timedelta(days=8, minutes=1))
    assert await is_new(store, KEY)
    assert not await is_new(store, "old-7-1")
    assert await is_new(store, "old-8-1")


async def test_a_purge_is_bounded_and_catches_up(store: PostgresStore, pool: Any) -> None:
    """No claim forgets more than a few rows, yet on average more than one, oldest first."""
    await remember(pool, 100, timedelta(days=9))
    await remember(pool, 100, timedelta(days=10))
    left = []
    assert await is_new(store, "new")
    assert await pool.fetchval("SELECT count(*) FROM vipps_events WHERE key LIKE 'old-10-%'") == 36
    for number in range(64):
        await is_new(store, f"new-{number}")
        left.append(await pool.fetchval("SELECT count(*) FROM vipps_events WHERE key LIKE 'old-%'"))
    assert max(before - after for before, after in itertools.pairwise([136, *left])) <= 64
    assert left[0] == 136
    assert left[-1] == 0


async def test_an_event_that_fails_purges_nothing(store: PostgresStore, pool: Any) -> None:
    """A failure is given back at once, over whatever is left of its connection."""
    await remember(pool, 1, timedelta(days=9))
    with pytest.raises(RuntimeError, match="handler"):
        async with store.claim(KEY):
            raise RuntimeError("handler")
    assert await pool.fetchval("SELECT count(*) FROM vipps_events") == 1


async def test_a_purge_waits_for_nobody(store: PostgresStore, pool: Any) -> None:
    """Rows that somebody else has locked are passed over."""
    await remember(pool, 3, timedelta(days=9))
    async with pool.acquire() as other, other.transaction(), asyncio.timeout(2):
        await other.execute("SELECT FROM vipps_events WHERE key = 'old-9-2' FOR UPDATE")
        assert await is_new(store, KEY)
        assert await other.fetch("SELECT key FROM vipps_events ORDER BY key") == [("old-9-2",), (KEY,)]


async def test_a_purge_that_fails_fails_no_event(
    store: PostgresStore, pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The event has taken effect by then: the failure is logged, and the answer is 200."""
    await remember(pool, 1, timedelta(days=9))
    await pool.execute("CREATE TABLE keeps (key text REFERENCES vipps_events)")
    await pool.execute("INSERT INTO keeps SELECT key FROM vipps_events")
    assert await deliver(receiver_with(store, ship)) == 200
    assert await effects(pool) == 1
    assert "until a later purge" in caplog.text


async def test_a_purge_stalls_no_event(store: PostgresStore, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that hangs is given up, the event is handled, and the connection is back in the pool."""
    monkeypatch.setattr("vipps_async.webhooks.stores.postgres._PURGE_TIMEOUT", timedelta(seconds=0.05))
    await remember(pool, 1, timedelta(days=9))
    await pool.execute(
        """
        CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN OLD; END';
        CREATE TRIGGER stall BEFORE DELETE ON vipps_events FOR EACH ROW EXECUTE FUNCTION stall()
        """
    )
    async with asyncio.timeout(2):
        assert await deliver(receiver_with(store, ship)) == 200
    assert await effects(pool) == 1
    assert pool.get_idle_size() == pool.get_size()


async def test_purges_use_the_index(store: PostgresStore, pool: Any) -> None:
    """A purge reads the index of ages, not the table."""
    await remember(pool, 5000, timedelta(days=1))
    await pool.execute("ANALYZE vipps_events")
    plan = await pool.fetch(
        "EXPLAIN SELECT key FROM vipps_events WHERE expires_at < now() ORDER BY expires_at LIMIT 64"
    )
    assert "vipps_events_expires_at" in "".join(line for (line,) in plan)


async def test_the_schema_is_created_by_several_at_once(pool: Any, postgres_url: str) -> None:
    """Processes that start together all create the table, and none fails."""
    async with asyncpg.create_pool(postgres_url, min_size=0, max_size=20) as wide:
        await asyncio.gather(*(PostgresStore(wide).create_schema() for _ in range(20)))
        assert await is_new(PostgresStore(wide), KEY)
    assert not await is_new(PostgresStore(pool), KEY)


async def test_the_schema_can_be_run_by_hand(pool: Any) -> None:
    """The SQL of `schema` is what the store needs, and `create_schema` then does nothing."""
    await pool.execute("CREATE SCHEMA IF NOT EXISTS elsewhere; DROP TABLE IF EXISTS elsewhere.shop_events")
    store = PostgresStore(pool, table="elsewhere.shop_events")
    await pool.execute(store.schema)
    await store.create_schema()
    assert await is_new(store, KEY)
    assert await pool.fetchval("SELECT key FROM elsewhere.shop_events") == KEY
    await pool.execute("DROP SCHEMA elsewhere CASCADE")


async def test_a_role_that_may_not_create_finds_the_table(store: PostgresStore, pool: Any) -> None:
    """`create_schema` at every start does no harm where a migration made the table for a role with few rights."""
    await pool.execute("DROP ROLE IF EXISTS shop; CREATE ROLE shop")
    schema = await pool.fetchval("SELECT current_schema()")
    await pool.execute(f"GRANT USAGE ON SCHEMA {schema} TO shop; ")
    await pool.execute("GRANT SELECT ON vipps_events_inbox, vipps_events_schema TO shop")
    await pool.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON vipps_events TO shop")
    url = (await pool.fetchval("SHOW unix_socket_directories")), schema
    settings = {"search_path": schema, "role": "shop"}
    async with asyncpg.create_pool(
        host=url[0], user="postgres", database="postgres", min_size=0, max_size=2, server_settings=settings
    ) as restricted:
        mine = PostgresStore(restricted)
        await mine.create_schema()
        assert await is_new(mine, KEY)
    await pool.execute("DROP OWNED BY shop; DROP ROLE shop")


async def test_a_missing_table_is_told(pool: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without its table the store says how to make it, and the event is given back."""
    store = PostgresStore(pool)
    assert await deliver(receiver_with(store, ship)) == 500
    assert "create_schema()" in caplog.text
    with pytest.raises(ConfigurationError, match=r'tables "vipps_events" are missing.*create_schema\(\)'):
        await store.inbox.take("shop", "me", timedelta(seconds=1))
    await store.create_schema()
    assert await deliver(receiver_with(store, ship)) == 200


async def test_tables_without_a_version_are_refused(pool: Any) -> None:
    """Tables of another program, or of before versions, are named, and neither used nor changed."""
    await pool.execute("CREATE TABLE vipps_events (key text PRIMARY KEY, handled_at timestamptz DEFAULT now())")
    store = PostgresStore(pool)
    for use in (store.create_schema(), is_new(store, KEY), store.inbox.size()):
        with pytest.raises(ConfigurationError, match='without a schema version, "vipps_events":'):
            await use


async def test_tables_of_a_newer_version_are_refused(store: PostgresStore, pool: Any) -> None:
    """What a newer package has made is not written to."""
    await pool.execute("UPDATE vipps_events_schema SET version = 2")
    newer = PostgresStore(pool)
    for use in (newer.create_schema(), is_new(newer, KEY), newer.inbox.size()):
        with pytest.raises(ConfigurationError, match="has schema version 2"):
            await use


@pytest.mark.parametrize("key", ["a\0b", "\udcff", "x" * 100_000, "€" * 1000, "' OR ''='", "sha256:"])
async def test_any_key_can_be_remembered(store: PostgresStore, key: str) -> None:
    """Keys that PostgreSQL's text or index cannot hold are events too."""
    assert [await is_new(store, key) for _ in range(2)] == [True, False]
    assert await is_new(store, key + "2")


async def test_a_stricter_isolation_keeps_the_promise(postgres_url: str, store: PostgresStore, pool: Any) -> None:
    """With SERIALIZABLE as the database's default, fifty duplicates still take effect once."""
    async with asyncpg.create_pool(
        postgres_url, min_size=0, max_size=5, server_settings={"default_transaction_isolation": "serializable"}
    ) as strict:
        receivers = [receiver_with(PostgresStore(strict), ship) for _ in range(50)]
        assert set(await asyncio.gather(*map(deliver, receivers))) <= {200, 500, 503}
        assert await deliver(receivers[0]) == 200
    assert await effects(pool) == 1


async def test_the_claims_wait_for_no_log(store: PostgresStore, caplog: pytest.LogCaptureFixture) -> None:
    """In the ordinary course nothing is logged as a warning."""
    caplog.set_level(logging.WARNING)
    assert [await is_new(store, KEY) for _ in range(2)] == [True, False]
    assert caplog.records == []


@pytest.mark.parametrize(
    "table",
    ["", "a b", 'a"b', "a;drop table x", "Events", "a.b.c", ".a", "a.", "1a", "a\n", "ø", "a" * 48, "a'", None, "a-b"],
)
def test_a_hostile_table_name_is_refused(table: Any) -> None:
    """Only plain names reach the SQL."""
    with pytest.raises(ConfigurationError, match="must be a lower-case name"):
        PostgresStore(UNUSED_POOL, table=table)


def test_the_longest_name_has_indexes_that_fit() -> None:
    """The indexes of the longest table name that is taken are not cut by PostgreSQL."""
    name = "a" * 47
    schema = PostgresStore(UNUSED_POOL, table=f"{'s' * 63}.{name}").schema
    for index in (f"{name}_expires_at", f"{name}_inbox_due_at", f"{name}_inbox_subject"):
        assert f'"{index}"' in schema
        assert len(index) <= 63


def test_what_is_no_pool_is_refused() -> None:
    """A URL in place of a pool is refused, and the message says how to make one."""
    url: Any = "postgresql://localhost/shop"
    with pytest.raises(ConfigurationError, match=r"is a str.*create_pool.*pip install 'vipps-async\[postgres\]'"):
        PostgresStore(url)


@pytest.mark.parametrize("retention", [timedelta(0), timedelta(days=-1)])
def test_a_retention_that_remembers_nothing_is_refused(retention: timedelta) -> None:
    """A store that forgets at once is refused."""
    with pytest.raises(ConfigurationError, match=r"must be seconds, or a timedelta, from 0\.001 seconds"):
        PostgresStore(UNUSED_POOL, retention=retention)


def test_the_retention_is_told() -> None:
    """A receiver can ask how long events are remembered."""
    assert PostgresStore(UNUSED_POOL, retention=timedelta(days=30)).retention == timedelta(days=30)
