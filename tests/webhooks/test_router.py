"""An event goes to the handlers that ask for it, in the order in which they were registered."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.webhooks.deliveries import event as event_body
from vipps_async import PaymentEvent, PaymentEventName
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import EventRouter, UnknownEvent, WebhookEvent
from vipps_async.webhooks._events import read_event

CAPTURED, REFUNDED = PaymentEventName.CAPTURED, PaymentEventName.REFUNDED
UNKNOWN = read_event(b'{"eventType": "parking.car-left.v1", "carId": "EL 12345"}')


def handler(name: str) -> Callable[[WebhookEvent], Awaitable[None]]:
    """A handler that can be told from others."""

    async def handle(event: WebhookEvent) -> None: ...

    handle.__name__ = handle.__qualname__ = name
    return handle


def payment_event(name: str, **facts: Any) -> WebhookEvent:
    """An event of a payment."""
    return read_event(event_body(name, **facts))


def names_for(router: EventRouter, event: WebhookEvent | str, **facts: Any) -> list[str]:
    """The names of the handlers that take an event, of a payment if it is given by its name."""
    found = payment_event(event, **facts) if isinstance(event, str) else event
    return [entry.name for entry in router.handlers_of(found)]


def test_handlers_run_in_order_of_registration() -> None:
    """Named handlers and those for all come in the order in which they were registered, mixed."""
    router = EventRouter()
    router.on(CAPTURED)(handler("first"))
    router.on_all(handler("second"))
    router.on(REFUNDED, CAPTURED)(handler("third"))
    assert names_for(router, CAPTURED) == ["first", "second", "third"]
    assert names_for(router, REFUNDED) == ["second", "third"]
    assert names_for(router, "CREATED") == ["second"]


def test_a_fallback_takes_what_no_other_asks_for() -> None:
    """A fallback runs for events that no handler asks for; one for all events does not keep it from that."""
    router = EventRouter()
    router.on_other(handler("other"))
    router.on_all(handler("all"))
    router.on(CAPTURED)(handler("captured"))
    assert names_for(router, CAPTURED) == ["all", "captured"]
    assert names_for(router, REFUNDED) == ["other", "all"]
    assert names_for(router, "DISPUTED") == ["other", "all"]
    assert names_for(router, UNKNOWN) == ["other", "all"]


def test_a_failed_operation_runs_no_handler_of_its_name() -> None:
    """An event that reports a failure goes to the handlers for failures and those for all, and to no other."""
    router = EventRouter()
    router.on(CAPTURED)(handler("captured"))
    router.on(PaymentEvent)(handler("any payment's"))
    router.on_failed(handler("failed"))
    router.on_all(handler("all"))
    router.on_other(handler("other"))
    assert names_for(router, CAPTURED, success=False) == ["failed", "all"]
    assert names_for(router, "DISPUTED", success=False) == ["failed", "all"]
    assert names_for(router, CAPTURED) == ["captured", "any payment's", "all"]


def test_a_failed_operation_that_no_handler_asks_for_goes_to_the_fallback() -> None:
    """Without a handler for failures the fallback takes them, although a handler names the event."""
    router = EventRouter()
    router.on(CAPTURED)(handler("captured"))
    router.on_other(handler("other"))
    assert names_for(router, CAPTURED, success=False) == ["other"]
    assert names_for(router, CAPTURED) == ["captured"]


def test_failures_can_be_asked_for_by_name_and_by_class() -> None:
    """Who asks for the failures of captures, or of payments, is not told of others, nor of successes."""
    router = EventRouter()
    router.on_failed(CAPTURED)(handler("failed captures"))
    router.on_failed(PaymentEvent)(handler("failed payments"))
    router.on_failed(UnknownEvent)(handler("never"))
    assert names_for(router, CAPTURED, success=False) == ["failed captures", "failed payments"]
    assert names_for(router, REFUNDED, success=False) == ["failed payments"]
    assert names_for(router, CAPTURED) == names_for(router, UNKNOWN) == []


@pytest.mark.parametrize("name", [CAPTURED, "CAPTURED", "CAPTURE", "epayments.payment.captured.v1"])
def test_an_event_is_named_by_a_member_a_text_or_its_type(name: str) -> None:
    """A member, its text, the draft's text and the event type ask for the same events."""
    router = EventRouter()
    router.on(name)(handler("captured"))
    assert names_for(router, CAPTURED) == ["captured"]
    assert names_for(router, REFUNDED) == []


def test_a_class_asks_for_all_its_events() -> None:
    """A class takes whatever is read as it, types that are new included, and nothing else."""
    router = EventRouter()
    router.on(PaymentEvent)(handler("payment"))
    router.on(UnknownEvent)(handler("unknown"))
    assert names_for(router, CAPTURED) == names_for(router, "DISPUTED") == ["payment"]
    assert names_for(router, UNKNOWN) == ["unknown"]


@pytest.mark.parametrize("name", ["recurring.charge-captured.v1", "user.checked-in.v1", "parking.car-left.v1"])
def test_types_of_other_apis_can_be_asked_for(name: str) -> None:
    """A type that can be registered, or is of an API that is not known yet, is taken for what it says."""
    router = EventRouter()
    router.on(name)(handler("asked"))
    (entry,) = router.handlers_of(UnknownEvent(type=name, dedup_key="1", subject="1", raw={}))
    assert entry.name == "asked"
    assert names_for(router, CAPTURED) == []


@pytest.mark.parametrize(
    "name",
    ["authorized", "epayments.payment.captred.v1", "recurring.charge-captred.v1", "DISPUTED", "", 1, None],
)
def test_a_name_that_no_event_has_is_refused(name: Any) -> None:
    """A misspelt name is refused when it is registered, since its handler would never run."""
    router = EventRouter()
    for ask in (router.on, router.on_failed):
        with pytest.raises(ConfigurationError, match=r"there is no event .*payment\.created\.v1, .*on_other"):
            ask(CAPTURED, name)(handler("never"))
    assert names_for(router, CAPTURED) == []


def test_no_event_at_all_is_refused() -> None:
    """A decorator that was called without an event says what there is for every event."""
    with pytest.raises(ConfigurationError, match="takes one or more events; for every event there is on_all"):
        EventRouter().on()


def test_one_handler_may_be_registered_twice() -> None:
    """A handler runs as often as it was registered for a name."""
    router, twice = EventRouter(), handler("twice")
    router.on(CAPTURED)(twice)
    router.on(CAPTURED, REFUNDED)(twice)
    assert names_for(router, CAPTURED) == ["twice", "twice"]


def test_registering_gives_the_handler_back() -> None:
    """What registers is the function itself, so that it serves as a decorator."""
    router, function = EventRouter(), handler("x")
    assert router.on(CAPTURED)(function) is function
    assert router.on_all(function) is function
    assert router.on_failed(function) is function
    assert router.on_other(function) is function


def test_a_router_includes_others_where_it_says_so() -> None:
    """Handlers of an included router stand where it was included, those that it included itself among them."""
    inner, outer, router = EventRouter(), EventRouter(), EventRouter()
    inner.on(CAPTURED)(handler("inner"))
    outer.on(CAPTURED)(handler("outer"))
    outer.include(inner)
    router.on_all(handler("before"))
    router.include(outer)
    router.on(CAPTURED)(handler("after"))
    assert names_for(router, CAPTURED) == ["before", "outer", "inner", "after"]
    another = EventRouter()
    another.include(inner)
    assert names_for(another, CAPTURED) == ["inner"]


def test_a_fallback_counts_what_other_routers_ask_for() -> None:
    """What one router's handler asks for is none of another's fallback's."""
    asking, other, router = EventRouter(), EventRouter(), EventRouter()
    asking.on(CAPTURED)(handler("captured"))
    other.on_other(handler("other"))
    router.include(other)
    router.include(asking)
    assert names_for(router, CAPTURED) == ["captured"]
    assert names_for(router, REFUNDED) == ["other"]


def test_a_router_that_was_included_takes_no_more() -> None:
    """A handler that is registered too late would never run, and is refused instead."""
    late, router = EventRouter(), EventRouter()
    router.include(late)
    for register in (late.on(CAPTURED), late.on_all, late.on_failed, late.on_other):
        with pytest.raises(ConfigurationError, match="was included before: register all its handlers first"):
            register(handler("never"))
    with pytest.raises(ConfigurationError, match="was included before"):
        late.include(EventRouter())


@pytest.mark.parametrize("routes", [None, "routes", EventRouter])
def test_only_routers_are_included(routes: Any) -> None:
    """Something else, or the router itself, is refused by name."""
    router = EventRouter()
    for wrong in (routes, router):
        with pytest.raises(ConfigurationError, match=r"include\(.*\) takes another EventRouter"):
            router.include(wrong)
