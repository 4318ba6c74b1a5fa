"""What an open page has yet to be told. Performs no I/O.

Each look compares the newest payments and deliveries with those of the look before. So nothing has to be queued for a
page, however slow it is, and the page holds what the feed holds.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import attrs

from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.control import shown_delivery, shown_payment
from vipps_async.sandbox._webhooks.records import Delivery

_SHOWN = 200  # payments, and as many deliveries

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@attrs.frozen(kw_only=True)
class _Scene:
    payments: Mapping[str, LedgerPayment] = attrs.field(factory=dict)
    deliveries: Mapping[int, Delivery] = attrs.field(factory=dict)
    pending: int = 0


@attrs.define
class Feed:
    """What one page shows of an installation.

    Attributes:
        installation: what is looked at.
        reference: the page shows payments whose reference contains this, and their deliveries.
    """

    installation: SandboxState
    reference: str = ""
    _told: _Scene | None = attrs.field(default=None, init=False)

    def news(self) -> dict[str, Any] | None:
        """Return what is new since the last call, oldest first, and what is no longer shown; ``None``: nothing is."""
        now = self._look()
        if now == self._told:
            return None
        before, self._told = self._told or _Scene(), now
        return {
            "payments": [shown_payment(payment) for payment in _new(before.payments, now.payments)],
            "deliveries": [shown_delivery(delivery) for delivery in _new(before.deliveries, now.deliveries)],
            "gonePayments": _gone(before.payments, now.payments),
            "goneDeliveries": _gone(before.deliveries, now.deliveries),
            "pending": now.pending,
        }

    def _look(self) -> _Scene:
        payments = _newest(self.installation.ledger.latest(self.reference))
        deliveries = _newest(self.installation.deliveries.latest(self.reference))
        return _Scene(
            payments={payment.reference: payment for payment in payments},
            deliveries={delivery.id: delivery for delivery in deliveries},
            pending=len(self.installation.deliveries.pending),
        )


def _newest(latest: Iterator[_Value]) -> list[_Value]:
    return list(islice(latest, _SHOWN))[::-1]


def _new(before: Mapping[_Key, _Value], now: Mapping[_Key, _Value]) -> list[_Value]:
    return [value for key, value in now.items() if before.get(key) is not value]


def _gone(before: Mapping[_Key, _Value], now: Mapping[_Key, _Value]) -> list[_Key]:
    return [key for key in before if key not in now]
