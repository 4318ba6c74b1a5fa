"""What the test user's approval discloses to the merchant. Performs no I/O.

Sources: ePayment API, profile sharing; ePayment API, Express.
"""

import uuid
from typing import Any

from vipps_async.sandbox import _person
from vipps_async.sandbox._ledger.lifecycle import Action
from vipps_async.sandbox._ledger.payments import Command, LedgerPayment
from vipps_async.sandbox._requests.express import Groups, chosen_option
from vipps_async.sandbox._requests.rules import scopes

_USERS = uuid.UUID("6d5ab6a4-1bd5-4d0e-9d0e-0f6a7c2b9f51")


def approval_of(payment: LedgerPayment, groups: Groups) -> Command:
    """Return the command by which the user approves *payment*, with what that discloses.

    Args:
        payment: the payment.
        groups: the shipping that the user chooses from, if any.
    """
    shipping = _shipping(groups)
    return Command(
        action=Action.APPROVE,
        shipping_cost=shipping.get("shippingCost", 0),
        approval={
            **(_profile(payment) if scopes(payment.request) else {}),
            **({"shippingDetails": shipping} if shipping else {}),
        },
    )


def _profile(payment: LedgerPayment) -> dict[str, Any]:
    phone_number = _phone_number(payment)
    # One user has one identifier at a sales unit, whatever is bought: Userinfo API, sub.
    return {"profile": {"sub": str(uuid.uuid5(_USERS, phone_number))}, "userDetails": _details(payment, phone_number)}


def _phone_number(payment: LedgerPayment) -> str:
    customer = payment.request.get("customer")
    # The draft's customer is a text.
    known = customer.get("phoneNumber") if isinstance(customer, dict) else None
    return known or _person.PHONE_NUMBER


def _details(payment: LedgerPayment, phone_number: str) -> dict[str, Any]:
    wanted = scopes(payment.request)
    return {
        "email": _person.EMAIL,
        "firstName": _person.FIRST_NAME,
        "lastName": _person.LAST_NAME,
        "mobileNumber": phone_number,
        **({"dateOfBirth": _person.BIRTH_DATE.isoformat()} if "birthDate" in wanted else {}),
        **({"addresses": [dict(_person.ADDRESS)]} if "address" in wanted else {}),
    }


def _shipping(groups: Groups) -> dict[str, Any]:
    if not groups:
        return {}
    option = chosen_option(groups)
    return {
        "address": dict(_person.ADDRESS),
        "shippingCost": option["amount"]["value"],
        "shippingOptionId": option["id"],
        "shippingOptionName": option["name"],
    }
