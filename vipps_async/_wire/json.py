"""JSON bytes, the same with and without orjson (the ``speedups`` extra)."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from vipps_async.errors import shorten

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]  # the extra is optional; None is how its absence is remembered


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SMALLEST_INTEGER, _LARGEST_INTEGER, _LONGEST_INTEGER = -(2**63), 2**64 - 1, 20
_AS_JSON = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME if orjson else 0  # as json does


class NotJson(ValueError):
    """Bytes that are not one JSON document in UTF-8."""


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is not JSON")


def _dumps(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _with_orjson(dumps: Callable[..., bytes]) -> Callable[[Any], bytes]:
    def encode(data: Any) -> bytes:
        try:
            # What orjson returns holds on to the 4 KiB that it was written in, however short it is.
            return bytes(memoryview(dumps(data, option=_AS_JSON)))
        except TypeError:
            return _dumps(data)  # what orjson refuses: keys that are members of an enum, and longer integers

    return encode


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson(f"{shorten(digits)} is too large")
    return number


def _number(digits: str) -> int | float:
    # What has more than 64 bits is a float to orjson.
    number = int(digits) if len(digits) <= _LONGEST_INTEGER else _LARGEST_INTEGER + 1
    return number if _SMALLEST_INTEGER <= number <= _LARGEST_INTEGER else _finite(digits)


def _loads(data: bytes) -> Any:
    # Decoded here, since json.loads would also guess at UTF-16 and UTF-32.
    text = data.decode("utf-8")
    document = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_number)
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


encode: Callable[[Any], bytes] = _with_orjson(orjson.dumps) if orjson else _dumps
decode: Callable[[bytes], Any] = _guarded(orjson.loads if orjson else _loads)
