"""``inbox``: see what a receiver's inbox holds, and give its dead letters another chance, or up."""

import argparse
import json
import os
import sys
from argparse import SUPPRESS
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vipps_async._cli.process import write
from vipps_async._wire.urls import shown
from vipps_async.errors import ConfigurationError, printable
from vipps_async.webhooks.stores.base import DeadLetter, Inbox
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands

_VARIABLE = "VIPPS_EVENT_STORE"
_SHOWN = 2000  # characters; an event can carry what anybody sent
_CHANGES = {
    "requeue": "have dead letters handled again, at once",
    "discard": "remove dead letters for good; their events stay known",
}


def add_to(commands: "Commands") -> None:
    """Add the command."""
    inbox = commands.add_parser("inbox", help="list, requeue or discard the dead letters of an inbox")
    _add_place(inbox, store=os.environ.get(_VARIABLE), table="vipps_events")
    actions = inbox.add_subparsers(title="actions", required=True)
    listing = actions.add_parser("list", help="show how many events wait, and the dead letters, oldest first")
    _add_place(listing)
    listing.add_argument("--json", action="store_true", help="a JSON document a line, bodies included")
    listing.set_defaults(run=_run, act=_list)
    for name, what in _CHANGES.items():
        change = actions.add_parser(name, help=what)
        _add_place(change)
        change.add_argument("keys", nargs="*", metavar="KEY", help="as list shows it")
        change.add_argument("--all", action="store_true", help="every dead letter")
        change.set_defaults(run=_run, act=_change, change=name)


def _add_place(parser: argparse.ArgumentParser, *, store: str | None = SUPPRESS, table: str = SUPPRESS) -> None:
    """Add where the inbox is; to an action without defaults, which would count more than what stands before it."""
    parser.add_argument(
        "--store",
        default=store,
        help=f"an SQLite file, or postgresql://… (default: {_VARIABLE}, which keeps a password off the command line)",
    )
    parser.add_argument("--table", default=table, help="its table in PostgreSQL (default: vipps_events)")


async def _run(options: argparse.Namespace) -> int:
    async with _opened(options.store, options.table) as inbox:
        act: Callable[[Inbox, argparse.Namespace], Awaitable[int]] = options.act
        return await act(inbox, options)


@asynccontextmanager
async def _opened(store: str | None, table: str) -> AsyncIterator[Inbox]:
    if not store:
        raise ConfigurationError(f"no store: give --store, or set {_VARIABLE}")
    if store.startswith(("postgresql://", "postgres://")):
        async with _pool(store) as pool:
            yield PostgresStore(pool, table=table).inbox
    else:
        async with SQLiteStore(_existing(store)) as file:
            yield file.inbox


def _existing(path: str) -> str:
    if "://" in path:
        raise ConfigurationError(f"--store {shown(path)} must be an SQLite file, or postgresql://…")
    if not Path(path).is_file():  # which the store would make
        raise ConfigurationError(f"--store {path}: there is no such file, and it is no postgresql:// URL")
    return path


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[Any]:
    try:
        import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra; it ships no marker of types
    except ImportError as error:
        raise ConfigurationError("PostgreSQL needs asyncpg: pip install 'vipps-async[postgres]'") from error
    try:
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
            yield pool
    except ConfigurationError:
        raise  # which is a ValueError too, and the store's own word
    except ValueError:
        # Its message may have a part of the password, which urlsplit took for another part.
        raise ConfigurationError("the postgresql:// URL cannot be read: percent-encode its user and password") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        advice = " ".join(getattr(error, "__notes__", ()))
        raise ConfigurationError(f"PostgreSQL says no: {error} {advice}".rstrip()) from error


async def _list(inbox: Inbox, options: argparse.Namespace) -> int:
    size, letters = await inbox.size(), await _all_dead(inbox)
    if options.json:
        write(sys.stdout, "".join(f"{_as_json(letter)}\n" for letter in letters))
        return 0
    write(sys.stdout, f"waiting: {size.waiting}, dead: {size.dead}\n")
    write(sys.stdout, "".join(f"{_as_text(letter)}\n" for letter in letters))
    return 0


def _as_json(letter: DeadLetter) -> str:
    return json.dumps(
        {
            "key": letter.key,
            "receiver": letter.receiver,
            "subject": letter.subject,
            "attempts": letter.attempts,
            "error": letter.error,
            "storedAt": letter.stored_at.isoformat(),
            "diedAt": letter.died_at.isoformat(),
            "body": letter.body.decode(errors="replace"),
        }
    )


def _as_text(letter: DeadLetter) -> str:
    died = letter.died_at.isoformat(" ", "seconds")
    error = printable(letter.error, _SHOWN)
    return f"{_shown(letter.key)}  died {died} after {letter.attempts} attempts: {error}"


def _shown(key: str) -> str:
    """Return what list shows of a key, and what names the dead letter on the command line."""
    return printable(key, _SHOWN)


async def _change(inbox: Inbox, options: argparse.Namespace) -> int:
    if options.all == bool(options.keys):
        raise ConfigurationError(f"inbox {options.change} takes either keys or --all")
    by_line = {_shown(letter.key): letter.key for letter in await _all_dead(inbox)}
    given: list[str] = options.keys
    keys = [*by_line.values()] if options.all else [by_line.get(key, key) for key in given]
    change: Callable[[str], Awaitable[bool]] = getattr(inbox, options.change)
    unknown = [key for key in keys if not await change(key)]
    write(sys.stdout, f"{options.change}: {len(keys) - len(unknown)} of {len(keys)}\n")
    if unknown:
        write(sys.stderr, f"there is no dead letter {', '.join(map(_shown, unknown))}\n")
    return 1 if unknown else 0


async def _all_dead(inbox: Inbox) -> list[DeadLetter]:
    return await inbox.dead_letters((await inbox.size()).dead)
