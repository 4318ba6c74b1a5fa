"""The operations of the ePayment API: one row each. Performs no I/O.

Sources: ePayment API 1.8.1, rate limiting and error codes, and its draft 0.9.0 with its guide.
"""

from collections.abc import Callable
from typing import Any

from vipps_async.sandbox._epayment import bodies
from vipps_async.sandbox._epayment.operations import EPaymentApi
from vipps_async.sandbox._platform.replies import HttpReply
from vipps_async.sandbox._platform.routes import ApiRequest, Key, Route
from vipps_async.sandbox._platform.schema import Check

Handle = Callable[[EPaymentApi, ApiRequest], HttpReply]

_BASE = "/epayment/v1"
_DRAFT_GUIDE = "/payments/v1"

_ONE: dict[str, Any] = {"resource": bodies.REFERENCE, "subject": "{reference}"}


def _read(operation: str, path: str, handle: Handle) -> Route:
    return Route(operation, "GET", path, handle=handle, **_ONE, per_minute=120, reads=True)


def _change(operation: str, method: str, path: str, handle: Handle, body: Check, **facts: Any) -> Route:
    """Return an operation that changes a payment's money."""
    usual: dict[str, Any] = {"key": Key.REQUIRED, "key_conflict": "4020", "per_minute": 5}
    amounts = ("modificationAmount",)
    return Route(
        operation, method, path, handle=handle, body=body, **_ONE, amounts=amounts, can_fail=True, **usual | facts
    )


def _payments(base: str, *, create: Check, modification: Check) -> tuple[Route, ...]:
    """Return the operations that both versions have."""
    one = f"{base}/{{reference}}"
    return (
        Route(
            "epayment.create",
            "POST",
            base,
            handle=EPaymentApi.create,
            key=Key.REQUIRED,
            key_conflict="4020",
            body=create,
            subject="reference",
            amounts=("amount",),
            per_minute=5,
        ),
        _read("epayment.get", one, EPaymentApi.get),
        _read("epayment.events", f"{one}/events", EPaymentApi.events),
        _change("epayment.capture", "POST", f"{one}/capture", EPaymentApi.capture, modification, key_conflict="4010"),
        _change("epayment.refund", "POST", f"{one}/refund", EPaymentApi.refund, modification, key_conflict="4150"),
        _change(
            "epayment.cancel",
            "POST",
            f"{one}/cancel",
            EPaymentApi.cancel,
            bodies.CANCELLATION,
            body_required=False,
            # Not a parameter of cancel in the specification, recommended by the guidance.
            key=Key.OPTIONAL,
        ),
        Route(
            "epayment.approve",
            "POST",
            f"{_BASE}/test/payments/{{reference}}/approve",
            handle=EPaymentApi.force_approve,
            **_ONE,
            body=bodies.FORCE_APPROVAL,
            body_required=False,
        ),
    )


def _draft_payments(base: str) -> tuple[Route, ...]:
    one = f"{base}/{{reference}}"
    adjusted = f"{one}/adjustAuthorization"
    return (
        *_payments(base, create=bodies.DRAFT_CREATE, modification=bodies.DRAFT_MODIFICATION),
        _change("epayment.cancel", "PUT", f"{one}/cancel", EPaymentApi.cancel, bodies.DRAFT_MODIFICATION),
        _change("epayment.adjust", "PUT", adjusted, EPaymentApi.adjust, bodies.DRAFT_ADJUSTMENT, per_minute=None),
    )


ROUTES = _payments(f"{_BASE}/payments", create=bodies.CREATE, modification=bodies.MODIFICATION)
# Force approval has one path, which stands in the first of the two alone.
DRAFT_ROUTES = (
    *_draft_payments(f"{_BASE}/payments"),
    *(route for route in _draft_payments(_DRAFT_GUIDE) if route.operation != "epayment.approve"),
)
