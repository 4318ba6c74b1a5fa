"""The amounts that make something fail in the test environment, as tables. Performs no I/O.

Source: knowledge base, test environment. What a trigger does is not documented. Chosen here: the attempt to pay fails,
and what was to be paid stays as it was, so that the user may try another card.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

# minor units of any currency -> why the user's attempt to pay fails
_DECLINED: Mapping[int, str] = MappingProxyType(
    {
        151: "insufficient funds",
        182: "refused by the issuer",
        183: "suspected fraud",
        184: "withdrawal limit exceeded",
        186: "expired card",
        187: "invalid card",
        197: "3-D Secure denied",
        202: "strong customer authentication required",
    }
)
_NORWEGIAN_ONLY = frozenset({197, 202})

# The outcome of an attempt to pay this much stays unknown for so long; that it is an approval then is chosen here.
UNKNOWN_OUTCOME = 201
UNKNOWN_FOR = timedelta(hours=1)


def why_declined(amount: int, currency: str) -> str | None:
    """Return why the attempt to pay *amount* minor units fails, or ``None`` if it does not."""
    if amount in _NORWEGIAN_ONLY and currency != "NOK":
        return None
    return _DECLINED.get(amount)
