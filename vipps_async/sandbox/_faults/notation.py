"""The compact notation of faults, as a command line takes it. Performs no I/O.

``OPERATION:FAULT[@PROBABILITY][:OPTION=VALUE]…``, several with a comma or on lines of their own, such as
``create:reset-after@0.2,deliveries:duplicate:copies=3``. Without a probability a fault is injected once, with ``@1``
always. In a file, ``#`` begins a comment.
"""

from typing import Any

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.rules import OPTIONS, FaultRule, fault_rule
from vipps_async.sandbox._faults.targets import FaultTargets


def parse_faults(text: str, targets: FaultTargets) -> list[FaultRule]:
    """Return the rules that *text* notes down for *targets*.

    Raises:
        ConfigurationError: the message quotes the entry that cannot be meant so, and says why.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    entries = [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]
    if not entries:
        raise ConfigurationError("no fault is named: write one as OPERATION:FAULT, such as create:reset-after")
    return [_rule(entry, targets) for entry in entries]


def _rule(entry: str, targets: FaultTargets) -> FaultRule:
    operation, _, rest = entry.partition(":")
    named, *options = rest.split(":")
    fault, at, probability = named.partition("@")
    if at:
        options.append(f"probability={probability}")
    try:
        return fault_rule(targets, operation.strip(), fault.strip(), spell=_spelled, **dict(map(_option, options)))
    except ConfigurationError as error:
        # Without its options, of which one may be a secret.
        raise ConfigurationError(f"fault '{operation}:{named}': {error}") from error


def _option(text: str) -> tuple[str, Any]:
    written, _, value = text.partition("=")
    name = written.strip().replace("-", "_")
    if name not in OPTIONS:
        raise ConfigurationError(f"option {written!r} is none of {', '.join(map(_spelled, OPTIONS))}")
    try:
        return name, OPTIONS[name].parse(value.strip())
    except ValueError:
        raise ConfigurationError(f"{_spelled(name)}={value!r} must be {OPTIONS[name].rule}") from None


def _spelled(name: str) -> str:
    return name.replace("_", "-")
