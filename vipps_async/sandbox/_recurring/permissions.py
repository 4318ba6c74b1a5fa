"""Permissions of a sales unit that Recurring asks for. Performs no I/O. Source: Recurring API, guide and problems."""

from enum import StrEnum


class RecurringPermission(StrEnum):
    """A permission of a sales unit. One that is denied is answered with the problem that stands after it.

    Attributes:
        RECURRING: agreements at all; invalid-sale-unit.
        SKIP_LANDING_PAGE: agreements that skip the landing page; unsupported-feature.
        DIRECT_CAPTURE: charges that are captured when they are paid; unsupported-feature.
        UNSCHEDULED: charges of the type ``UNSCHEDULED``; validation-error.
    """

    RECURRING = "recurring"
    SKIP_LANDING_PAGE = "skip-landing-page"
    DIRECT_CAPTURE = "direct-capture"
    UNSCHEDULED = "unscheduled"
