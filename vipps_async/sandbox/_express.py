"""Express: what shipping must look like, as a table, and what a user chooses from it. Performs no I/O.

Source: ePayment API, Express.
"""

from collections.abc import Mapping
from typing import Any

from vipps_async.sandbox._amounts import amount
from vipps_async.sandbox._schema import choice, flag, integer, matching, record, satisfying, sequence, text
from vipps_async.sandbox._urls import is_server_url

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

SHIPPING = record(
    optional={
        "fixedOptions": sequence(_GROUP, least=1),
        "dynamicOptions": record(
            required={"callbackUrl": satisfying(is_server_url, "an https URL", code="4090")},
            optional={"callbackAuthorizationToken": matching("[a-zA-Z0-9-]{1,50}")},
        ),
        "allowedCountries": sequence(matching("[A-Z]{2}")),
    }
)


def chosen_option(groups: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the shipping option that a user who changes nothing ends up with.

    The group, and in it the option, that is marked as the default comes first, then the lowest priority.
    """
    group = min(groups, key=_precedence)
    option: Mapping[str, Any] = min(group["options"], key=_precedence)
    return option


def _precedence(candidate: Mapping[str, Any]) -> tuple[bool, int]:
    return (not candidate.get("isDefault", False), candidate.get("priority", 0))
