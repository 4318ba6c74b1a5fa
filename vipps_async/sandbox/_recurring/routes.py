"""The operations of the Recurring API: one row each. Performs no I/O.

Source: Recurring API v3, operations and rate limits.
"""

from typing import Any

from vipps_async.sandbox._platform.routes import Key, Route
from vipps_async.sandbox._recurring import bodies
from vipps_async.sandbox._recurring.operations import RecurringApi

_AGREEMENTS = "/recurring/v3/agreements"
_AGREEMENT = f"{_AGREEMENTS}/{{agreement}}"
_CHARGES = f"{_AGREEMENT}/charges"
_CHARGE = f"{_CHARGES}/{{charge}}"

_ONE: dict[str, Any] = {"resource": bodies.RESOURCE, "subject": "{…}"}
_KEY: dict[str, Any] = {"key": Key.REQUIRED, "key_conflict": "idempotency-conflict"}
_READ: dict[str, Any] = {"reads": True}
_MONEY: dict[str, Any] = {**_ONE, **_KEY, "amounts": ("amount",), "per_minute": 5}

ROUTES = (
    Route(
        "recurring.create-agreement",
        "POST",
        _AGREEMENTS,
        handle=RecurringApi.create_agreement,
        body=bodies.DRAFT,
        per_minute=300,
        **_KEY,
    ),
    Route(
        "recurring.list-agreements",
        "GET",
        _AGREEMENTS,
        handle=RecurringApi.list_agreements,
        per_minute=5,
        **_READ,
    ),
    Route(
        "recurring.create-charges",
        "POST",
        f"{_AGREEMENTS}/charges",
        handle=RecurringApi.create_charges,
        body=bodies.BATCH,
        per_minute=500,
        **_KEY,
    ),
    Route(
        "recurring.get-agreement",
        "GET",
        _AGREEMENT,
        handle=RecurringApi.get_agreement,
        per_minute=120,
        **_ONE,
        **_READ,
    ),
    Route(
        "recurring.update-agreement",
        "PATCH",
        _AGREEMENT,
        handle=RecurringApi.update_agreement,
        body=bodies.UPDATE,
        **_MONEY,
    ),
    Route(
        "recurring.force-accept",
        "PATCH",
        f"{_AGREEMENT}/accept",
        handle=RecurringApi.force_accept,
        body=bodies.ACCEPT,
        **_MONEY,
    ),
    Route(
        "recurring.list-charges",
        "GET",
        _CHARGES,
        handle=RecurringApi.list_charges,
        per_minute=10,
        **_ONE,
        **_READ,
    ),
    Route(
        "recurring.create-charge",
        "POST",
        _CHARGES,
        handle=RecurringApi.create_charge,
        body=bodies.CHARGE,
        amounts=("amount",),
        per_minute=500,
        in_all=True,
        **_ONE,
        **_KEY,
    ),
    Route(
        "recurring.get-charge",
        "GET",
        _CHARGE,
        handle=RecurringApi.get_charge,
        per_minute=10,
        **_ONE,
        **_READ,
    ),
    Route(
        "recurring.cancel-charge",
        "DELETE",
        _CHARGE,
        handle=RecurringApi.cancel_charge,
        **_MONEY,
    ),
    Route(
        "recurring.capture-charge",
        "POST",
        f"{_CHARGE}/capture",
        handle=RecurringApi.capture_charge,
        body=bodies.CAPTURE,
        **_MONEY,
    ),
    Route(
        "recurring.refund-charge",
        "POST",
        f"{_CHARGE}/refund",
        handle=RecurringApi.refund_charge,
        body=bodies.REFUND,
        **_MONEY,
    ),
    Route(
        "recurring.find-charge",
        "GET",
        "/recurring/v3/charges/{charge}",
        handle=RecurringApi.find_charge,
        per_minute=100,
        in_all=True,
        **_ONE,
        **_READ,
    ),
)
