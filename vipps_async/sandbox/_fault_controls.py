"""The handles by which a test makes a sandbox fail: faults, revoked tokens, outages, deliveries sent again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import EllipsisType
from typing import Any

from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.help import described
from vipps_async.sandbox._faults.notation import parse_faults
from vipps_async.sandbox._faults.plan import InjectedFault
from vipps_async.sandbox._faults.rules import fault_rule
from vipps_async.sandbox._faults.targets import DELIVERIES
from vipps_async.sandbox._state import TARGETS, SandboxState
from vipps_async.sandbox._web.listener import Listener


def faults_help() -> str:
    """Return, for people, which faults there are, and how to ask for them."""
    return described(TARGETS)


class FaultControls:
    """Makes a sandbox fail on demand."""

    _state: SandboxState
    _listener: Listener

    @property
    def seed(self) -> int:
        """The seed of the chance by which faults with a probability are injected."""
        return self._state.faults.seed

    @property
    def injected_faults(self) -> list[InjectedFault]:
        """The latest hundred thousand faults that were injected, oldest first."""
        return self._state.faults.done

    def fail(
        self,
        operation: str,
        fault: Fault | str,
        *,
        times: int | EllipsisType | None = ...,
        probability: float | None = None,
        reference: str | None = None,
        retry_after: float | timedelta | None = None,
        seconds: float | timedelta | None = None,
    ) -> None:
        """Inject a fault into the next requests of an operation.

        Args:
            operation: its qualified name, such as ``"epayment.capture"``, or the end of it, which names every operation
                that ends so: ``"capture"``, ``"token"``; ``"*"``: any.
            fault: a `Fault`, or the code of an error, such as ``"6260"``, as the answer.
            times: how often; 1 by default, or always where a probability is given; ``None``: until `clear_faults`.
            probability: the share of requests that is hit, above 0, drawn with the sandbox's `seed`.
            reference: only requests about this, such as a payment.
            retry_after: seconds, or a timedelta, for a ``Retry-After`` header.
            seconds: how long `LATENCY` holds an answer back, or `REFUSED` refuses connections, in seconds or as a
                timedelta; real ones, 1 by default.

        Raises:
            ConfigurationError: the operation or the fault is unknown, or an option does not fit (a `ValueError`).
        """
        self._rule(
            operation,
            fault,
            times=times,
            probability=probability,
            reference=reference,
            retry_after=_seconds(retry_after),
            seconds=_seconds(seconds),
        )

    def fail_delivery(
        self,
        fault: DeliveryFault | str,
        *,
        times: int | EllipsisType | None = ...,
        probability: float | None = None,
        reference: str | None = None,
        event: str | None = None,
        seconds: float | timedelta | None = None,
        copies: int | None = None,
        secret: str | None = None,
    ) -> None:
        """Inject a fault into the deliveries of the next events, each event's to each webhook counted as one.

        Args:
            fault: what goes wrong.
            times: how often; 1 by default, or always where a probability is given; ``None``: until `clear_faults`.
            probability: the share of deliveries that is hit, above 0, drawn with the sandbox's `seed`.
            reference: only events of this, such as a payment.
            event: only events of this name, or type.
            seconds: how late `DELAY` makes it, and `REORDER` at most, by the sandbox's clock, in seconds or as a
                timedelta; 5 by default.
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
            seconds=_seconds(seconds),
            copies=copies,
            secret=secret,
        )

    def add_faults(self, notation: str) -> None:
        """Add the faults that a text notes down; each is injected as often as one of `fail` or `fail_delivery` is.

        Args:
            notation: such as ``"capture:reset-after@0.2,deliveries:duplicate:times=3"``; ``@1`` means always.

        Raises:
            ConfigurationError: an entry cannot be meant so; the message quotes it (a `ValueError`).
        """
        self._state.faults.add(parse_faults(notation, self._state.faults.targets))

    def clear_faults(self) -> None:
        """Remove every fault that is still to be injected."""
        self._state.faults.clear()

    async def redeliver(self, delivery_id: int, fault: DeliveryFault | str | None = None) -> None:
        """Deliver what an earlier attempt carried once more: now, and to the same webhook.

        Args:
            delivery_id: the ``id`` of one of `deliveries`, whatever became of it.
            fault: what goes wrong this time.

        Raises:
            UnknownDelivery: there is no such delivery, or its webhook was deleted (a `LookupError`).
            ConfigurationError: the fault is unknown (a `ValueError`).
        """
        targets = self._state.faults.targets
        rule = None if fault is None else fault_rule(targets, DELIVERIES, fault)
        self._state.deliveries.redeliver(delivery_id, rule)

    def revoke_tokens(self) -> None:
        """Have every access token that was issued answered with 401 from now on."""
        self._state.gateway.tokens.revoke_all()

    @asynccontextmanager
    async def offline(self) -> AsyncIterator[None]:
        """Refuse connections and cut the open ones inside the block; come back on the same port after it."""
        await self._listener.go_offline()
        try:
            yield
        finally:
            await self._listener.come_back()

    def _rule(self, operation: str, fault: str, **options: Any) -> None:
        plan = self._state.faults
        plan.add([fault_rule(plan.targets, operation, fault, **options)])


def _seconds(given: float | timedelta | None) -> float | None:
    return given.total_seconds() if isinstance(given, timedelta) else given
