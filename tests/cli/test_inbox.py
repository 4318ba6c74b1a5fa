"""``vipps-async inbox`` on a store that a receiver filled."""

import asyncio
import json
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no marker of types
import pytest

from tests.support.servers.postgres import PostgresServer
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from vipps_async.cli import main
from vipps_async.epayment import PaymentEvent
from vipps_async.webhooks import InboxPolicy, Notice, Stage
from vipps_async.webhooks.stores.base import InboxStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

KEY = "32:shop.example/vipps/events?shop=1,6:123456,10:order-0001,14:psp-order-0001,8:CAPTURED,"
GIVES_UP = InboxPolicy(attempts=1)


async def _fill(store: InboxStore, *references: str) -> None:
    """Have a receiver give up one event of each payment."""
    receiver = receiver_of(store=store, inbox=GIVES_UP)
    dead: asyncio.Queue[Notice] = asyncio.Queue()

    @receiver.on(PaymentEvent)
    async def fail(_: PaymentEvent) -> None:
        raise RuntimeError("the warehouse is closed")

    @receiver.observe
    def note(notice: Notice) -> None:
        if notice.stage is Stage.DEAD:
            dead.put_nowait(notice)

    async with receiver:
        for reference in references:
            body = event(reference=reference, pspReference=f"psp-{reference}")
            assert (await receiver.handle(delivery(body))).status == 200
            await dead.get()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file with two dead letters."""

    async def fill() -> None:
        async with SQLiteStore(tmp_path / "events.db") as store:
            await _fill(store, "order-0001", "order-0002")

    asyncio.run(fill())
    return str(tmp_path / "events.db")


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """A database with one dead letter."""

    async def fill() -> None:
        async with asyncpg.create_pool(postgres_server.url(), min_size=0, max_size=6) as pool:
            store = PostgresStore(pool)
            await store.create_schema()
            await _fill(store, "order-0001")

    asyncio.run(fill())
    return postgres_server.url()


def test_list_shows_the_dead_letters(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has a line with its key, which names its payment, its attempts and what ended the last."""
    assert main(["inbox", "--store", path, "list"]) == 0
    first, *letters = capsys.readouterr().out.splitlines()
    assert first == "waiting: 0, dead: 2"
    assert letters[0].startswith(f"{KEY}  died 20")
    assert letters[1].endswith("after 1 attempts: RuntimeError('the warehouse is closed')")


def test_the_store_is_named_before_or_after_the_action(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Either place will do, for each action; where both are given, the last counts."""
    assert main(["inbox", "list", "--store", path]) == 0
    assert main(["inbox", "--store", "nowhere.db", "list", "--store", path]) == 0
    assert main(["inbox", "requeue", KEY, "--store", path]) == 0
    assert main(["inbox", "discard", "--store", path, "--all"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if " died " not in line] == [
        "waiting: 0, dead: 2",
        "waiting: 0, dead: 2",
        "requeue: 1 of 1",
        "discard: 1 of 1",
    ]


@pytest.mark.parametrize(
    "store", ["postgresql+asyncpg://shop:p#w-known@db/shop", "postgresql://shop:p#w-known@db/shop"]
)
def test_a_password_in_the_store_s_url_is_not_shown(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor any part of it, where the URL cannot be read because the password is not encoded."""
    assert main(["inbox", "list", "--store", store]) == 1
    told = capsys.readouterr().err
    assert "postgresql://" in told
    assert [part for part in ("p#w", "w-known", "'p'") if part in told] == []


def test_list_as_json_has_the_bodies(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each line is a document, with the body as it arrived."""
    assert main(["inbox", "--store", path, "list", "--json"]) == 0
    letters = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [json.loads(letter["body"])["reference"] for letter in letters] == ["order-0001", "order-0002"]


def test_requeue_gives_a_dead_letter_back(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is requeued waits again, and the other stays dead."""
    assert main(["inbox", "--store", path, "requeue", KEY]) == 0
    assert main(["inbox", "--store", path, "list"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["requeue: 1 of 1", "waiting: 1, dead: 1"]


def test_discard_all_removes_every_dead_letter(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--all takes them all."""
    assert main(["inbox", "--store", path, "discard", "--all"]) == 0
    assert main(["inbox", "--store", path, "list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["discard: 2 of 2", "waiting: 0, dead: 0"]


def test_postgresql_is_served_by_its_url(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store can be named in the environment, where a password belongs."""
    monkeypatch.setenv("VIPPS_EVENT_STORE", url)
    assert main(["inbox", "list"]) == 0
    assert main(["inbox", "requeue", "--all"]) == 0
    assert main(["inbox", "list"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert (out[0], out[2:]) == ("waiting: 0, dead: 1", ["requeue: 1 of 1", "waiting: 1, dead: 0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list"], "no store: give --store, or set VIPPS_EVENT_STORE"),
        (["--store", "nowhere.db", "list"], "nowhere.db: there is no such file, and it is no postgresql:// URL"),
        (["--store", "postgresql://127.0.0.1:1/x", "list"], "PostgreSQL says no: "),
        (["--store", "PATH", "requeue"], "inbox requeue takes either keys or --all"),
        (["--store", "PATH", "discard", "--all", "key"], "inbox discard takes either keys or --all"),
        (["--store", "PATH", "requeue", "key-1"], "there is no dead letter key-1"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_the_reason(
    arguments: list[str], message: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is changed, and the message says what to do."""
    assert main(["inbox", *(path if argument == "PATH" else argument for argument in arguments)]) == 1
    assert message in capsys.readouterr().err


def test_a_database_without_the_tables_is_told_apart(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong database, or a wrong table name, gets the advice to create the tables."""
    assert main(["inbox", "--store", postgres_server.url(), "--table", "other", "list"]) == 1
    assert 'the store\'s tables "other" are missing' in capsys.readouterr().err


def test_what_an_event_carries_is_shown_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unsigned event can say anything: neither lines nor escapes reach the terminal, and what is shown names it."""

    async def fill() -> None:
        async with SQLiteStore(tmp_path / "events.db") as store:
            await _fill(store, "order\n\x1b[2JERROR order-0001")

    asyncio.run(fill())
    command = ["inbox", "--store", str(tmp_path / "events.db")]
    assert main([*command, "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].isprintable()
    assert main([*command, "requeue", lines[1].partition("  ")[0]]) == 0
