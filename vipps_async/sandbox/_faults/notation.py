"""The compact notation of faults, as a command line takes it. Performs no I/O.

``OPERATION:FAULT[@PROBABILITY][:OPTION=VALUE]…``, several with a comma or on lines of their own, such as
``capture:reset-after@0.2,deliveries:duplicate:copies=3``. In a file, ``#`` begins a comment.
"""

from typing import Any

from vipps_async.errors import ConfigurationError
from vipps_async.sandbox._faults.orders import OPTIONS, Order, order


def parse_faults(text: str) -> list[Order]:
    """Return the orders that *text* notes down.

    Raises:
        ConfigurationError: the message quotes the entry that cannot be meant so, and says why.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    entries = [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]
    if not entries:
        raise ConfigurationError("no fault is named: write one as OPERATION:FAULT, such as capture:reset-after")
    return [_order(entry) for entry in entries]


def _order(entry: str) -> Order:
    operation, _, rest = entry.partition(":")
    named, *options = rest.split(":")
    fault, at, probability = named.partition("@")
    if at:
        options.append(f"probability={probability}")
    try:
        return order(operation.strip(), fault.strip(), **dict(map(_option, options)))
    except ConfigurationError as error:
        # Without its options, of which one may be a secret.
        raise ConfigurationError(f"fault '{operation}:{named}': {error}") from error


def _option(text: str) -> tuple[str, Any]:
    written, _, value = text.partition("=")
    name = written.strip().replace("-", "_")
    if name not in OPTIONS:
        raise ConfigurationError(f"option {written!r} is none of {', '.join(OPTIONS)}")
    try:
        return name, OPTIONS[name].read(value.strip())
    except ValueError:
        raise ConfigurationError(f"{name}={value!r} must be {OPTIONS[name].rule}") from None
