"""Makes what the test user's approval discloses to the merchant. Performs no I/O.

Sources: ePayment API, profile sharing; ePayment API, Express.
"""

from collections.abc import Mapping
from typing import Any

from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.payments import Command, LedgerPayment
from vipps_async.sandbox._epayment.rules import phone_number, scopes
from vipps_async.sandbox._platform import test_user
from vipps_async.sandbox._platform.consents import Consent


def approval_of(
    payment: LedgerPayment,
    *,
    number: str | None = None,
    address: Mapping[str, str] = test_user.ADDRESS,
    option: Mapping[str, Any] | None = None,
) -> Command:
    """Return the command by which the user approves *payment*, with what that discloses.

    Args:
        payment: the payment.
        number: of the user's phone; by default the one that the creation names, if it names one.
        address: of the user.
        option: the shipping that the user chose, if anything is shipped.
    """
    number = number or phone_number(payment.request) or test_user.PHONE_NUMBER
    shipping = _shipping(address, option) if option else {}
    return Command(
        action=Action.APPROVE,
        shipping_cost=shipping.get("shippingCost", 0),
        approval={
            **(_profile(payment, number, address) if scopes(payment.request) else {}),
            **({"shippingDetails": shipping} if shipping else {}),
        },
    )


def _profile(payment: LedgerPayment, number: str, address: Mapping[str, str]) -> dict[str, Any]:
    return {"profile": {"sub": test_user.sub_of(number)}, "userDetails": _details(payment, number, address)}


def _details(payment: LedgerPayment, number: str, address: Mapping[str, str]) -> dict[str, Any]:
    wanted = scopes(payment.request)
    return {
        "email": test_user.EMAIL,
        "firstName": test_user.FIRST_NAME,
        "lastName": test_user.LAST_NAME,
        "mobileNumber": number,
        **({"dateOfBirth": test_user.BIRTH_DATE.isoformat()} if "birthDate" in wanted else {}),
        **({"addresses": [dict(address)]} if "address" in wanted else {}),
    }


def _shipping(address: Mapping[str, str], option: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": dict(address),
        "shippingCost": option["amount"]["value"],
        "shippingOptionId": option["id"],
        "shippingOptionName": option["name"],
    }


def consent_of(payment: LedgerPayment) -> Consent | None:
    """Return what the user of an approved payment consented to tell, if anything."""
    if "profile" not in payment.approval or payment.authorized_at is None:
        return None
    details = payment.approval["userDetails"]
    return Consent(
        sub=payment.approval["profile"]["sub"],
        scopes=scopes(payment.request),
        phone_number=details["mobileNumber"],
        address=next(iter(details.get("addresses", ())), test_user.ADDRESS),
        given_at=payment.authorized_at,
    )
