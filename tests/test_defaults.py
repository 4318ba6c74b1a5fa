"""What is so if nobody says otherwise: a contract with whoever says nothing, and a change for the changelog."""

import inspect
from datetime import timedelta
from typing import Any

import pytest

from vipps_async import RetryPolicy, VippsClient
from vipps_async.sandbox import Sandbox
from vipps_async.token_cache import RedisTokenCache
from vipps_async.webhooks import InboxPolicy, WebhookReceiver
from vipps_async.webhooks.signals.postgres import PostgresSignal
from vipps_async.webhooks.signals.redis import RedisSignal
from vipps_async.webhooks.stores._postgres_inbox import PostgresInbox
from vipps_async.webhooks.stores._sqlite_inbox import SQLiteInbox
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.postgres import PostgresStore
from vipps_async.webhooks.stores.redis import RedisStore
from vipps_async.webhooks.stores.sqlite import SQLiteStore

DEFAULTS: dict[type, dict[str, Any]] = {
    VippsClient: {"timeout": 30, "session": None, "token_cache": None, "trust_env": False},
    RetryPolicy: {
        "attempts": 4,
        "initial_delay": timedelta(seconds=0.5),
        "max_delay": timedelta(seconds=8),
        "attempt_timeout": timedelta(seconds=10),
    },
    WebhookReceiver: {
        "url": None,
        "secrets": (),
        "allow_unsigned": False,
        "max_age": timedelta(days=7),
        "leeway": timedelta(minutes=5),
        "max_body": 262_144,
        "name": None,
        "inbox": None,
        "signal": None,
        "handler_timeout": timedelta(minutes=5),
        "shutdown_timeout": timedelta(seconds=20),
    },
    InboxPolicy: {
        "workers": 4,
        "attempts": 20,
        "initial_delay": timedelta(seconds=1),
        "max_delay": timedelta(hours=1),
        "dead_letter_blocks": True,
        "lease": timedelta(seconds=30),
        "poll_interval": timedelta(seconds=1),
        "shutdown_timeout": timedelta(seconds=20),
    },
    MemoryStore: {"retention": timedelta(days=8), "max_events": 100_000},
    SQLiteStore: {"retention": timedelta(days=8), "lease": timedelta(seconds=60), "connections": 8},
    PostgresStore: {"retention": timedelta(days=8), "table": "vipps_events"},
    RedisStore: {"retention": timedelta(days=8), "lease": timedelta(seconds=30), "prefix": "vipps:event:"},
    PostgresSignal: {"channel": "vipps_events", "heartbeat": timedelta(seconds=15)},
    RedisSignal: {"channel": "vipps_events", "heartbeat": timedelta(seconds=15)},
    RedisTokenCache: {"prefix": "vipps:token:"},
    Sandbox: {
        "host": "127.0.0.1",
        "port": 0,
        "public_url": None,
        "ssl_context": None,
        "dialect": "current",
        "credentials": None,
        "copies": 1,
        "retry_delays": None,
        "token_lifetime": 3599,
        "currency": None,
        "denied": (),
        "rate_limits": True,
        "seed": None,
        "strict": False,
    },
}
# Their own tests say what they are.
OTHERS = {"environment", "system", "retry", "key", "families", "clock", "apis"}


@pytest.mark.parametrize("made", DEFAULTS, ids=lambda made: made.__name__)
def test_the_defaults(made: type) -> None:
    """As documented; a name is in the table, or has a test elsewhere."""
    parameters = inspect.signature(made).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    assert {name: value for name, value in defaults.items() if name not in OTHERS} == DEFAULTS[made]


@pytest.mark.parametrize("inbox", [SQLiteInbox, PostgresInbox])
def test_dead_letters_come_by_the_hundred(inbox: type[SQLiteInbox] | type[PostgresInbox]) -> None:
    """Unless another number is asked for."""
    assert inspect.signature(inbox.dead_letters).parameters["limit"].default == 100


def test_a_signature_is_short() -> None:
    """An editor shows it whole, the default APIs and families included."""
    assert len(str(inspect.signature(Sandbox))) < 1000
    assert len(str(inspect.signature(WebhookReceiver))) < 1400
