"""The rules of the Recurring API that a request is held to before it is sent.

Each refusal names the field, the value and the rule. Source: Recurring API v3, request schemas and guide.
"""

import re
from hashlib import sha256

from vipps_async._wire.urls import is_web_or_app
from vipps_async._wire.validators import Validator, rule
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ORDER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_KEY_LENGTH = 40
_LARGEST = 2**31 - 1  # the document's format int32


def check_agreement_id(value: str) -> str:
    """Return *value* if it can be an agreement's id."""
    return _checked_id("agreement_id", value, "such as agr_5kSeqz")


def check_charge_id(value: str) -> str:
    """Return *value* if it can be a charge's id, which is its ``order_id`` where it was given one."""
    return _checked_id("charge_id", value, "such as chr-4assY8f, or the order_id that it was created with")


def _checked_id(field: str, value: str, example: str) -> str:
    if not (isinstance(value, str) and _ID.fullmatch(value)):
        raise InvalidRequest(field, value, f"must be 1 to 64 characters of a-z, A-Z, 0-9, - and _, {example}")
    return str.__str__(value)  # what a text enum shows is something else


def check_amount(amount: Amount | None, field: str = "amount") -> Amount:
    """Return *amount* if it can be charged, captured or refunded."""
    if not isinstance(amount, Amount):
        raise InvalidRequest(field, amount, 'must be an Amount, such as Amount(49900, "NOK") for 499.00 NOK')
    if not 1 <= amount.value <= _LARGEST:
        raise InvalidRequest(f"{field}.value", amount.value, f"must be 1 to {_LARGEST} minor units")
    return amount


def page(longest: int) -> Validator:
    """Return a check that the field is the address of a page, or of a place in an app."""
    return rule(
        lambda value: is_web_or_app(value) and len(value) <= longest,
        f"must be https:// or a custom scheme, {longest} characters at most; http:// stays within private networks",
    )


order_id = rule(
    lambda value: isinstance(value, str) and bool(_ORDER_ID.fullmatch(value)),
    "must be 1 to 64 characters of a-z, A-Z, 0-9 and -",
)


def derived_key(*parts: str | bytes) -> str:
    """Return an idempotency key that is the same whenever the parts are."""
    told = (part.encode() if isinstance(part, str) else part for part in parts)
    return sha256(b"\0".join(told)).hexdigest()[:_KEY_LENGTH]
