"""Faults that a request asks for by its reference or an amount, for clients that can only call. Performs no I/O.

A reference asks with ``--fault-[OPERATION-]FAULT[-retry-after-SECONDS][-always]``, such as
``0001--fault-reset-after``; two hyphens end it, if more follows. Without an operation, each operation about the
reference has it injected; without ``-always``, only its first request has. The code of an error is a fault as well.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.rules import FaultContext, FaultRule, fault_named, fault_rule
from vipps_async.sandbox._faults.targets import ANY, DELIVERIES, FaultTargets

FIRST_AMOUNT = 7_770_000

# Minor units in any currency, which nobody pays by accident. The statuses and codes are in their last digits.
AMOUNTS: Mapping[int, str] = MappingProxyType(
    {
        7_770_001: Fault.LATENCY,
        7_770_002: Fault.REFUSED,
        7_770_003: Fault.RESET_BEFORE,
        7_770_004: Fault.RESET_AFTER,
        7_770_005: Fault.TRUNCATED,
        7_770_006: Fault.STALLED,
        7_770_007: Fault.EXPIRED_TOKEN,
        7_770_008: Fault.FAILED,
        7_770_200: Fault.HTML_200,
        7_770_401: Fault.STATUS_401,
        7_770_403: Fault.STATUS_403,
        7_770_408: Fault.STATUS_408,
        7_770_423: Fault.STATUS_423,
        7_770_429: Fault.STATUS_429,
        7_770_500: Fault.STATUS_500,
        7_770_502: Fault.STATUS_502_HTML,
        7_770_503: Fault.STATUS_503,
        7_770_504: Fault.STATUS_504,
        7_771_001: DeliveryFault.DUPLICATE,
        7_771_002: DeliveryFault.CONCURRENT,
        7_771_003: DeliveryFault.DROP,
        7_771_004: DeliveryFault.DELAY,
        7_771_005: DeliveryFault.REORDER,
        7_771_006: DeliveryFault.MIS_SIGN,
        7_771_007: DeliveryFault.RE_SIGN,
    }
)


def fault_of_amount(amount: int | None, targets: FaultTargets) -> str | None:
    """Return the fault that an amount asks for: of the table, or the error code that it is `FIRST_AMOUNT` and."""
    code = str((amount or 0) - FIRST_AMOUNT)
    return AMOUNTS.get(amount or 0) or (code if code in targets.codes else None)


def magic_values(context: FaultContext, targets: FaultTargets) -> Iterator[FaultRule]:
    """Yield the faults that *context* asks for; ``times`` is 1, or ``None`` for always.

    Raises:
        ConfigurationError: its reference asks for something that is not known.
    """
    for asked in _pattern(targets.about_something).finditer(context.reference.lower()):
        yield _rule(targets, *asked.groups())
    if (fault := fault_of_amount(context.amount, targets)) is not None:
        yield _rule(targets, None, fault)


@lru_cache
def _pattern(operations: tuple[str, ...]) -> re.Pattern[str]:
    # A reference has no dots: an operation is named without its API there.
    words = "|".join(sorted({name.rpartition(".")[2] for name in operations}, key=len, reverse=True))
    return re.compile(rf"--fault-(?:({words})-)?(.*?)(?:-retry-after-(\d{{1,6}}))?(-always)?(?=--|$)")


def _rule(
    targets: FaultTargets, operation: str | None, fault: str, retry_after: str | None = None, always: str | None = None
) -> FaultRule:
    seconds = None if retry_after is None else int(retry_after)
    if isinstance(fault_named(fault, targets.codes), DeliveryFault):
        # Each event is delivered once, so the fault is injected once.
        return fault_rule(targets, operation or DELIVERIES, fault, retry_after=seconds, times=None)
    return fault_rule(targets, operation or ANY, fault, retry_after=seconds, times=None if always else 1)
