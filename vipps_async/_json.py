"""JSON bytes, the same with and without orjson (the ``speedups`` extra)."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]  # the extra is optional; None is how its absence is remembered


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class NotJson(ValueError):
    """Bytes that are not one JSON document in UTF-8."""


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is not JSON")


def _dumps(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _copied(dumps: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    # What orjson returns holds on to the 4 KiB that it was written in, however short it is.
    return lambda data: bytes(memoryview(dumps(data)))


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson(f"{digits} is too large")
    return number


def _loads(data: bytes) -> Any:
    # Decoded here, since json.loads would also guess at UTF-16 and UTF-32.
    document = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    if _SURROGATE.search(data):
        _dumps(document)  # raises for half of a surrogate pair, which no text can hold
    return document


def _guarded(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        try:
            return loads(data)
        except (ValueError, RecursionError) as error:
            raise NotJson(str(error)) from error

    return decode


encode: Callable[[Any], bytes] = _copied(orjson.dumps) if orjson else _dumps
decode: Callable[[bytes], Any] = _guarded(orjson.loads if orjson else _loads)
