"""The cattrs converter: camelCase on the wire, strict scalars, open enums, both dialects into one model.

What decides is strict, what informs is lenient. A field without a default decides: the document is malformed where it
is missing or has another type. A field with a default informs: it has its default where the document has nothing that
fits, null among it, and ``raw`` keeps what came; of a list or a mapping, what fits is read. A field that may be absent,
but is not lenient, has ``wire(decides=True)``.

A document that does not fit is read twice: quickly first, then thoroughly, to name each field. To be ready to do so
from the start costs every document half as much again.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from vipps_async._wire.times import as_utc, to_text
from vipps_async.errors import InvalidRequest, shorten

T = TypeVar("T")

_MISFITS = (cattrs.BaseValidationError, ValueError, TypeError, KeyError)


class Malformed(ValueError):
    """A document that does not have the documented types; the message names each field."""


def wire(*, also: str = "", decides: bool = False) -> dict[str, Any]:
    """Return the metadata of a field.

    Args:
        also: the wire name (dotted for a nested one) that another dialect of the API has for it.
        decides: whether it decides although it has a default, so that another type is never passed over.
    """
    return {"also": also.split(".") if also else None, "decides": decides}


def structure(data: Any, cls: type[T], *, raw: Any = None) -> T:
    """Read a decoded JSON document as *cls*; *raw* is how it came, if members were added to it.

    Raises:
        Malformed: a field is missing or has another type; unknown fields are no error.
    """
    model = _structured(data, cls)
    if raw is not None:
        # As attrs itself sets the fields of what is frozen, and nobody has seen it yet; a copy would cost a call 3 %.
        object.__setattr__(model, "raw", raw)
    return model


def _structured(data: Any, cls: type[T]) -> T:
    try:
        return _quick.structure(data, cls)
    except Exception:  # noqa: BLE001, S110 - whatever it is, the thorough reading says it better
        pass
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
    rules: Any = {f.name: override(rename=_camel(f.alias), struct_hook=_hook_for(f, converter)) for f in fields}
    read = make_dict_structure_fn(cls, converter, **rules)
    also = {_camel(f.alias): f.metadata["also"] for f in fields if f.metadata.get("also")}
    keeps_raw = "raw" in {f.name for f in fields}
    is_quick = not converter.detailed_validation
    if is_quick and not (also or keeps_raw) and any(f.default is attrs.NOTHING for f in fields):
        return read  # which stumbles over what is no object, since it lacks the required field

    def read_object(data: Any, _: Any) -> Any:
        if type(data) is not dict:
            raise Malformed(f"expected an object, not {shorten(data)}")
        document = dict(data)
        if keeps_raw:
            document["raw"] = data
        for name, path in also.items():
            if document.get(name) is None:
                _adopt(document, name, path)
        return read(document, cls)

    return read_object


def _hook_for(field: "attrs.Attribute[Any]", converter: cattrs.Converter) -> Callable[[Any, Any], Any] | None:
    if field.default is attrs.NOTHING or field.metadata.get("decides") or field.name == "raw":
        return None  # the converter's own
    kinds = get_args(field.type)
    optional = kinds[0] if kinds[1:] == (type(None),) else field.type
    return _make_lenient(optional, converter, field.default)


def _make_lenient(kind: Any, converter: cattrs.Converter, default: Any) -> Callable[[Any, Any], Any]:
    read = _make_lenient_list(kind, converter) if _is_list(kind) else converter.get_structure_hook(kind)

    def read_if_it_fits(value: Any, _: Any) -> Any:
        if value is None:
            return default
        try:
            return read(value, kind)
        except _MISFITS:
            return default

    return read_if_it_fits


def _make_lenient_list(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    read_item = _make_lenient(kind.__args__[0], converter, None)

    def read_what_fits(value: Any, _: Any) -> tuple[Any, ...]:
        items = (read_item(item, None) for item in _list(value, kind))
        return tuple(item for item in items if item is not None)

    return read_what_fits


def _adopt(document: dict[str, Any], name: str, path: list[str]) -> None:
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is not None:
        document[name] = value


def _make_unstructure(cls: type[Any], converter: cattrs.Converter) -> Callable[[Any], Any]:
    rules: Any = {
        f.name: override(rename=_camel(f.alias), omit=f.name == "raw", omit_if_default=f.default is None)
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
        # Ends at the first item that does not fit: telling of 80,000 would take seconds and a message of 25 MB.
        return tuple(read_item(item, index) for index, item in enumerate(_list(value, kind)))

    return read_list


def _read_enum(value: Any, cls: type[StrEnum]) -> StrEnum:
    if type(value) is not str:
        raise Malformed(f"expected text, not {shorten(value)}")
    return cls(value)


_text, _list, _object = _exactly(str), _exactly(list), _exactly(dict)


def _read_texts(value: Any, kind: Any) -> dict[str, str]:
    # No mapping decides, so that what is no text can be passed over.
    return {name: text for name, text in _object(value, kind).items() if type(text) is str}


def _read_datetime(value: Any, kind: Any) -> datetime:
    text = _text(value, kind)
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise Malformed(f"expected a time in ISO 8601, not {shorten(text)}") from error


def _read_date(value: Any, kind: Any) -> date:
    text = _text(value, kind)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"expected a date as YYYY-MM-DD, not {shorten(text)}") from error


def _as_is(value: Any, _: Any) -> Any:
    return value


def _make_converter(*, detailed_validation: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=detailed_validation)
    for kind in (int, str, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    # By class: hooks found by predicate come second, and the one for str would take text enums.
    converter.register_structure_hook(StrEnum, _read_enum)
    converter.register_structure_hook(datetime, _read_datetime)
    converter.register_unstructure_hook(datetime, to_text)
    converter.register_structure_hook(date, _read_date)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook_factory(_is_list, _make_list)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], _as_is)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, str], _read_texts)
    converter.register_structure_hook_factory(attrs.has, _make_structure)
    converter.register_unstructure_hook_factory(attrs.has, _make_unstructure)
    return converter


_quick = _make_converter(detailed_validation=False)
_thorough = _make_converter(detailed_validation=True)  # reads all that the quick one does, and as the same
