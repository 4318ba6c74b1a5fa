"""Values that can leave for JSON, such as the answer of a web framework. Performs no I/O."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar

import attrs

from vipps_async._wire.times import to_text
from vipps_async.errors import NotInReply

T = TypeVar("T")


class Serializable:
    """A result of a call, as an attrs class that can be written as JSON."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[tuple["attrs.Attribute[Any]", ...]]  # as attrs gives its classes

    def to_dict(self) -> dict[str, Any]:
        """Return the value as plain dictionaries, lists, texts and numbers, which ``json.dumps`` takes.

        Names are those of the attributes, times are ISO 8601 in UTC, an amount is ``{"value": …, "currency": …}`` in
        minor units, and what is not known is ``None``. What is no part of equality, such as ``raw``, is left out.
        Personal details are in it: choose what you pass on.
        """
        fields = (field for field in attrs.fields(type(self)) if field.eq)
        return {field.alias: _plain(getattr(self, field.name)) for field in fields}


def _plain(value: Any) -> Any:
    match value:
        case Serializable():
            return value.to_dict()
        case str():
            return str.__str__(value)  # of an enum's member too, whatever its own class makes of it
        case date():
            return to_text(value) if isinstance(value, datetime) else value.isoformat()
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value


def given(value: T | None, name: str, remedy: str) -> T:
    """Return a part of a reply that most replies have.

    Raises:
        NotInReply: this one has none; *remedy* says what to do instead of asking for *name*.
    """
    if value is None:
        raise NotInReply(name, remedy)
    return value


def public_repr(value: Serializable) -> str:
    """Return a repr that calls fields what their arguments are called, where an attribute stands before each."""
    shown = (f"{field.alias}={getattr(value, field.name)!r}" for field in attrs.fields(type(value)) if field.repr)
    return f"{type(value).__name__}({', '.join(shown)})"
