"""A handler takes the event, and the claim where it asks for one; what is not clear is refused at once."""

from functools import partial, wraps
from typing import Any

import pytest

from tests.support.vectors import document
from vipps_async import PaymentEvent
from vipps_async._wire.converter import structure
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks._handlers import Handler, Selection, entry_of
from vipps_async.webhooks.stores.base import Claim


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
    assert entry_of(kind, Selection()).handler is kind


@pytest.mark.parametrize("kind", [lambda _: None, print, None, "name"], ids=["lambda", "print", "None", "name"])
def test_what_does_not_await_is_refused(kind: Any) -> None:
    """A plain function is refused when it is registered, not when an event comes."""
    with pytest.raises(ConfigurationError, match="must be an `async def`: the receiver awaits its handlers"):
        entry_of(kind, Selection())


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
    entry = entry_of(handler, Selection())
    event, claim = structure(document("current-webhook-epayment-captured"), PaymentEvent), Claim(is_duplicate=False)
    _given.clear()
    await entry.invoke(event, claim)
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
        entry_of(handler, Selection())
