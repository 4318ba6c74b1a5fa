"""The price of an agreement, how often it is due, and what it costs at first. Source: Recurring API v3, pricing."""

from datetime import datetime
from typing import TypeVar

import attrs

from vipps_async._wire import validators
from vipps_async._wire.converter import wire
from vipps_async._wire.serializable import Serializable
from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount
from vipps_async.recurring import _rules as rules
from vipps_async.recurring._enums import CampaignType, IntervalUnit, PricingType

T = TypeVar("T")

_optional = attrs.validators.optional
_DECIDES = wire(decides=True)


@attrs.frozen(kw_only=True)
class Pricing(Serializable):
    """The price of an agreement, and with it the ceiling of its charges; make one by a class method.

    Attributes:
        type: LEGACY, VARIABLE or FLEXIBLE.
        currency: ISO 4217; all charges have it.
        amount: of LEGACY, what an interval costs; charges may come to five times as much in one.
        suggested_max_amount: of VARIABLE, the most that the merchant expects to charge in an interval.
        max_amount: of VARIABLE, the most that the user allows, once there is a user.
    """

    type: PricingType = attrs.field(converter=PricingType)
    currency: str
    amount: Amount | None = attrs.field(default=None, metadata=_DECIDES)
    suggested_max_amount: Amount | None = attrs.field(default=None, metadata=_DECIDES)
    max_amount: Amount | None = attrs.field(default=None, metadata=_DECIDES)

    @classmethod
    def legacy(cls, amount: Amount) -> "Pricing":
        """Return a fixed price for an interval.

        Args:
            amount: what an interval costs. Charges may come to five times as much in an interval.

        Raises:
            InvalidRequest: it is no amount, or 0.
        """
        checked = rules.check_amount(amount)
        return cls(type=PricingType.LEGACY, currency=checked.currency, amount=checked)

    @classmethod
    def variable(cls, suggested_max_amount: Amount) -> "Pricing":
        """Return a price that differs, up to a maximum that the user chooses.

        Args:
            suggested_max_amount: what the user is suggested as maximum for an interval.

        Raises:
            InvalidRequest: it is no amount, or 0.
        """
        checked = rules.check_amount(suggested_max_amount, "suggested_max_amount")
        return cls(type=PricingType.VARIABLE, currency=checked.currency, suggested_max_amount=checked)

    @classmethod
    def flexible(cls, currency: str) -> "Pricing":
        """Return a price without a ceiling.

        Args:
            currency: ISO 4217: ``"NOK"``, ``"DKK"`` or ``"EUR"``.

        Raises:
            InvalidRequest: it is no code of a currency.
        """
        return cls(type=PricingType.FLEXIBLE, currency=Amount(0, currency).currency)


@attrs.frozen
class Interval(Serializable):
    """A period in which charges up to the price may be made: a permission, not a schedule.

    Args:
        unit: YEAR, MONTH, WEEK or DAY.
        count: how many of them, 1 to 31.

    Attributes:
        text: what the user reads, such as ``"every 2 months"``, of an agreement that was read.

    Raises:
        InvalidRequest: the unit is not known, or the count out of its range.
    """

    unit: IntervalUnit = attrs.field(converter=IntervalUnit, validator=validators.known)
    count: int = attrs.field(default=1, validator=validators.whole(1, 31))
    text: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(kw_only=True)
class Campaign(Serializable):
    """A lower price at first, which the user is shown; what is charged remains to the merchant. Make one by a method.

    Attributes:
        type: which kind it is.
        price: what is paid meanwhile.
        end: when it ends, of a price campaign; of a period campaign once there is a user.
        period: of a period campaign.
        event_date: of an event campaign.
        event_text: of an event campaign, what the event is: ``"christmas"``.
        explanation: what the user reads, of an agreement that was read.
    """

    type: CampaignType = attrs.field(converter=CampaignType)
    price: Amount
    end: datetime | None = attrs.field(default=None, validator=_optional(validators.aware))
    period: Interval | None = attrs.field(default=None, validator=_optional(validators.instance_of(Interval)))
    event_date: datetime | None = attrs.field(default=None, validator=_optional(validators.aware))
    event_text: str | None = None
    explanation: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has what its type needs."""
        needed = {
            CampaignType.PRICE_CAMPAIGN: (self.end,),
            CampaignType.PERIOD_CAMPAIGN: (self.period,),
            CampaignType.EVENT_CAMPAIGN: (self.event_date, self.event_text),
        }
        return all(needed.get(self.type, (None,)))

    @classmethod
    def until(cls, end: datetime, *, price: Amount) -> "Campaign":
        """Return another price for each interval until *end*, an aware time; raises InvalidRequest."""
        return cls(type=CampaignType.PRICE_CAMPAIGN, price=_price(price), end=_given("end", end))

    @classmethod
    def for_period(cls, period: Interval, *, price: Amount) -> "Campaign":
        """Return one price for a whole *period* from the start of the agreement; raises InvalidRequest."""
        return cls(type=CampaignType.PERIOD_CAMPAIGN, price=_price(price), period=_given("period", period))

    @classmethod
    def until_event(cls, event_date: datetime, event_text: str, *, price: Amount) -> "Campaign":
        """Return one price until an event.

        Args:
            event_date: when it is, an aware time.
            event_text: what it is, 1 to 15 characters, best begun in lower case: ``"christmas"``.
            price: what is paid until then.

        Raises:
            InvalidRequest: an argument breaks one of these rules.
        """
        if not validators.is_text(event_text) or not 1 <= len(event_text) <= 15:
            raise InvalidRequest("event_text", event_text, "must be text of 1 to 15 characters")
        return cls(
            type=CampaignType.EVENT_CAMPAIGN,
            price=_price(price),
            event_date=_given("event_date", event_date),
            event_text=event_text,
        )


def _price(price: Amount) -> Amount:
    if not isinstance(price, Amount):
        raise InvalidRequest("price", price, 'must be an Amount, such as Amount(100, "NOK")')
    return price


def _given(field: str, value: T) -> T:
    if value is None:
        raise InvalidRequest(field, value, "is required")
    return value
