"""What a sandbox remembers, as JSON and back: values of attrs classes, with times and enums. Performs no I/O."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import cattrs

from vipps_async._wire.secret import Secret
from vipps_async.errors import ConfigurationError, shorten

T = TypeVar("T")

_converter = cattrs.Converter()
_converter.register_unstructure_hook(date, date.isoformat)
_converter.register_structure_hook(date, lambda text, _: date.fromisoformat(text))
_converter.register_unstructure_hook(datetime, datetime.isoformat)
_converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
_converter.register_unstructure_hook(bytes, bytes.decode)
_converter.register_structure_hook(bytes, lambda text, _: str.encode(text))
_converter.register_unstructure_hook(Secret, str.__str__)
_converter.register_structure_hook(Secret, lambda text, _: Secret(text))
_converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], lambda members, _: dict(members))


def saved(values: Any) -> Any:
    """Return values as they are written to a file."""
    return _converter.unstructure(values)


def restored(data: Any, kind: type[T]) -> T:
    """Return the value of this type that was written.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return _converter.structure(data, kind)
    except Exception as error:
        told = "; ".join(cattrs.transform_error(error)) if isinstance(error, cattrs.BaseValidationError) else str(error)
        raise ConfigurationError(f"what was saved cannot be read: {shorten(told, 500)}") from error
