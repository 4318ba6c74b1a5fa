"""An event goes to the handlers of its name, in the order in which they were registered."""

from functools import partial, wraps
from typing import Any

import pytest

from tests.support.vectors import document
from vipps_async import PaymentEvent, PaymentEventName
from vipps_async._wire.converter import structure
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks._router import Handler, Router
from vipps_async.webhooks.stores.base import Claim

CAPTURED, REFUNDED = PaymentEventName.CAPTURED, PaymentEventName.REFUNDED


def handler(name: str) -> Handler:
    """A handler that can be told from others."""

    async def handle(event: PaymentEvent) -> None: ...

    handle.__name__ = name
    return handle


def names_for(router: Router, name: PaymentEventName | str, **facts: bool) -> list[str]:
    """The names of the handlers that take an event of *name*, one that succeeded unless *facts* say otherwise."""
    return [getattr(found.handler, "__name__", "") for found in router.routes_for(PaymentEventName(name), **facts)]


def test_handlers_run_in_order_of_registration() -> None:
    """Named handlers and those for all come in the order in which they were registered, mixed."""
    router = Router()
    router.add(handler("first"), CAPTURED)
    router.add_for_all(handler("second"))
    router.add(handler("third"), REFUNDED, CAPTURED)
    assert names_for(router, CAPTURED) == ["first", "second", "third"]
    assert names_for(router, REFUNDED) == ["second", "third"]
    assert names_for(router, "CREATED") == ["second"]


def test_a_fallback_takes_what_no_name_takes() -> None:
    """A fallback runs for events that no handler names; one for all events does not keep it from that."""
    router = Router()
    router.add_fallback(handler("other"))
    router.add_for_all(handler("all"))
    router.add(handler("captured"), CAPTURED)
    assert names_for(router, CAPTURED) == ["all", "captured"]
    assert names_for(router, REFUNDED) == ["other", "all"]
    assert names_for(router, "DISPUTED") == ["other", "all"]


def test_a_failed_operation_runs_no_handler_of_its_name() -> None:
    """An event that reports a failure goes to the handlers for failures and those for all, and to no other."""
    router = Router()
    router.add(handler("captured"), CAPTURED)
    router.add_for_failed(handler("failed"))
    router.add_for_all(handler("all"))
    router.add_fallback(handler("other"))
    assert names_for(router, CAPTURED, success=False) == ["failed", "all"]
    assert names_for(router, "DISPUTED", success=False) == ["failed", "all"]
    assert names_for(router, CAPTURED, success=True) == ["captured", "all"]


def test_a_failed_operation_that_no_handler_asks_for_goes_to_the_fallback() -> None:
    """Without a handler for failures the fallback takes them, although a handler names the event."""
    router = Router()
    router.add(handler("captured"), CAPTURED)
    router.add_fallback(handler("other"))
    assert names_for(router, CAPTURED, success=False) == ["other"]
    assert names_for(router, CAPTURED, success=True) == ["captured"]


def test_names_are_members_texts_or_the_draft_s() -> None:
    """A member, its text and the draft's text register for the same events."""
    for name in (CAPTURED, "CAPTURED", "CAPTURE"):
        router = Router()
        router.add(handler("captured"), name)
        assert names_for(router, CAPTURED) == names_for(router, "CAPTURE") == ["captured"]


@pytest.mark.parametrize("name", ["authorized", "epayments.payment.captured.v1", "DISPUTED", ""])
def test_a_name_that_no_event_has_is_refused(name: str) -> None:
    """A misspelt name is refused when it is registered, since its handler would never run."""
    router = Router()
    with pytest.raises(ConfigurationError, match=r"there is no event .*, only CREATED, .*; on_other takes new ones"):
        router.add(handler("never"), CAPTURED, name)
    assert names_for(router, CAPTURED) == []


def test_one_handler_may_be_registered_twice() -> None:
    """A handler runs as often as it was registered for a name."""
    router, twice = Router(), handler("twice")
    router.add(twice, CAPTURED)
    router.add(twice, CAPTURED, REFUNDED)
    assert names_for(router, CAPTURED) == ["twice", "twice"]


def test_registering_gives_the_handler_back() -> None:
    """What registers is the function itself, so that it serves as a decorator."""
    router, function = Router(), handler("x")
    assert router.add(function, CAPTURED) is function
    assert router.add_for_all(function) is function
    assert router.add_for_failed(function) is function
    assert router.add_fallback(function) is function


class Callable:
    """An object whose call is async."""

    async def __call__(self, event: PaymentEvent) -> None:
        """Do nothing."""

    async def method(self, event: PaymentEvent) -> None:
        """Do nothing."""


async def configured(setting: str, event: PaymentEvent) -> None:
    """A handler with a setting."""


@pytest.mark.parametrize("kind", [Callable(), Callable().method, partial(configured, "setting")])
def test_whatever_awaits_is_a_handler(kind: Handler) -> None:
    """Objects, methods and partial functions that are async are handlers."""
    router = Router()
    router.add(kind, CAPTURED)
    assert [route.handler for route in router.routes_for(CAPTURED)] == [kind]


@pytest.mark.parametrize("kind", [lambda _: None, print, None, "name"], ids=["lambda", "print", "None", "name"])
def test_what_does_not_await_is_refused(kind: Any) -> None:
    """A plain function is refused when it is registered, not when an event comes."""
    router = Router()
    ways: list[Any] = [
        router.add_for_all,
        router.add_for_failed,
        router.add_fallback,
        lambda function: router.add(function, CAPTURED),
    ]
    for register in ways:
        with pytest.raises(ConfigurationError, match="must be an `async def`: the receiver awaits its handlers"):
            register(kind)
    assert router.routes_for(CAPTURED) == []


async def _event_only(event: PaymentEvent) -> None:
    """Take the event."""
    _given.append(None)


async def _event_and_claim(event: PaymentEvent, claim: Claim) -> None:
    """Take both."""
    _given.append(claim)


async def _other_words(happened: PaymentEvent, right: Claim, /) -> None:
    """Take both, by position."""
    _given.append(right)


async def _claim_with_default(event: PaymentEvent, claim: Claim | None = None) -> None:
    """Take both, though the second has a default."""
    _given.append(claim)


async def _claim_by_name(event: PaymentEvent, *, claim: Claim) -> None:
    """Take the claim by its name."""
    _given.append(claim)


async def _claim_by_name_with_default(event: PaymentEvent, *, log: bool = False, claim: Claim | None = None) -> None:
    """Take the claim by its name, though it has a default."""
    _given.append(claim)


async def _claim_after_an_option(event: PaymentEvent, retries: int = 3, claim: Claim | None = None) -> None:
    """Take the claim by its name, behind an option."""
    assert retries == 3
    _given.append(claim)


async def _with_an_option(event: PaymentEvent, *, retries: int = 3) -> None:
    """Take the event; the rest has defaults."""
    assert retries == 3
    _given.append(None)


@wraps(_claim_by_name)
async def _decorated(*args: Any, **settings: Any) -> None:
    await _claim_by_name(*args, **settings)


class _Shop:
    async def ship(self, event: PaymentEvent, claim: Claim) -> None:
        """Take both."""
        assert event
        _given.append(claim)

    async def __call__(self, event: PaymentEvent, claim: Claim) -> None:
        """Take both."""
        await self.ship(event, claim)


async def _with_a_setting(setting: str, event: PaymentEvent, claim: Claim) -> None:
    _given.append(claim)


async def _with_a_late_setting(event: PaymentEvent, claim: Claim, setting: str) -> None:
    assert setting == "setting"
    _given.append(claim)


_given: list[Claim | None] = []
_ASKING: list[Handler] = [
    _event_and_claim,
    _other_words,
    _claim_with_default,
    _claim_by_name,
    _claim_by_name_with_default,
    _claim_after_an_option,
    _decorated,
    _Shop().ship,
    _Shop(),
    partial(_with_a_setting, "setting"),
    partial(_with_a_late_setting, setting="setting"),
]


@pytest.mark.parametrize("handler", [*_ASKING, _event_only, _with_an_option])
async def test_who_asks_for_the_claim_is_given_it(handler: Handler) -> None:
    """A second parameter without a default, or one called claim wherever it stands, is given the claim."""
    router = Router()
    router.add(handler, CAPTURED)
    (route,) = router.routes_for(CAPTURED)
    event, claim = structure(document("current-webhook-epayment-captured"), PaymentEvent), Claim(is_duplicate=False)
    _given.clear()
    await route.call(event, claim)
    assert _given == [claim if handler in _ASKING else None]


async def _nothing() -> None:
    """Take nothing."""


async def _too_much(event: PaymentEvent, claim: Claim, more: int) -> None:
    """Take more than there is."""


async def _unclear(event: PaymentEvent, tx: Claim | None = None) -> None:
    """Perhaps take the claim."""


async def _claim_first(claim: Claim, event: PaymentEvent) -> None:
    """Take both the wrong way around."""


async def _by_name_only(*, event: PaymentEvent) -> None:
    """Take nothing by position."""


async def _anything(*args: Any, **settings: Any) -> None:
    """Take anything."""


async def _event_and_anything(event: PaymentEvent, **settings: Any) -> None:
    """Perhaps take the claim."""


async def _needs_more(event: PaymentEvent, *, warehouse: str) -> None:
    """Need what nobody gives."""


@pytest.mark.parametrize(
    "handler",
    [
        _nothing,
        _too_much,
        _unclear,
        _claim_first,
        _by_name_only,
        _anything,
        _event_and_anything,
        _needs_more,
        _Shop.ship,
        partial(_event_only, structure(document("current-webhook-epayment-captured"), PaymentEvent)),
    ],
)
def test_a_handler_of_which_it_is_not_clear_what_it_takes_is_refused(handler: Handler) -> None:
    """It would fail at its first event, or run without the claim: it is refused when it is registered."""
    with pytest.raises(ConfigurationError, match="must take the event, or the event and its claim, as"):
        Router().add_for_all(handler)
