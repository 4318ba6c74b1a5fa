"""Which request is which operation, as tables. Performs no I/O.

Sources: ePayment API 1.8.1, and its draft 0.9.0 with its guide; Webhooks API v1; Access Token API.
"""

from enum import Enum, auto

import attrs

from vipps_async.sandbox._epayment import bodies as shapes
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._platform.schema import Check


class Key(Enum):
    """What an operation does with an ``Idempotency-Key``."""

    REQUIRED = auto()
    OPTIONAL = auto()
    IGNORED = auto()


@attrs.frozen(kw_only=True)
class Route:
    """One operation of the API.

    Attributes:
        operation: its name.
        method: the HTTP method.
        path: with ``{reference}`` or ``{id}`` for the resource.
        resource: the check of what the path names.
        key: what becomes of an idempotency key.
        body: the check of a body, for what takes one.
        body_required: whether a request without a body is refused.
        action: what it does to a payment, for a modification.
        msn_required: whether the request must name the sales unit; optional in the Webhooks and Access Token APIs.
    """

    operation: str
    method: str
    path: str
    resource: Check | None = None
    key: Key = Key.IGNORED
    body: Check | None = None
    body_required: bool = True
    action: Action | None = None
    msn_required: bool = True


def _capture_and_refund(base: str, body: Check) -> tuple[Route, ...]:
    return tuple(
        Route(
            operation=action.value,
            method="POST",
            path=f"{base}/{{reference}}/{action.value}",
            resource=shapes.REFERENCE,
            key=Key.REQUIRED,
            body=body,
            action=action,
        )
        for action in (Action.CAPTURE, Action.REFUND)
    )


def _payments(base: str, *, create: Check, modification: Check) -> tuple[Route, ...]:
    return (
        Route(operation="create", method="POST", path=base, key=Key.REQUIRED, body=create),
        Route(operation="get", method="GET", path=f"{base}/{{reference}}", resource=shapes.REFERENCE),
        Route(operation="events", method="GET", path=f"{base}/{{reference}}/events", resource=shapes.REFERENCE),
        *_capture_and_refund(base, modification),
        Route(
            operation="cancel",
            method="POST",
            path=f"{base}/{{reference}}/cancel",
            resource=shapes.REFERENCE,
            # Not a parameter of cancel in the specification, recommended by the guidance.
            key=Key.OPTIONAL,
            body=shapes.CANCELLATION,
            body_required=False,
            action=Action.CANCEL,
        ),
    )


def _draft_payments(base: str) -> tuple[Route, ...]:
    return (
        *_payments(base, create=shapes.DRAFT_CREATE, modification=shapes.DRAFT_MODIFICATION),
        Route(
            operation="cancel",
            method="PUT",
            path=f"{base}/{{reference}}/cancel",
            resource=shapes.REFERENCE,
            key=Key.REQUIRED,
            body=shapes.DRAFT_MODIFICATION,
            action=Action.CANCEL,
        ),
        Route(
            operation="adjust",
            method="PUT",
            path=f"{base}/{{reference}}/adjustAuthorization",
            resource=shapes.REFERENCE,
            key=Key.REQUIRED,
            body=shapes.DRAFT_ADJUSTMENT,
            action=Action.ADJUST,
        ),
    )


_SPECIFIED = "/epayment/v1/payments"
_DRAFT_GUIDE = "/payments/v1"

_COMMON = (
    Route(operation="token", method="POST", path="/accesstoken/get", msn_required=False),
    Route(operation="token", method="POST", path="/accessToken/get", msn_required=False),
    Route(
        operation="approve",
        method="POST",
        path="/epayment/v1/test/payments/{reference}/approve",
        resource=shapes.REFERENCE,
        body=shapes.FORCE_APPROVAL,
    ),
    Route(
        operation="register",
        method="POST",
        path="/webhooks/v1/webhooks",
        body=shapes.REGISTRATION,
        msn_required=False,
    ),
    Route(operation="list", method="GET", path="/webhooks/v1/webhooks", msn_required=False),
    Route(
        operation="delete",
        method="DELETE",
        path="/webhooks/v1/webhooks/{id}",
        resource=shapes.UUID,
        msn_required=False,
    ),
)

CURRENT_ROUTES = (
    *_COMMON,
    *_payments(_SPECIFIED, create=shapes.CREATE, modification=shapes.MODIFICATION),
)
DRAFT_ROUTES = (*_COMMON, *_draft_payments(_SPECIFIED), *_draft_payments(_DRAFT_GUIDE))
