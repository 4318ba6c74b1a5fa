"""A receiver refuses an inbox that could not keep its promise, and pauses grow as the policy says."""

import re
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.webhooks.deliveries import SECRET, URL, receiver_of
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import InboxPolicy, WebhookReceiver
from vipps_async.webhooks.stores.base import EventStore
from vipps_async.webhooks.stores.memory import MemoryStore
from vipps_async.webhooks.stores.redis import RedisStore


@pytest.mark.parametrize("store", [MemoryStore(), RedisStore(Redis())], ids=lambda store: type(store).__name__)
def test_a_store_that_cannot_hold_events_is_refused(store: EventStore) -> None:
    """A receiver with an inbox is not made with it, and the message names what to do."""
    with pytest.raises(ConfigurationError) as refusal:
        WebhookReceiver(url=URL, secrets=[SECRET], store=store, inbox=InboxPolicy())
    kind = type(store).__name__
    remedy = "use SQLiteStore or PostgresStore, or leave inbox out"
    assert str(refusal.value) == f"a {kind} cannot hold events for an inbox: {remedy}"


@pytest.mark.parametrize("policy", [True, False, 4, {}, InboxPolicy])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    """Only a policy asks for an inbox."""
    with pytest.raises(ConfigurationError, match=r"must be an InboxPolicy, as in inbox=InboxPolicy\(\)"):
        receiver_of(store=MemoryStore(), inbox=policy)


@pytest.mark.parametrize("name", ["workers", "attempts"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4", None])
def test_a_count_is_a_whole_number(name: str, value: Any) -> None:
    """Counts below 1, and what is no number, are refused by name and value."""
    with pytest.raises(ConfigurationError) as refusal:
        InboxPolicy(**{name: value})
    assert str(refusal.value) == f"{name}={value!r} must be a whole number, 1 or more"


@pytest.mark.parametrize("name", ["initial_delay", "max_delay", "lease", "poll_interval", "shutdown_timeout"])
@pytest.mark.parametrize("value", [timedelta(0), timedelta(microseconds=999), -timedelta(days=1), 0, True, None])
def test_a_time_is_a_millisecond_or_more(name: str, value: Any) -> None:
    """Times below a millisecond, and what is no time, are refused by name."""
    with pytest.raises(ConfigurationError) as refusal:
        InboxPolicy(**{name: value})
    assert re.match(rf"{name}=.* must be seconds, or a timedelta, from 0\.001 seconds to 7 days", str(refusal.value))
    given: dict[str, Any] = {name: 5}
    assert getattr(InboxPolicy(**given), name) == timedelta(seconds=5)


def test_pauses_double_up_to_the_longest() -> None:
    """A pause is twice the one before until it is the longest, for any number of attempts."""
    policy = InboxPolicy(initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=10))
    pauses = [policy.pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 4, 5, 6, 10**9)]
    assert pauses == [1, 2, 4, 8, 10, 10, 10]
