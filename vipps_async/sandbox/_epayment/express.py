"""Express: what shipping must look like, as tables, and what a user chooses from it. Performs no I/O.

Source: ePayment API, Express.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from vipps_async._wire.urls import is_called
from vipps_async.sandbox._epayment.amounts import amount
from vipps_async.sandbox._platform.schema import choice, flag, integer, matching, record, satisfying, sequence, text

Groups: TypeAlias = list[Mapping[str, Any]]

_TOKEN = re.compile("[a-zA-Z0-9-]{1,50}")

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
            required={"callbackUrl": satisfying(is_called, "an https URL on port 443, 80 or 8080", code="4090")},
            optional={"callbackAuthorizationToken": matching("[ -~]+")},
        ),
        "allowedCountries": sequence(matching("[A-Z]{2}")),
    }
)


ADDRESS = record(
    required={
        "addressLine1": text(least=1),
        "city": text(least=1),
        "postCode": text(least=1),
        "country": matching("[A-Z]{2}"),
    },
    optional={"addressLine2": text()},
)


class NotOffered(Exception):
    """The merchant has no such shipping option; the message names those that it has."""


def groups_of(body: Mapping[str, Any]) -> Groups:
    """Return the shipping that a create request offers by itself."""
    groups: Groups = body.get("shipping", {}).get("fixedOptions", [])
    return groups


def repeats_a_kind(groups: Groups) -> bool:
    """Whether two groups have the same brand and type."""
    kinds = [(group["brand"], group["type"]) for group in groups]
    return len(set(kinds)) != len(kinds)


def has_other_token(body: Mapping[str, Any]) -> bool:
    """Whether the token of the shipping callback is another than the documents allow."""
    token = body.get("shipping", {}).get("dynamicOptions", {}).get("callbackAuthorizationToken")
    return token is not None and not _TOKEN.fullmatch(token)


def is_paid_in(currency: str, groups: Groups) -> bool:
    """Whether every option has its price in *currency*."""
    return all(option["amount"]["currency"] == currency for group in groups for option in group["options"])


def ranked(candidates: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return groups, or the options of one, as a user sees them: the default first, then by priority."""
    return sorted(candidates, key=_precedence)


def options_of(groups: Groups) -> list[Mapping[str, Any]]:
    """Return every option in *groups* as a user sees them; the first is the default."""
    return [option for group in ranked(groups) for option in ranked(group["options"])]


def chosen_option(groups: Groups, identifier: str | None) -> Mapping[str, Any] | None:
    """Return the shipping option that a user chooses.

    Args:
        groups: what the merchant offers; nothing, where nothing is shipped.
        identifier: of the option; ``None`` for the first that the user sees, if there is any.

    Raises:
        NotOffered: no option has this identifier.
    """
    options = options_of(groups)
    chosen = next((option for option in options if identifier in {None, option["id"]}), None)
    if chosen is None and identifier is not None:
        offered = ", ".join(option["id"] for option in options) or "it has none"
        raise NotOffered(f"{identifier!r} is none of its shipping options: {offered}")
    return chosen


def _precedence(candidate: Mapping[str, Any]) -> tuple[bool, int]:
    return (not candidate.get("isDefault", False), candidate.get("priority", 0))
