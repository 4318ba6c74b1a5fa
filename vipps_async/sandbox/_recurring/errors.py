"""The problems of the Recurring API, and their form. Performs no I/O. Source: Recurring API, problems.

Where the HTTP status of a problem is not documented, the status here is this sandbox's choice.
"""

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform.bodies import NOT_JSON
from vipps_async.sandbox._platform.problems import ErrorTable, Problem, ProblemError, coded, plain

_TYPES = "https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems#"
_INSTANCE = "/vipps-recurring-merchant-api"

# identifier -> (HTTP status, title, detail)
ERRORS: ErrorTable = MappingProxyType(
    {
        "cancel-charge-failed": (400, "Cancel charge failed", "The status of the charge does not allow it."),
        "charge-amount-too-high": (
            400,
            "Charge amount too high",
            "The amount is above what the agreement allows in this interval.",
        ),
        "charge-capture-failed": (400, "Charge capture failed", "The status of the charge does not allow it."),
        "charge-creation-failed": (400, "Charge creation failed", "The agreement is not active."),
        "charge-due-in-too-long": (400, "Charge due in too long", "due must be at most 2 years ahead."),
        "charge-due-too-soon": (400, "Charge due too soon", "due must be tomorrow or later."),
        "conflict": (409, "Conflict", "There is a charge with this orderId."),
        "idempotency-conflict": (409, "Conflict", "The Idempotency-Key has been used before, for another request."),
        "illegal-agreement-update": (
            400,
            "Illegal agreement update",
            "Cannot modify an agreement which is not active.",
        ),
        "invalid-agreement-id": (400, "Invalid agreement id", "The id is not that of an agreement."),
        "invalid-sale-unit": (403, "Invalid sale unit", "The sales unit is not set up for Recurring."),
        "invalid-suggested-max-amount": (
            400,
            "Invalid suggested max amount",
            "suggestedMaxAmount is outside the limits of its currency.",
        ),
        "operation-failed": (400, "Operation failed", "The charge cannot be refunded so."),
        "unsupported-feature": (403, "Unsupported feature", "The sales unit is not set up for this."),
        "validation-error": (400, "Validation error", "The request is not valid."),
    }
)
_BY_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "validation-error",
        405: "invalid-method",
        406: "not-acceptable",
        415: "unsupported-media-type",
    }
)


def error(code: str, detail: str | None = None) -> ProblemError:
    """Return the problem that *code* stands for, with *detail* instead of the general one if given."""
    return coded(ERRORS, code, detail)


def not_found(what: str) -> ProblemError:
    """Return what is answered where there is no such agreement or charge."""
    return plain(404, f"{what} not found.")


def _identifier(found: Problem) -> str | None:
    if found.code:
        return found.code
    if found.detail == NOT_JSON:
        return "invalid-json"
    if [name for name, _ in found.fields] == ["Idempotency-Key"]:
        return "idempotency-key-header"
    return _BY_STATUS.get(found.status)


def worded(found: Problem, *, instance: str, trace_id: str) -> dict[str, Any]:  # noqa: ARG001 - it has an id of its own
    """Return the body of a problem; what it is stands at the end of its type."""
    identifier = _identifier(found)
    title = ERRORS[identifier][1] if identifier and identifier in ERRORS else HTTPStatus(found.status).phrase
    details = [{"name": name, "reason": reason} for name, reason in found.fields]
    return {
        "type": f"{_TYPES}{identifier}" if identifier else "about:blank",
        "title": title,
        "status": found.status,
        "detail": found.detail,
        "instance": f"{_INSTANCE}{instance}",
        "contextId": str(uuid.uuid4()),
        **({"extraDetails": details} if details else {}),
    }
