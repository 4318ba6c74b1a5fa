"""The tables of faults as text for people."""

import textwrap
from collections.abc import Iterable

from vipps_async.sandbox._faults.faults import DeliveryFault, Fault
from vipps_async.sandbox._faults.magic_values import AMOUNTS, FIRST_AMOUNT
from vipps_async.sandbox._faults.rules import OPTIONS
from vipps_async.sandbox._faults.targets import ANY, DELIVERIES, FaultTargets

_WIDTH = 100
_ABOUT = f"""\
faults:
  --faults takes OPERATION:FAULT[@PROBABILITY][:OPTION=VALUE]…, several with commas, or a file of them,
  such as create:reset-after@0.2,{DELIVERIES}:duplicate:times=3. One without a probability is injected once, one with a
  probability as often as chance has it, so that @1 is always; times says otherwise.

  A request asks for a fault itself with a reference such as 0001--fault-reset-after, 0001--fault-get-latency-always
  or 0001--fault-create-status-429-retry-after-3, or a request or an event
  by its own amount, which stands after the fault in minor units.

  The code of a documented error is a fault too, which has no effect but the API's answer: create:CODE,
  0001--fault-create-CODE, or an own amount of {FIRST_AMOUNT} plus the code.
"""


def described(targets: FaultTargets) -> str:
    """Return what can go wrong with *targets*, and how to ask for it."""
    return "\n".join(
        [
            _ABOUT,
            _wrapped(
                f"operations: {', '.join(targets.operations)}; the end of one, such as create, names all that end so; "
                f"{ANY} for any; {DELIVERIES}"
            ),
            "\nfaults of requests:",
            *_rows(Fault),
            "\nfaults of deliveries:",
            *_rows(DeliveryFault),
            "\noptions:",
            *(f"  {name.replace('_', '-'):<14}{option.rule}" for name, option in OPTIONS.items()),
        ]
    )


def _rows(faults: Iterable[Fault | DeliveryFault]) -> list[str]:
    amounts = {fault: amount for amount, fault in AMOUNTS.items()}
    return [f"  {fault.spelling:<17}{amounts[fault]}  {fault.meaning}" for fault in faults]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ")
