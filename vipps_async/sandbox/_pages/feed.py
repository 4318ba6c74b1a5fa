"""Finds what an open page does not show yet. Performs no I/O.

Each look compares the newest things, deliveries and requests with those of the look before. So nothing has to be queued
for a page, however slow it is, and the page holds what the feed holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import attrs

from vipps_async.sandbox._platform.pages import ApiPage, Card
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.control import shown_rule
from vipps_async.sandbox._webhooks.records import Delivery, RecordedRequest

SHOWN = 25  # rows of a list, unless more are asked for
MOST_SHOWN = 1000

_Value = TypeVar("_Value", bound="Delivery | RecordedRequest")
_Rows = Mapping[Any, Any]


@attrs.frozen(kw_only=True)
class Filter:
    """What a page wants to see.

    Attributes:
        reference: part of the reference that things have, and their deliveries and requests.
        state: of things; an empty text for any.
        api: whose things and requests; an empty text for all.
        only: ``"failed"`` or ``"faulted"`` deliveries and requests; an empty text for all.
        limit: rows of each list.
    """

    reference: str = ""
    state: str = ""
    api: str = ""
    only: str = ""
    limit: int = SHOWN

    def takes(self, record: Delivery | RecordedRequest) -> bool:
        """Whether a delivery or a request is wanted."""
        if self.only == "failed":
            return not record.is_success
        return self.only != "faulted" or record.fault is not None


@attrs.frozen(kw_only=True)
class _View:
    """The contents of a page: the rows of each list by their keys, and what is shown whole."""

    lists: Mapping[str, _Rows] = attrs.field(factory=dict)
    more: tuple[str, ...] = ()
    pending: int = 0
    ahead: float = 0.0
    webhooks: tuple[Any, ...] = ()
    faults: tuple[Any, ...] = ()


@attrs.define
class Feed:
    """The feed of one page.

    Attributes:
        state: what is looked at.
        filter: what of it.
    """

    state: SandboxState
    filter: Filter = Filter()
    _shown: _View | None = attrs.field(default=None, init=False)

    def news(self) -> dict[str, Any] | None:
        """Return what is new since the last call, oldest first, and what is no longer shown; ``None``: nothing is."""
        now = self._look()
        if now == self._shown:
            return None
        before, self._shown = self._shown or _View(), now
        rows: dict[str, Callable[[Any], dict[str, Any]]] = {
            page.collection: _card_of(page) for page in self.state.pages
        }
        return {
            "lists": [
                _changes(name, before.lists.get(name, {}), now.lists[name], rows.get(name, _record), name in now.more)
                for name in now.lists
            ],
            "pending": now.pending,
            "ahead": now.ahead,
            "webhooks": now.webhooks,
            "faults": now.faults,
        }

    def _look(self) -> _View:
        lists, more = {}, []
        for name, latest in self._latest():
            rows = list(islice(latest, self.filter.limit + 1))
            if len(rows) > self.filter.limit:
                more.append(name)
            lists[name] = dict(rows[: self.filter.limit][::-1])
        state = self.state
        return _View(
            lists=lists,
            more=tuple(more),
            pending=len(state.deliveries.pending),
            ahead=state.clock.offset.total_seconds(),
            webhooks=tuple(state.webhooks.documents()),
            faults=tuple(shown_rule(rule) for rule in state.faults.rules),
        )

    def _latest(self) -> Iterator[tuple[str, Iterable[tuple[Any, Any]]]]:
        wanted = self.filter
        for page in self.state.pages:
            items = page.latest(wanted.reference, wanted.state) if wanted.api in {"", page.api} else ()
            yield page.collection, ((page.reference_of(item), item) for item in items)
        yield "deliveries", self._wanted(self.state.deliveries.latest(wanted.reference))
        requests = (
            request
            for request in reversed(self.state.requests)
            if wanted.reference in request.reference and request.operation.startswith(wanted.api)
        )
        yield "requests", self._wanted(requests)

    def _wanted(self, records: Iterable[_Value]) -> Iterator[tuple[int, _Value]]:
        return ((record.id, record) for record in records if self.filter.takes(record))


def _changes(
    name: str,
    before: _Rows,
    now: _Rows,
    shown: Callable[[Any], dict[str, Any]],
    more: bool,  # noqa: FBT001 - one of five
) -> dict[str, Any]:
    new = [{"key": key, **shown(value)} for key, value in now.items() if before.get(key) is not value]
    return {"name": name, "rows": new, "gone": [key for key in before if key not in now], "more": more}


def _card_of(page: ApiPage) -> Callable[[Any], dict[str, Any]]:
    return lambda item: _document(page.card(item))


def _record(record: Delivery | RecordedRequest) -> dict[str, Any]:
    return record.to_dict()


def _document(card: Card) -> dict[str, Any]:
    log = [{**attrs.asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")} for entry in card.log]
    return {**attrs.asdict(card, recurse=False), "log": log}
