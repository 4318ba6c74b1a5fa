"""The handles by which a test breaks a sandbox: fault rules, revoked tokens, outages, deliveries sent again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import EllipsisType
from typing import Any

from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.notation import parse_faults
from vipps_async.sandbox._faults.plan import InjectedFault
from vipps_async.sandbox._faults.rules import DELIVERIES, fault_rule
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.listener import Listener


class FaultControls:
    """What a sandbox can be made to suffer."""

    _state: SandboxState
    _listener: Listener

    @property
    def seed(self) -> int:
        """What chance goes by where faults have a probability."""
        return self._state.faults.seed

    @property
    def injected_faults(self) -> list[InjectedFault]:
        """The latest hundred thousand faults that struck, oldest first."""
        return self._state.faults.done

    def fail(
        self,
        operation: str,
        fault: Fault | str,
        *,
        times: int | EllipsisType | None = ...,
        probability: float | None = None,
        reference: str | None = None,
        retry_after: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Have the next requests of an operation suffer a fault.

        Args:
            operation: ``"token"``, ``"create"``, ``"get"``, ``"events"``, ``"capture"``, ``"refund"``, ``"cancel"``,
                ``"adjust"``, ``"approve"``, ``"register"``, ``"list"`` or ``"delete"``; ``"*"``: any of them.
            fault: what they suffer: a `Fault`, or the code of an error, such as ``"6260"``, as the answer.
            times: how many do; 1 by default, or all where a probability is given; ``None``: all until `clear_faults`.
            probability: the share of requests that does, above 0, drawn with the sandbox's `seed`.
            reference: requests about this payment only.
            retry_after: seconds for a ``Retry-After`` header.
            seconds: how long `LATENCY` holds an answer back, or `REFUSED` refuses connections; real ones, 1 by default.

        Raises:
            ConfigurationError: the operation or the fault is unknown, or an option does not fit (a `ValueError`).
        """
        self._rule(
            operation,
            fault,
            times=times,
            probability=probability,
            reference=reference,
            retry_after=retry_after,
            seconds=seconds,
        )

    def fail_delivery(
        self,
        fault: DeliveryFault | str,
        *,
        times: int | EllipsisType | None = ...,
        probability: float | None = None,
        reference: str | None = None,
        event: EventName | str | None = None,
        seconds: float | None = None,
        copies: int | None = None,
        secret: str | None = None,
    ) -> None:
        """Have the deliveries of the next events suffer a fault, each event's to each webhook counted as one.

        Args:
            fault: what they suffer.
            times: how many do; 1 by default, or all where a probability is given; ``None``: all until `clear_faults`.
            probability: the share of deliveries that does, above 0, drawn with the sandbox's `seed`.
            reference: events of this payment only.
            event: events of this name only.
            seconds: how late `DELAY` makes it, and `REORDER` at most, by the sandbox's clock; 5 by default.
            copies: how often `DUPLICATE` and `CONCURRENT` have it arrive; 2 by default.
            secret: what `RE_SIGN` signs with; by default one that no webhook has.

        Raises:
            ConfigurationError: the fault is unknown, or an option does not fit (a `ValueError`).
        """
        self._rule(
            DELIVERIES,
            fault,
            times=times,
            probability=probability,
            reference=reference,
            event=event,
            seconds=seconds,
            copies=copies,
            secret=secret,
        )

    def add_faults(self, notation: str) -> None:
        """Add the faults that a text notes down; each strikes as often as one of `fail` or `fail_delivery` does.

        Args:
            notation: such as ``"capture:reset-after@0.2,deliveries:duplicate:times=3"``; ``@1`` means always.

        Raises:
            ConfigurationError: an entry cannot be meant so; the message quotes it (a `ValueError`).
        """
        self._state.faults.add(parse_faults(notation))

    def clear_faults(self) -> None:
        """Withdraw every fault that is on order."""
        self._state.faults.clear()

    async def redeliver(self, delivery_id: int, fault: DeliveryFault | str | None = None) -> None:
        """Deliver what an earlier attempt carried once more: now, and to the same webhook.

        Args:
            delivery_id: the ``id`` of one of `deliveries`, whatever became of it.
            fault: what it suffers this time.

        Raises:
            UnknownDelivery: there is no such delivery, or its webhook was deleted (a `LookupError`).
            ConfigurationError: the fault is unknown (a `ValueError`).
        """
        self._state.deliveries.redeliver(delivery_id, None if fault is None else fault_rule(DELIVERIES, fault))

    def revoke_tokens(self) -> None:
        """Have every access token that was issued answered with 401 from now on."""
        self._state.tokens.revoke_all()

    @asynccontextmanager
    async def offline(self) -> AsyncIterator[None]:
        """Refuse connections and cut the open ones inside the block; come back on the same port after it."""
        await self._listener.go_offline()
        try:
            yield
        finally:
            await self._listener.come_back()

    def _rule(self, operation: str, fault: str, **options: Any) -> None:
        self._state.faults.add([fault_rule(operation, fault, **options)])
