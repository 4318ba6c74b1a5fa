"""Read a request's body as JSON that every later step can rely on. Performs no I/O."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from vipps_async._wire.json import decode
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.problems import plain
from vipps_async.sandbox._platform.replies import JSON

_DEEPEST = 32  # far beyond any documented body, far below what recursion takes

NOT_JSON = "The body is not valid JSON."


class Repeating(dict[str, Any]):
    """An object that names a member more than once; the last one counts."""


def parse(body: bytes, headers: Mapping[str, str], *, required: bool, leniency: Leniency | None = None) -> Any:
    """Return the decoded *body*; an empty one that is not *required* counts as an empty object.

    Args:
        body: the bytes.
        headers: of the request.
        required: whether it has to have one.
        leniency: whether JSON may be called something else.

    Raises:
        ProblemError: 415 for another media type; 400 for what is not JSON, is nested too deeply or has broken
            characters.
    """
    if not body and not required:
        return {}
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = media_type == JSON
    if body and not is_json and (leniency is None or leniency.is_strict):
        raise plain(415, f"The body must be {JSON}.")
    try:
        _check_values(decode(body))
        parsed = json.loads(body.decode(), object_pairs_hook=_object)
    except ValueError as error:
        if not is_json and body:
            raise plain(415, f"The body must be {JSON}.") from error
        raise plain(400, NOT_JSON) from error
    if leniency is not None and not is_json:
        leniency.note(f"read as {JSON}: Content-Type {media_type or 'none'}")
    return parsed


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    as_dict = dict(members)
    return as_dict if len(as_dict) == len(members) else Repeating(as_dict)


def _check_values(data: Any) -> None:
    level = [data]
    for _ in range(_DEEPEST):
        for value in level:
            if isinstance(value, str) and not _is_unicode(value):
                raise plain(400, "The body has characters that are not Unicode.")
        level = [member for value in level for member in _members(value)]
        if not level:
            return
    raise plain(400, f"The body is nested more than {_DEEPEST} levels deep.")


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _is_unicode(text: str) -> bool:
    # JSON can spell half of a surrogate pair, which no reply could encode.
    return not any("\ud800" <= character <= "\udfff" for character in text)
