"""Finds what an open page does not show yet. Performs no I/O.

Each look compares the newest things and deliveries with those of the look before. So nothing has to be queued for a
page, however slow it is, and the page holds what the feed holds.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import attrs

from vipps_async.sandbox._platform.pages import ApiPage, Card
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._webhooks.records import Delivery

_SHOWN = 200  # things of a collection, and as many deliveries

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@attrs.frozen(kw_only=True)
class _View:
    """The contents of a page: the things of each API by collection and reference, and the deliveries."""

    collections: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    deliveries: Mapping[int, Delivery] = attrs.field(factory=dict)
    pending: int = 0


@attrs.define
class Feed:
    """The feed of one page.

    Attributes:
        state: what is looked at.
        reference: the page shows what has a reference that contains this, and its deliveries.
    """

    state: SandboxState
    reference: str = ""
    _shown: _View | None = attrs.field(default=None, init=False)

    def news(self) -> dict[str, Any] | None:
        """Return what is new since the last call, oldest first, and what is no longer shown; ``None``: nothing is."""
        now = self._look()
        if now == self._shown:
            return None
        before, self._shown = self._shown or _View(), now
        return {
            "collections": [self._changes(page, before, now) for page in self.state.pages],
            "deliveries": [delivery.to_dict() for delivery in _new(before.deliveries, now.deliveries)],
            "goneDeliveries": _gone(before.deliveries, now.deliveries),
            "pending": now.pending,
        }

    def _changes(self, page: ApiPage, before: _View, now: _View) -> dict[str, Any]:
        old, new = before.collections.get(page.collection, {}), now.collections[page.collection]
        cards = [_document(page.card(item)) for item in _new(old, new)]
        return {"name": page.collection, "cards": cards, "gone": _gone(old, new)}

    def _look(self) -> _View:
        deliveries = _newest(self.state.deliveries.latest(self.reference))
        return _View(
            collections={
                page.collection: {page.reference_of(item): item for item in _newest(page.latest(self.reference))}
                for page in self.state.pages
            },
            deliveries={delivery.id: delivery for delivery in deliveries},
            pending=len(self.state.deliveries.pending),
        )


def _document(card: Card) -> dict[str, Any]:
    log = [{**attrs.asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")} for entry in card.log]
    return {**attrs.asdict(card, recurse=False), "log": log}


def _newest(latest: Iterator[_Value]) -> list[_Value]:
    return list(islice(latest, _SHOWN))[::-1]


def _new(before: Mapping[_Key, _Value], now: Mapping[_Key, _Value]) -> list[_Value]:
    return [value for key, value in now.items() if before.get(key) is not value]


def _gone(before: Mapping[_Key, _Value], now: Mapping[_Key, _Value]) -> list[_Key]:
    return [key for key in before if key not in now]
