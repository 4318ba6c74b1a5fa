"""Faults that a payment asks for by its reference or an amount, for clients that can only call. Performs no I/O.

A reference asks with ``--fault-[OPERATION-]FAULT[-retry-after-SECONDS][-always]``, such as
``0001--fault-capture-reset-after``; two hyphens end it, if more follows. Without an operation, each operation about the
payment suffers it; without ``-always``, only its first request does. The code of an error is a fault as well:
``0001--fault-capture-6260``.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.rules import (
    ANY,
    DELIVERIES,
    PAYMENT_OPERATIONS,
    FaultContext,
    FaultRule,
    fault_named,
    fault_rule,
)
from vipps_async.sandbox._platform.problems import CODES

_WISH = re.compile(
    rf"--fault-(?:({'|'.join(PAYMENT_OPERATIONS)})-)?(.*?)(?:-retry-after-(\d{{1,6}}))?(-always)?(?=--|$)"
)
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
        **{FIRST_AMOUNT + int(code): code for code in CODES},
        7_771_001: DeliveryFault.DUPLICATE,
        7_771_002: DeliveryFault.CONCURRENT,
        7_771_003: DeliveryFault.DROP,
        7_771_004: DeliveryFault.DELAY,
        7_771_005: DeliveryFault.REORDER,
        7_771_006: DeliveryFault.MIS_SIGN,
        7_771_007: DeliveryFault.RE_SIGN,
    }
)


def magic_values(context: FaultContext) -> Iterator[FaultRule]:
    """Yield what the payment of *context* asks for it to suffer; ``times`` is 1, or ``None`` for always.

    Raises:
        ConfigurationError: its reference asks for something that is not known.
    """
    for wish in _WISH.finditer(context.reference.lower()):
        yield _wish(*wish.groups())
    if (fault := AMOUNTS.get(context.amount or 0)) is not None:
        yield _wish(None, fault)


def _wish(operation: str | None, fault: str, retry_after: str | None = None, always: str | None = None) -> FaultRule:
    seconds = None if retry_after is None else int(retry_after)
    if isinstance(fault_named(fault), DeliveryFault):
        # Each event of a payment is delivered once, so it suffers once.
        return fault_rule(operation or DELIVERIES, fault, retry_after=seconds, times=None)
    return fault_rule(operation or ANY, fault, retry_after=seconds, times=None if always else 1)
