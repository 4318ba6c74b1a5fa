"""JSON bytes, the same with and without orjson (the ``speedups`` extra)."""

import json
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]  # the extra is optional; None is how its absence is remembered


class NotJson(ValueError):
    """Bytes that are not one JSON document in UTF-8."""


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is not JSON")


def _dumps(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _loads(data: bytes) -> Any:
    # Decoded here, since json.loads would also guess at UTF-16 and UTF-32.
    return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)


def _guarded(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        try:
            return loads(data)
        except (ValueError, RecursionError) as error:
            raise NotJson(str(error)) from error

    return decode


encode: Callable[[Any], bytes] = orjson.dumps if orjson else _dumps
decode: Callable[[bytes], Any] = _guarded(orjson.loads if orjson else _loads)
