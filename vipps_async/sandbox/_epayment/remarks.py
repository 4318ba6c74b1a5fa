"""What a creation may hold here and would not work with at Vipps MobilePay's test environment, as a table.

Source: knowledge base, test environment. Performs no I/O.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from vipps_async.sandbox._epayment.rules import phone_number

# Country codes of the users: Norway, Denmark, Sweden, Finland, Greenland, the Faroe Islands.
_COUNTRIES = ("47", "45", "46", "358", "299", "298")


@attrs.frozen
class _Remark:
    """What is worth knowing, and whether it is so of a body, in a sales unit of a market with this currency."""

    text: str
    fits: Callable[[Mapping[str, Any], str | None], bool]


_REMARKS = (
    _Remark(
        "works in production, and not at apitest: CARD",
        lambda body, _: body["paymentMethod"]["type"] == "CARD",
    ),
    _Remark(
        "one currency for a sales unit elsewhere: that of its market",
        lambda body, market: market not in {None, body["amount"]["currency"]},
    ),
    _Remark(
        "no test user elsewhere has such a number: customer.phoneNumber",
        lambda body, _: not (phone_number(body) or _COUNTRIES[0]).startswith(_COUNTRIES),
    ),
)


def remarks_on(body: Mapping[str, Any], market: str | None) -> Iterator[str]:
    """Yield what is worth knowing of *body*; *market* is the currency of the first payment, if there is one."""
    return (remark.text for remark in _REMARKS if remark.fits(body, market))
