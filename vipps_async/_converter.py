"""The cattrs converter: camelCase on the wire, strict scalars, open enums, both dialects into one model.

It reads twice what it stumbles over: quickly first, then thoroughly, to take a null for an absent field and to name
each field that does not fit. To be ready to do so from the start costs every document half as much again.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from vipps_async._times import as_utc
from vipps_async.errors import InvalidRequest, shorten

T = TypeVar("T")

# Under this key, which no JSON has, a document that was added to holds itself as it came.
RAW = object()

_MISFITS = (cattrs.BaseValidationError, ValueError, TypeError, KeyError)


class Malformed(ValueError):
    """A document that does not have the documented types; the message names each field."""


def wire(*, also: str) -> dict[str, str]:
    """Field metadata: the wire name (dotted for a nested one) that another dialect of the API has for a field."""
    return {"also": also}


def structure(data: Any, cls: type[T]) -> T:
    """Read a decoded JSON document as *cls*.

    Raises:
        Malformed: a field is missing or has another type; unknown fields are no error.
    """
    with suppress(Exception):
        return _quick.structure(data, cls)
    try:
        return _thorough.structure(data, cls)
    except _MISFITS as error:
        raise Malformed(_told(error, cls.__name__)) from error


def _told(error: Exception, path: str) -> str:
    return "; ".join(cattrs.transform_error(error, path=path, format_exception=_explain))


def _explain(error: BaseException, kind: type | None) -> str:
    if isinstance(error, InvalidRequest):
        return f"{shorten(error.value)} {error.rule}"
    return str(error) if isinstance(error, Malformed) else cattrs.v.format_exception(error, kind)


def unstructure(value: Any) -> Any:
    """Return *value* as JSON-ready dictionaries and lists, without what is ``None``."""
    return _quick.unstructure(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _make_structure(cls: type[Any], converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    fields = attrs.fields(cls)
    rules: Any = {f.name: override(rename=_camel(f.name)) for f in fields}
    read = make_dict_structure_fn(cls, converter, **rules)
    also = {_camel(f.name): f.metadata["also"].split(".") for f in fields if "also" in f.metadata}
    keeps_raw = "raw" in {f.name for f in fields}
    never_null = {_camel(f.name) for f in fields if isinstance(f.default, bool)}
    is_quick = not converter.detailed_validation
    if is_quick and not (also or keeps_raw) and any(f.default is attrs.NOTHING for f in fields):
        return read  # which stumbles over what is no object, since it lacks the required field

    def read_object(data: Any, _: Any) -> Any:
        if type(data) is not dict:
            raise Malformed(f"expected an object, not {shorten(data)}")
        document = dict(data) if is_quick else _without_nulls(data, never_null)
        if keeps_raw:
            document["raw"] = data.get(RAW, data)
        for name, path in also.items():
            if document.get(name) is None:
                _adopt(document, name, path)
        return read(document, cls)

    return read_object


def _without_nulls(data: dict[str, Any], never_null: set[str]) -> dict[str, Any]:
    # A null says no more than an absent field does, except where absence has a meaning of its own.
    return {name: value for name, value in data.items() if value is not None or name in never_null}


def _adopt(document: dict[str, Any], name: str, path: list[str]) -> None:
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is not None:
        document[name] = value


def _make_unstructure(cls: type[Any], converter: cattrs.Converter) -> Callable[[Any], Any]:
    rules: Any = {
        f.name: override(rename=_camel(f.name), omit=f.name == "raw", omit_if_default=f.default is None)
        for f in attrs.fields(cls)
    }
    return make_dict_unstructure_fn(cls, converter, **rules)


def _exactly(kind: type[T]) -> Callable[[Any, Any], T]:
    def check(value: Any, _: Any) -> T:
        # type(), not isinstance: True is an int to Python, and no amount to anybody.
        if type(value) is not kind:
            raise Malformed(f"expected {kind.__name__}, not {shorten(value)}")
        return value

    return check


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is tuple


def _make_list(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    def read_item(item: Any, index: int) -> Any:
        try:
            return converter.structure(item, kind.__args__[0])
        except _MISFITS as error:
            raise Malformed(_told(error, f"[{index}]")) from error

    def read_list(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise Malformed(f"expected a list, not {shorten(value)}")
        # Ends at the first item that does not fit: telling of 80,000 would take seconds and a message of 25 MB.
        return tuple(read_item(item, index) for index, item in enumerate(value))

    return read_list


def _read_enum(value: Any, cls: type[StrEnum]) -> StrEnum:
    if type(value) is not str:
        raise Malformed(f"expected text, not {shorten(value)}")
    return cls(value)


_text = _exactly(str)


def _read_datetime(value: Any, kind: Any) -> datetime:
    return as_utc(datetime.fromisoformat(_text(value, kind)))


def _write_datetime(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _as_is(value: Any, _: Any) -> Any:
    return value


def _make_converter(*, detailed_validation: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=detailed_validation)
    for kind in (int, str, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    # By class: hooks found by predicate come second, and the one for str would take text enums.
    converter.register_structure_hook(StrEnum, _read_enum)
    converter.register_structure_hook(datetime, _read_datetime)
    converter.register_unstructure_hook(datetime, _write_datetime)
    converter.register_structure_hook_factory(_is_list, _make_list)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], _as_is)
    converter.register_structure_hook_factory(attrs.has, _make_structure)
    converter.register_unstructure_hook_factory(attrs.has, _make_unstructure)
    return converter


_quick = _make_converter(detailed_validation=False)
_thorough = _make_converter(detailed_validation=True)  # reads all that the quick one does, and as the same
