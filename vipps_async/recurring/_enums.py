"""The words of the Recurring API: states, kinds, reasons. Source: Recurring API v3."""

from vipps_async._wire.open_enum import OpenEnum


class AgreementStatus(OpenEnum):
    """The status of an agreement."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    EXPIRED = "EXPIRED"


class ChargeStatus(OpenEnum):
    """The status of a charge. How much was captured and refunded is in `Charge.summary`."""

    PENDING = "PENDING"
    DUE = "DUE"
    PROCESSING = "PROCESSING"
    RESERVED = "RESERVED"
    CHARGED = "CHARGED"
    PARTIALLY_CAPTURED = "PARTIALLY_CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class PricingType(OpenEnum):
    """The way in which an agreement has its price; it can never change."""

    LEGACY = "LEGACY"
    VARIABLE = "VARIABLE"
    FLEXIBLE = "FLEXIBLE"


class IntervalUnit(OpenEnum):
    """The unit of an interval."""

    YEAR = "YEAR"
    MONTH = "MONTH"
    WEEK = "WEEK"
    DAY = "DAY"


class CampaignType(OpenEnum):
    """The kind of a campaign; LEGACY_CAMPAIGN stands in old agreements only."""

    PRICE_CAMPAIGN = "PRICE_CAMPAIGN"
    PERIOD_CAMPAIGN = "PERIOD_CAMPAIGN"
    EVENT_CAMPAIGN = "EVENT_CAMPAIGN"
    LEGACY_CAMPAIGN = "LEGACY_CAMPAIGN"


class TransactionType(OpenEnum):
    """Whether a charge is captured when it is paid, or reserved for a capture later."""

    DIRECT_CAPTURE = "DIRECT_CAPTURE"
    RESERVE_CAPTURE = "RESERVE_CAPTURE"


class ChargeType(OpenEnum):
    """The kind of a charge; INITIAL comes with its agreement."""

    INITIAL = "INITIAL"
    RECURRING = "RECURRING"
    UNSCHEDULED = "UNSCHEDULED"


class ProcessingMode(OpenEnum):
    """How often it is tried to take a charge."""

    MULTIPLE_ATTEMPTS = "MULTIPLE_ATTEMPTS"
    SINGLE_ATTEMPT = "SINGLE_ATTEMPT"


class FailureReason(OpenEnum):
    """The reason why a charge failed; the user is told more in the app."""

    USER_ACTION_REQUIRED = "user_action_required"
    CHARGE_AMOUNT_TOO_HIGH = "charge_amount_too_high"
    NON_TECHNICAL_ERROR = "non_technical_error"
    TECHNICAL_ERROR = "technical_error"


class Actor(OpenEnum):
    """Who did something to an agreement."""

    MERCHANT = "MERCHANT"
    USER = "USER"
    ADMIN = "ADMIN"


class AgreementAction(OpenEnum):
    """An entry of an agreement's history."""

    CREATE = "CREATE"
    ACTIVATE = "ACTIVATE"
    REJECT = "REJECT"
    EXPIRE = "EXPIRE"
    STOP = "STOP"
    UPDATE = "UPDATE"


class ChargeAction(OpenEnum):
    """An entry of a charge's history."""

    CREATE = "CREATE"
    RESERVE = "RESERVE"
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    CANCEL = "CANCEL"
    FAIL = "FAIL"


class BlockedSource(OpenEnum):
    """A payment source that an agreement does not take."""

    COMMERCIAL_CARDS = "COMMERCIAL_CARDS"
