"""Which modules decide over money, and which tests are to notice a change of one, the quick ones first."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]

_CALLS = (
    "tests/test_defaults.py",
    "tests/_http/test_call.py",
    "tests/_http/test_retry.py",
    "tests/_http/test_reply.py",
    "tests/_http/test_session.py",
)
_OUTCOMES = (
    "tests/_http/test_outcomes.py",
    "tests/_http/test_odd_replies.py",
    "tests/_http/test_transport.py",
    "tests/test_client.py",
)
_EPAYMENT = ("tests/epayment",)
_RECURRING = (
    "tests/recurring/test_requests.py",
    "tests/recurring/test_event.py",
    "tests/recurring/test_agreements.py",
    "tests/recurring/test_charges.py",
)
_WAITS = (
    "tests/test_defaults.py",
    "tests/epayment/test_polling.py",
    "tests/epayment/test_wait.py",
    "tests/epayment/test_wait_for_events.py",
)
_RECEIVER = (
    "tests/test_defaults.py",
    "tests/webhooks/test_router.py",
    "tests/webhooks/test_handlers.py",
    "tests/webhooks/test_event_families.py",
    "tests/webhooks/test_identity.py",
    "tests/webhooks/test_receiver.py",
    "tests/webhooks/test_receiver_settings.py",
    "tests/webhooks/test_receiver_concurrency.py",
    "tests/webhooks/test_processor.py",
    "tests/webhooks/test_observers.py",
    "tests/webhooks/test_delivered.py",
    "tests/webhooks/test_dispatcher.py",
    "tests/webhooks/test_aiohttp_app.py",
    "tests/webhooks/test_cut_off.py",
    "tests/webhooks/test_wsgi_app.py",
)
_INBOX = (
    "tests/test_defaults.py",
    "tests/webhooks/test_inbox_policy.py",
    "tests/webhooks/test_inbox.py",
    "tests/webhooks/test_inbox_lifetime.py",
)
_SQLITE = (
    "tests/test_defaults.py",
    "tests/webhooks/test_sqlite_store.py",
    "tests/webhooks/test_sqlite_transaction.py",
    "tests/webhooks/test_sqlite_file.py",
    "tests/webhooks/test_sqlite_inbox.py",
    "tests/webhooks/test_write_turn.py",
    *_INBOX,
)
_SIGNATURES = (
    "tests/webhooks/test_signature.py",
    "tests/webhooks/test_signature_causes.py",
    "tests/webhooks/test_signature_copies.py",
)
_SUBSCRIPTIONS = ("tests/sandbox/_recurring",)
_LEDGER = ("tests/sandbox/_epayment", "tests/sandbox/_platform")

# By pattern of the module's path in the package; the first that fits.
JUDGES: Mapping[str, tuple[str, ...]] = {
    "_http/token.py": ("tests/_http/test_token.py", *_OUTCOMES),
    "_http/polling.py": _WAITS,
    "_http/waiting.py": _WAITS,
    "_http/[!_]*.py": (*_CALLS, "tests/_http/test_token.py", *_OUTCOMES, "tests/_http/test_faults.py"),
    "epayment/_[!_]*.py": ("tests/epayment/test_requests.py", "tests/epayment/test_api.py", *_EPAYMENT),
    "recurring/_[!_]*.py": _RECURRING,
    "money.py": ("tests/test_money.py",),
    "_events.py": (*_RECEIVER, "tests/epayment/test_event.py"),
    "_wire/converter.py": (
        "tests/_wire/test_converter.py",
        "tests/epayment/test_lenient_reading.py",
        "tests/epayment/test_models.py",
    ),
    "webhooks/signature.py": _SIGNATURES,
    "webhooks/_verification.py": (*_SIGNATURES, *_RECEIVER),
    "webhooks/_inbox*.py": (*_INBOX, "tests/webhooks/test_observers.py"),
    "webhooks/_[defhipr]*.py": (*_RECEIVER, *_INBOX),
    "webhooks/stores/_sqlite_writer.py": ("tests/webhooks/test_sqlite_writer.py", *_SQLITE),
    "webhooks/stores/memory.py": ("tests/test_defaults.py", "tests/webhooks/test_memory_store.py"),
    "webhooks/stores/*sqlite*.py": _SQLITE,
    "webhooks/stores/redis.py": (
        "tests/test_defaults.py",
        "tests/webhooks/test_redis_store.py",
        "tests/webhooks/test_redis_batches.py",
    ),
    "webhooks/stores/*postgres*.py": (
        "tests/test_defaults.py",
        "tests/webhooks/test_postgres_store.py",
        "tests/webhooks/test_postgres_inbox.py",
        "tests/webhooks/test_pgbouncer.py",
        *_INBOX,
    ),
    "sandbox/_epayment/accounting.py": _LEDGER,
    "sandbox/_epayment/ledger.py": _LEDGER,
    "sandbox/_epayment/lifecycle.py": _LEDGER,
    "sandbox/_recurring/c[ah]*.py": _SUBSCRIPTIONS,
    "sandbox/_recurring/ledger.py": _SUBSCRIPTIONS,
    "sandbox/_platform/markets.py": ("tests/sandbox/_platform/test_markets.py", *_SUBSCRIPTIONS),
    "sandbox/_platform/idempotency.py": _LEDGER,
    "sandbox/_platform/gateway.py": _LEDGER,
}


@cache
def judges() -> dict[str, tuple[str, ...]]:
    """Return the tests of each judged module, by its path in the package."""
    found: dict[str, tuple[str, ...]] = {}
    for pattern, tests in JUDGES.items():
        for path in sorted((ROOT / "vipps_async").glob(pattern)):
            found.setdefault(path.relative_to(ROOT / "vipps_async").as_posix(), tuple(dict.fromkeys(tests)))
    return found
