"""The rules of a create request that join several fields, as tables. Performs no I/O.

They are checked once every field is well-formed by itself. Sources: ePayment API, create payment and error codes.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs

from vipps_async.sandbox._epayment.amounts import PASSTHROUGH_CURRENCIES
from vipps_async.sandbox._epayment.bodies import moment
from vipps_async.sandbox._epayment.express import groups_of, has_other_token, is_paid_in, repeats_a_kind
from vipps_async.sandbox._epayment.permissions import Permission
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.schema import Violation
from vipps_async.sandbox._platform.test_user import UNKNOWN_PHONE_NUMBER, is_younger

MINIMUM_AMOUNTS: Mapping[str, int] = MappingProxyType({"NOK": 100, "DKK": 1, "EUR": 1})
SCOPES = frozenset({"name", "address", "email", "phoneNumber", "birthDate", "nin"})
_APPROVED_SCOPES = SCOPES - {"nin"}
_SOONEST, _LATEST = timedelta(minutes=10), timedelta(days=60)


@attrs.frozen(kw_only=True)
class Context:
    """The surroundings of a request by which it is judged.

    Attributes:
        now: the present, by the sandbox's clock.
        currency: that of the sales unit's market; ``None`` accepts every one.
        denied: what the sales unit may not do.
    """

    now: datetime
    currency: str | None
    denied: frozenset[Permission]


@attrs.frozen
class Rule:
    """One rule of a creation.

    Attributes:
        field: to blame.
        code: the error code, if it has one.
        reason: what it says.
        broken: whether a body breaks it.
        is_lax: whether clients in production break it without being refused.
    """

    field: str
    code: str | None
    reason: str
    broken: Callable[[Mapping[str, Any], Context], bool]
    is_lax: bool = attrs.field(default=False, kw_only=True)


def scopes(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the names in ``profile.scope``."""
    return frozenset(body.get("profile", {}).get("scope", "").split())


def phone_number(body: Mapping[str, Any]) -> str | None:
    """Return the customer's phone number, where a body names the customer so."""
    customer = body.get("customer")
    # The draft's customer is a text.
    return customer.get("phoneNumber") if isinstance(customer, dict) else None


def _flow_lacks(flow: str, field: str) -> Callable[[Mapping[str, Any], Context], bool]:
    return lambda body, _: body["userFlow"] == flow and field not in body


def _type(body: Mapping[str, Any]) -> str:
    return str(body["paymentMethod"]["type"])


def _expires(body: Mapping[str, Any]) -> datetime | None:
    return moment(body["expiresAt"]) if body.get("expiresAt") else None


def _blocks_in_vain(body: Mapping[str, Any], _: Context) -> bool:
    blocked = body["paymentMethod"].get("blockedSources")
    return bool(blocked) and (_type(body) != "WALLET" or body["amount"]["currency"] == "NOK")


def _too_late(body: Mapping[str, Any], context: Context) -> bool:
    expires_at = _expires(body)
    return expires_at is not None and expires_at >= context.now + _LATEST


def _too_soon(body: Mapping[str, Any], context: Context) -> bool:
    expires_at = _expires(body)
    return expires_at is not None and expires_at <= context.now + _SOONEST


def _untaxed(body: Mapping[str, Any], _: Context) -> bool:
    lines = body.get("receipt", {}).get("orderLines", ())
    return any(line.get("taxRate") is None and line.get("taxPercentage") is None for line in lines)


def _ways_to_ship(body: Mapping[str, Any]) -> int:
    return sum(name in body["shipping"] for name in ("fixedOptions", "dynamicOptions"))


# The test environment has no CARD. Production has, and a sandbox is where a shop can try it.
_CARD_IN_BROWSER = Rule(
    "paymentMethod.type",
    None,
    "CARD goes with userFlow WEB_REDIRECT.",
    lambda body, _: _type(body) == "CARD" and body["userFlow"] != "WEB_REDIRECT",
)
_PUSH_NEEDS_CUSTOMER = Rule(
    "customer", "4140", "PUSH_MESSAGE requires customer.", _flow_lacks("PUSH_MESSAGE", "customer")
)


def _without(
    permission: Permission, needs: Callable[[Mapping[str, Any]], bool]
) -> Callable[[Mapping[str, Any], Context], bool]:
    return lambda body, context: permission in context.denied and needs(body)


_PERMISSION_RULES = (
    Rule(
        "Merchant-Serial-Number",
        "5060",
        "The sales unit's bank account is not verified.",
        _without(Permission.PAYMENTS, lambda _: True),
    ),
    Rule(
        "userFlow",
        "5080",
        "PUSH_MESSAGE needs approval.",
        _without(Permission.PUSH_MESSAGE, lambda body: body["userFlow"] == "PUSH_MESSAGE"),
    ),
    Rule(
        "shipping",
        "5020",
        "Express needs approval.",
        # The draft calls it logistics.
        _without(Permission.EXPRESS, lambda body: not body.keys().isdisjoint({"shipping", "logistics"})),
    ),
    Rule("expiresAt", "5050", "Needs approval.", _without(Permission.LONG_LIVING, lambda body: bool(_expires(body)))),
    Rule(
        "profile.scope",
        "5030",
        "Profile sharing needs approval.",
        _without(Permission.PROFILE_SHARING, lambda body: bool(scopes(body))),
    ),
)

CREATE_RULES = (
    _CARD_IN_BROWSER,
    Rule(
        "amount.currency",
        None,
        f"{', '.join(PASSTHROUGH_CURRENCIES)} go with CARD_PASSTHROUGH.",
        lambda body, _: body["amount"]["currency"] in PASSTHROUGH_CURRENCIES and _type(body) != "CARD_PASSTHROUGH",
    ),
    Rule(
        "qrFormat",
        None,
        "qrFormat goes with userFlow QR.",
        lambda body, _: bool(body.get("qrFormat")) and body["userFlow"] != "QR",
        is_lax=True,
    ),
    Rule("receipt.orderLines", None, "Every order line needs taxRate or taxPercentage.", _untaxed),
    Rule(
        "shipping",
        None,
        "Shipping takes either fixedOptions or dynamicOptions.",
        lambda body, _: "shipping" in body and _ways_to_ship(body) != 1,
    ),
    Rule(
        "shipping.fixedOptions",
        None,
        "One group for each brand and type.",
        lambda body, _: repeats_a_kind(groups_of(body)),
        is_lax=True,
    ),
    Rule(
        "shipping.dynamicOptions.callbackAuthorizationToken",
        None,
        "1 to 50 letters, digits and hyphens.",
        # The guide's own example is "Bearer eyJ…".
        lambda body, _: has_other_token(body),
        is_lax=True,
    ),
    Rule(
        "shipping",
        None,
        "Express goes with paymentMethod WALLET.",
        lambda body, _: "shipping" in body and _type(body) != "WALLET",
    ),
    Rule(
        "profile.scope",
        None,
        "Express needs address in the scope, and whatever else is wanted of the user.",
        # Integrations leave it out when nothing is sent by post.
        lambda body, _: "shipping" in body and "address" not in scopes(body),
        is_lax=True,
    ),
    Rule(
        "paymentMethod.type",
        None,
        "expiresAt goes with WALLET.",
        lambda body, _: bool(_expires(body)) and _type(body) != "WALLET",
    ),
    Rule("returnUrl", "4140", "WEB_REDIRECT requires returnUrl.", _flow_lacks("WEB_REDIRECT", "returnUrl")),
    _PUSH_NEEDS_CUSTOMER,
    Rule(
        "customer",
        "4140",
        "NATIVE_REDIRECT requires customer.",
        _flow_lacks("NATIVE_REDIRECT", "customer"),
        is_lax=True,
    ),
    Rule("paymentMethod.type", "4160", "For PSPs only.", lambda body, _: _type(body) == "CARD_PASSTHROUGH"),
    Rule("profile.scope", "4080", "Unknown scope.", lambda body, _: not scopes(body) <= SCOPES),
    Rule("profile.scope", "5030", "nin needs approval.", lambda body, _: not scopes(body) <= _APPROVED_SCOPES),
    *_PERMISSION_RULES,
    Rule("paymentMethod.blockedSources", "5010", "Only for WALLET in DKK and EUR.", _blocks_in_vain),
    Rule(
        "amount.currency",
        "5040",
        "The sales unit's market has another currency.",
        lambda body, context: context.currency not in {None, body["amount"]["currency"]},
    ),
    Rule(
        "amount.value",
        "6010",
        "Below the minimum of the currency.",
        lambda body, _: body["amount"]["value"] < MINIMUM_AMOUNTS.get(body["amount"]["currency"], 1),
    ),
    Rule(
        "shipping.fixedOptions",
        "4040",
        "Shipping is paid in the payment's currency.",
        lambda body, _: not is_paid_in(body["amount"]["currency"], groups_of(body)),
    ),
    Rule("expiresAt", "6110", "Less than 60 days ahead.", _too_late),
    Rule("expiresAt", "6120", "More than 10 minutes ahead.", _too_soon),
    Rule("receipt", "6130", "expiresAt needs it.", lambda body, _: bool(_expires(body)) and "receipt" not in body),
    Rule("customer.phoneNumber", "7010", "It is nobody's.", lambda body, _: phone_number(body) == UNKNOWN_PHONE_NUMBER),
    Rule(
        "minimumUserAge",
        "7010",
        "The customer is too young.",
        lambda body, context: "customer" in body and is_younger(body.get("minimumUserAge"), context.now),
    ),
)

DRAFT_CREATE_RULES = (
    _CARD_IN_BROWSER,
    Rule(
        "amount.currency",
        None,
        f"{', '.join(PASSTHROUGH_CURRENCIES)} go with CARD_PASSTHROUGH.",
        lambda body, _: body["amount"]["currency"] in PASSTHROUGH_CURRENCIES and _type(body) != "CARD_PASSTHROUGH",
    ),
    _PUSH_NEEDS_CUSTOMER,
    *_PERMISSION_RULES,
    Rule(
        "directCapture",
        None,
        "Direct capture is not enabled for this merchant.",
        lambda body, _: bool(body.get("directCapture")),
    ),
)


def broken_rules(
    rules: tuple[Rule, ...], body: Mapping[str, Any], context: Context, leniency: Leniency
) -> Iterator[Violation]:
    """Yield what *body* breaks and is not let pass with, in the order of the table."""
    for rule in rules:
        if rule.broken(body, context) and not (rule.is_lax and leniency.allows(f"{rule.field}: {rule.reason}")):
            yield Violation(rule.field, rule.reason, rule.code)
