"""Express: what shipping must look like, as a table, and what a user chooses from it. Performs no I/O.

Source: ePayment API, Express.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from vipps_async.sandbox._requests.amounts import amount
from vipps_async.sandbox._requests.schema import choice, flag, integer, matching, record, satisfying, sequence, text
from vipps_async.sandbox._requests.urls import is_callback_url

Groups: TypeAlias = list[Mapping[str, Any]]

_OPTION = record(
    required={"id": text(), "amount": amount(), "name": text()},
    optional={"isDefault": flag(), "priority": integer(), "meta": text(), "estimatedDelivery": text()},
)

_GROUP = record(
    required={
        "type": choice("HOME_DELIVERY", "PICKUP_POINT", "MAILBOX", "IN_STORE", "OTHER"),
        "brand": choice(
            "POSTEN",
            "BRING",
            "POSTNORD",
            "HELTHJEM",
            "PORTERBUDDY",
            "DHL",
            "INSTABOX",
            "FEDEX",
            "MATKAHUOLTO",
            "GLS",
            "POSTI",
            "GORDON",
            "OTHER",
        ),
        "options": sequence(_OPTION, least=1),
    },
    optional={"isDefault": flag(), "priority": integer()},
)

GROUPS = sequence(_GROUP, least=1)

SHIPPING = record(
    optional={
        "fixedOptions": GROUPS,
        "dynamicOptions": record(
            required={"callbackUrl": satisfying(is_callback_url, "an https URL on port 443, 80 or 8080", code="4090")},
            optional={"callbackAuthorizationToken": matching("[a-zA-Z0-9-]{1,50}")},
        ),
        "allowedCountries": sequence(matching("[A-Z]{2}")),
    }
)


def groups_of(body: Mapping[str, Any]) -> Groups:
    """Return the shipping that a create request offers by itself."""
    groups: Groups = body.get("shipping", {}).get("fixedOptions", [])
    return groups


def repeats_a_kind(groups: Groups) -> bool:
    """Whether two groups have the same brand and type."""
    kinds = [(group["brand"], group["type"]) for group in groups]
    return len(set(kinds)) != len(kinds)


def is_paid_in(currency: str, groups: Groups) -> bool:
    """Whether every option has its price in *currency*."""
    return all(option["amount"]["currency"] == currency for group in groups for option in group["options"])


def chosen_option(groups: Groups) -> Mapping[str, Any]:
    """Return the shipping option that a user who changes nothing ends up with.

    The group, and in it the option, that is marked as the default comes first, then the lowest priority.
    """
    group = min(groups, key=_precedence)
    option: Mapping[str, Any] = min(group["options"], key=_precedence)
    return option


def _precedence(candidate: Mapping[str, Any]) -> tuple[bool, int]:
    return (not candidate.get("isDefault", False), candidate.get("priority", 0))
