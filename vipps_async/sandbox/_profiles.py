"""What the test user's approval discloses to the merchant. Performs no I/O.

Sources: ePayment API, profile sharing; ePayment API, Express. The person is invented.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from vipps_async.sandbox._express import chosen_option
from vipps_async.sandbox._lifecycle import Action
from vipps_async.sandbox._payments import Command, LedgerPayment
from vipps_async.sandbox._rules import scopes

_PHONE_NUMBER = "4798765432"
_ADDRESS: Mapping[str, str] = {
    "addressLine1": "Robert Levins gate 5",
    "city": "Oslo",
    "country": "NO",
    "postCode": "0154",
}


def command_of(action: Action, payment: LedgerPayment) -> Command:
    """Return the command by which the user, or time, does *action* to *payment*."""
    return approval_of(payment) if action is Action.APPROVE else Command(action=action)


def approval_of(payment: LedgerPayment) -> Command:
    """Return the command by which the user approves *payment*, with what that discloses."""
    shipping = _shipping(payment.request)
    return Command(
        action=Action.APPROVE,
        shipping_cost=shipping.get("shippingCost", 0),
        approval={
            **(
                {"profile": {"sub": str(uuid.uuid4())}, "userDetails": _user(payment)}
                if scopes(payment.request)
                else {}
            ),
            **({"shippingDetails": shipping} if shipping else {}),
        },
    )


def _user(payment: LedgerPayment) -> dict[str, Any]:
    wanted = scopes(payment.request)
    customer = payment.request.get("customer", {})
    phone_number = customer.get("phoneNumber", _PHONE_NUMBER) if isinstance(customer, dict) else _PHONE_NUMBER
    return {
        "email": "user@example.com",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "mobileNumber": phone_number,
        **({"dateOfBirth": "1988-12-03"} if "birthDate" in wanted else {}),
        **({"addresses": [dict(_ADDRESS)]} if "address" in wanted else {}),
    }


def _shipping(request: Mapping[str, Any]) -> dict[str, Any]:
    groups = request.get("shipping", {}).get("fixedOptions")
    if not groups:
        return {}
    option = chosen_option(groups)
    return {
        "address": dict(_ADDRESS),
        "shippingCost": option["amount"]["value"],
        "shippingOptionId": option["id"],
        "shippingOptionName": option["name"],
    }
