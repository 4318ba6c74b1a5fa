"""Permissions of a sales unit, which it may lack before approval or set-up. Performs no I/O.

Sources: ePayment API, create payment (which features need approval) and error codes; knowledge base, sales units.
"""

from enum import StrEnum


class Permission(StrEnum):
    """A permission of a sales unit. One that is denied is answered with the code that stands after it.

    Attributes:
        PAYMENTS: any payment at all, for which its bank account has to be verified; 5060.
        PUSH_MESSAGE: payments with the user flow ``PUSH_MESSAGE``; 5080.
        EXPRESS: payments with shipping; 5020.
        LONG_LIVING: payments with an ``expiresAt``; 5050.
        PROFILE_SHARING: payments with a profile scope; 5030.
        PARTIAL_CAPTURE: captures of less than what was authorized; 6140.
        REFUND: refunds; 5100.
    """

    PAYMENTS = "payments"
    PUSH_MESSAGE = "push-message"
    EXPRESS = "express"
    LONG_LIVING = "long-living"
    PROFILE_SHARING = "profile-sharing"
    PARTIAL_CAPTURE = "partial-capture"
    REFUND = "refund"


def permissions(names: frozenset[str]) -> frozenset[Permission]:
    """Return the permissions of this API that are among *names*."""
    return frozenset(permission for permission in Permission if permission in names)
