"""A small vocabulary for tables that say what a JSON body must look like. Performs no I/O.

A `Check` yields what is wrong with a value, and can amend it first. Unknown fields are wrong, as the current guidance
says that they are to the APIs. A lenient server amends what clients in production are evidently not refused for: it
leaves out unknown members and those that are null, and reads a number as text where text is wanted.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.problems import ErrorTable, coded, invalid, plain

_LARGEST = 2**63 - 1  # the documents' format int64
_SHOWN = 100  # violations: an answer to nonsense need not be as large as that
_PATH_LIMIT = 100  # a sender chooses the names of unknown fields


@attrs.frozen
class Violation:
    """A rule that one field breaks.

    Attributes:
        field: its path, such as ``"amount.value"``.
        reason: the rule.
        code: the error code that the rule has, if it has one.
    """

    field: str
    reason: str
    code: str | None = None


def explain(violations: Iterable[Violation]) -> str:
    """Return what is wrong, in one line."""
    return "; ".join(f"{violation.field}: {violation.reason}" for violation in violations)


ABSENT = object()  # what an amended value is that counts as not there

Find: TypeAlias = Callable[[Any, str], Iterator[Violation]]
Amend: TypeAlias = Callable[[Any, str, Leniency], Any]


def _as_it_is(value: Any, _path: str, _leniency: Leniency) -> Any:
    return value


@attrs.frozen
class Check:
    """What a value must look like.

    Attributes:
        find: yields what is wrong with a value, which is at a path.
        amend: returns what a lenient server takes it for.
    """

    find: Find
    amend: Amend = _as_it_is

    def __call__(self, value: Any, path: str) -> Iterator[Violation]:
        """Yield what is wrong with *value*."""
        return self.find(value, path)


def as_text(value: Any, path: str, leniency: Leniency) -> Any:
    """Return a number as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    leniency.note(f"read as text: {path}")
    return str(value)


def label(path: str) -> str:
    """Return the field's name as the API's messages print it."""
    name = path.rpartition(".")[2]
    return name[:1].upper() + name[1:]


def text(*, least: int = 0, most: int | None = None, code: str | None = None) -> Check:
    """Text of *least* to *most* characters."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, str):
            yield Violation(path, f"The field {label(path)} must be text.", code)
        elif len(value) < least or (most is not None and len(value) > most):
            limits = f"{least} or more" if most is None else f"{least} to {most}"
            yield Violation(path, f"The field {label(path)} must have {limits} characters.", code)

    return Check(check, as_text)


def matching(pattern: str, *, code: str | None = None) -> Check:
    """Text that *pattern* matches as a whole."""
    expression = re.compile(pattern, re.ASCII)

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not (isinstance(value, str) and expression.fullmatch(value)):
            reason = f"The field {label(path)} must match the regular expression '^{pattern}$'."
            yield Violation(path, reason, code)

    return Check(check, as_text)


UUID = matching("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def satisfying(predicate: Callable[[str], bool], rule: str, *, code: str | None = None) -> Check:
    """Text of which *predicate* holds; *rule* says what that means."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not (isinstance(value, str) and predicate(value)):
            yield Violation(path, f"The field {label(path)} must be {rule}.", code)

    return Check(check, as_text)


def every(*checks: Check) -> Check:
    """All of *checks*; the first that finds something ends it."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        for inner in checks:
            if violations := list(inner(value, path)):
                yield from violations
                return

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        for inner in checks:
            value = inner.amend(value, path, leniency)
        return value

    return Check(check, amend)


def integer(*, least: int | None = None, most: int | None = None, code: str | None = None) -> Check:
    """A whole number from *least* to *most*; neither a fraction nor text nor a truth value."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
            yield Violation(path, f"The field {label(path)} must be a whole number.", code)
        elif (least is not None and value < least) or (most is not None and value > most):
            limits = f"at least {least}" if most is None else f"between {least} and {most}"
            yield Violation(path, f"The field {label(path)} must be {limits}.", code)

    return Check(check)


def number(*, least: float, most: float) -> Check:
    """A number from *least* to *most*."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            yield Violation(path, f"The field {label(path)} must be a number between {least:.0f} and {most:.0f}.")

    return Check(check)


def flag() -> Check:
    """True or false."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, bool):
            yield Violation(path, f"The field {label(path)} must be true or false.")

    return Check(check)


def choice(*values: str) -> Check:
    """One of *values*."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not (isinstance(value, str) and value in values):
            yield Violation(path, f"The field {label(path)} must be one of {', '.join(values)}.")

    return Check(check, as_text)


def nullable(inner: Check) -> Check:
    """Null, or what *inner* says."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if value is not None:
            yield from inner(value, path)

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        return None if value is None else inner.amend(value, path, leniency)

    return Check(check, amend)


def sequence(item: Check, *, least: int = 0) -> Check:
    """An array of at least *least* values that pass *item*."""

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, list):
            yield Violation(path, f"The field {label(path)} must be an array.")
            return
        if len(value) < least:
            yield Violation(path, f"The field {label(path)} must have at least {least} entries.")
        for position, member in enumerate(value):
            yield from item(member, f"{path}[{position}]")

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        if not isinstance(value, list):
            return value
        return [item.amend(member, f"{path}[{position}]", leniency) for position, member in enumerate(value)]

    return Check(check, amend)


def record(*, required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None) -> Check:
    """An object with all *required* fields, maybe some *optional* ones, and no others."""
    wanted = required or {}
    known = {**wanted, **(optional or {})}

    def check(value: Any, path: str) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(path or "body", f"The field {label(path or 'body')} must be an object.")
            return
        for name in wanted:
            if name not in value:
                yield Violation(_join(path, name), f"The {label(name)} field is required.")
        for name, member in value.items():
            if name in known:
                yield from known[name](member, _join(path, name))
            else:
                yield Violation(_join(path, name), "The field is not known.")

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        return _members(value, known, path, leniency) if isinstance(value, dict) else value

    return Check(check, amend)


def _members(value: dict[str, Any], known: Mapping[str, Check], path: str, leniency: Leniency) -> dict[str, Any]:
    amended = {name: _amended(known.get(name), member, _join(path, name), leniency) for name, member in value.items()}
    return {name: member for name, member in amended.items() if member is not ABSENT}


def _amended(check: Check | None, value: Any, path: str, leniency: Leniency) -> Any:
    if check is None:
        leniency.note(f"ignored: {path}")
        return ABSENT
    if value is None and any(check(None, path)):
        leniency.note(f"ignored: {path}, which is null")
        return ABSENT
    return check.amend(value, path, leniency)


def _join(path: str, name: str) -> str:
    return f"{path}.{name[:_PATH_LIMIT]}" if path else name[:_PATH_LIMIT]


def refuse_violations(found: Iterator[Violation], errors: ErrorTable = MappingProxyType({})) -> None:
    """Return if nothing was found.

    Malformed fields come first and are all named at once; only then the first rule that has an error code.

    Args:
        found: what is wrong.
        errors: the API's error codes.

    Raises:
        ProblemError: something was.
    """
    violations = list(itertools.islice(found, _SHOWN))
    malformed = [(violation.field, violation.reason) for violation in violations if violation.code is None]
    if malformed:
        raise invalid(malformed)
    for violation in violations:
        reason, code = f"{violation.field}: {violation.reason}", violation.code or ""
        raise coded(errors, code, reason) if code in errors else plain(400, reason)
