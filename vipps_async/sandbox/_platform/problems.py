"""Refusals of an API, before they are put into words, and the platform's two ways to word them.

Performs no I/O. Sources: knowledge base, errors; ePayment API, problem, and its draft.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import attrs

from vipps_async.errors import VippsError

_TYPES = "https://httpstatuses.io"


@attrs.frozen(kw_only=True)
class Problem:
    """A refusal, before it is put into words on the wire.

    Attributes:
        status: the HTTP status.
        title: short summary of the kind of problem.
        detail: explanation of this occurrence.
        code: numeric error code as text, for a business rule.
        fields: (field name, reason) pairs, for a validation error.
    """

    status: int
    title: str
    detail: str
    code: str | None = None
    fields: tuple[tuple[str, str], ...] = ()


class ProblemError(Exception):
    """Raised by the rules, turned into a reply by the gateway."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.title)


# code -> (HTTP status, title, detail)
ErrorTable = Mapping[str, tuple[int, str, str]]


def coded(errors: ErrorTable, code: str, detail: str | None = None) -> ProblemError:
    """Return the refusal that *code* stands for in *errors*, with *detail* instead of the general one if given."""
    status, title, general = errors[code]
    return ProblemError(Problem(status=status, title=title, detail=detail or general, code=code))


def invalid(fields: Iterable[tuple[str, str]]) -> ProblemError:
    """Return the refusal of a request whose *fields* are wrong: (name, reason) pairs."""
    return ProblemError(
        Problem(
            status=400,
            title="Bad Request",
            detail="See extraDetails for further details",
            fields=tuple(fields),
        )
    )


def plain(status: int, detail: str) -> ProblemError:
    """Return a refusal that has no code: *status* names it, *detail* explains it."""
    return ProblemError(Problem(status=status, title=HTTPStatus(status).phrase, detail=detail))


class UnknownReference(VippsError, LookupError):
    """Nothing in the sandbox has this reference."""

    def __init__(self, kind: str, reference: str) -> None:
        super().__init__(f"the sandbox has no {kind} {reference!r}")


class ActionRefused(VippsError, ValueError):
    """The state of what is acted on does not allow the action, or the attempt to pay failed; `reason` says why."""

    def __init__(self, kind: str, reference: str, action: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"cannot {action} {kind} {reference!r}: {reason}")


def problem_document(found: Problem, *, instance: str, trace_id: str) -> dict[str, Any]:
    """Return the body of a problem; a code travels as text in ``extraDetails``."""
    code = [("ErrorCode", found.code)] if found.code else []
    details = [{"name": name, "reason": reason} for name, reason in (*found.fields, *code)]
    return {
        "type": f"{_TYPES}/{found.status}",
        "title": found.title,
        "detail": found.detail,
        "instance": instance,
        "status": found.status,
        "extraDetails": details or None,
        "traceId": trace_id,
    }


def draft_problem_document(found: Problem, *, instance: str, trace_id: str) -> dict[str, Any]:  # noqa: ARG001 - the draft's has no instance
    """Return the draft's body of a problem, which has bad fields in its ``detail``, since there is no other place."""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in found.fields)
    return {
        "type": f"{_TYPES}/{found.status}",
        "title": found.title,
        "detail": reasons or found.detail,
        "traceId": trace_id,
    }
