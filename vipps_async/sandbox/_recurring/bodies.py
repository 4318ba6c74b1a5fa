"""What the bodies of Recurring requests look like, as tables. Performs no I/O. Source: Recurring API v3, schemas."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from vipps_async._wire.times import as_utc
from vipps_async._wire.urls import is_web_or_app
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.schema import (
    Check,
    Violation,
    choice,
    flag,
    integer,
    label,
    matching,
    nullable,
    record,
    satisfying,
    sequence,
    text,
)

RESOURCE = matching("[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})?", code="invalid-agreement-id")

_DAY_OR_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)
_MOST = 2**31 - 1
_MOST_IN_A_BATCH = 2000
_AMOUNT = integer(least=1, most=_MOST)
_CURRENCY = choice("NOK", "DKK", "EUR")
_DESCRIPTION = text(least=1, most=100)
_EXTERNAL_ID = matching(".{1,64}")
_ORDER_ID = matching("[a-zA-Z0-9-]{1,64}")
_TRANSACTION = choice("DIRECT_CAPTURE", "RESERVE_CAPTURE")
_PERIOD = record(
    required={"unit": choice("YEAR", "MONTH", "WEEK", "DAY"), "count": integer(least=1, most=31)},
)


def moment(value: str) -> datetime:
    """Return the moment that a text tells."""
    if not _DAY_OR_MOMENT.fullmatch(value) or len(value) == len("YYYY-MM-DD"):
        raise ValueError(value)
    return as_utc(datetime.fromisoformat(value))


def day(value: str) -> date:
    """Return the day that a text tells, of a time too: clients send both."""
    if not _DAY_OR_MOMENT.fullmatch(value):
        raise ValueError(value)
    return date.fromisoformat(value[:10])


def _tells(read: Any) -> Any:
    def holds(value: str) -> bool:
        try:
            read(value)
        except (ValueError, OverflowError):
            return False
        return True

    return holds


_MOMENT = satisfying(_tells(moment), "a date and time as in RFC 3339")
_DAY = satisfying(_tells(day), "a date as YYYY-MM-DD")


def _page(most: int) -> Check:
    return satisfying(
        lambda value: len(value) <= most and is_web_or_app(value), f"a URL of at most {most} characters that uses https"
    )


def _either(name: str, kinds: dict[str, Check], default: str | None = None) -> Check:
    """Return the check of an object that is of one of several kinds, which its member *name* tells."""

    def kind_of(value: Any) -> str | None:
        told = value.get(name, default) if isinstance(value, dict) else default
        return told if isinstance(told, str) else None

    def find(value: Any, path: str) -> Iterator[Violation]:
        kind = kind_of(value)
        if not isinstance(value, dict) or kind not in kinds:
            yield Violation(f"{path}.{name}", f"The field {label(name)} must be one of {', '.join(kinds)}.")
        else:
            yield from kinds[kind](value, path)

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        kind = kind_of(value)
        return kinds[kind].amend(value, path, leniency) if kind in kinds else value

    return Check(find, amend)


def _pricing(kind: str, **fields: Check) -> Check:
    return record(required={"currency": _CURRENCY, **fields}, optional={"type": choice(kind)})


def _campaign(kind: str, **fields: Check) -> Check:
    return record(required={"type": choice(kind), "price": integer(least=0, most=_MOST), **fields})


_PRICING = _either(
    "type",
    {
        "LEGACY": _pricing("LEGACY", amount=_AMOUNT),
        "VARIABLE": _pricing("VARIABLE", suggestedMaxAmount=_AMOUNT),
        "FLEXIBLE": _pricing("FLEXIBLE"),
    },
    default="LEGACY",
)
_CAMPAIGN = _either(
    "type",
    {
        "PRICE_CAMPAIGN": _campaign("PRICE_CAMPAIGN", end=_MOMENT),
        "PERIOD_CAMPAIGN": _campaign("PERIOD_CAMPAIGN", period=_PERIOD),
        "EVENT_CAMPAIGN": _campaign("EVENT_CAMPAIGN", eventDate=_MOMENT, eventText=text(least=1, most=15)),
    },
)
_INITIAL_CHARGE = record(
    required={"amount": _AMOUNT, "description": _DESCRIPTION, "transactionType": _TRANSACTION},
    optional={"orderId": _ORDER_ID, "externalId": _EXTERNAL_ID},
)

DRAFT = record(
    required={"pricing": _PRICING, "merchantRedirectUrl": _page(2048), "productName": text(least=1, most=45)},
    optional={
        "campaign": _CAMPAIGN,
        "externalId": nullable(_EXTERNAL_ID),
        "initialCharge": _INITIAL_CHARGE,
        "interval": _PERIOD,
        "isApp": flag(),
        "merchantAgreementUrl": _page(1024),
        "paymentMethod": nullable(record(optional={"blockedSources": sequence(choice("COMMERCIAL_CARDS"))})),
        "phoneNumber": nullable(text(most=15)),
        "productDescription": text(most=100),
        "scope": text(),
        "skipLandingPage": flag(),
    },
)

UPDATE = record(
    optional={
        "externalId": _EXTERNAL_ID,
        "interval": _either(
            "type",
            {
                "RECURRING": record(required={"type": choice("RECURRING"), "period": _PERIOD}),
                "FLEXIBLE": record(required={"type": choice("FLEXIBLE")}),
            },
        ),
        "merchantAgreementUrl": _page(1024),
        "pricing": record(optional={"amount": _AMOUNT, "suggestedMaxAmount": _AMOUNT}),
        "productDescription": text(most=100),
        "productName": text(least=1, most=45),
        "status": choice("STOPPED"),
    }
)
ACCEPT = record(required={"phoneNumber": matching("[0-9]{9,15}")})

_CHARGE: dict[str, Check] = {"amount": _AMOUNT, "description": _DESCRIPTION, "transactionType": _TRANSACTION}
_SCHEDULE: dict[str, Check] = {"due": _DAY, "retryDays": integer(least=0, most=14)}
_MODE = choice("MULTIPLE_ATTEMPTS", "SINGLE_ATTEMPT")
CHARGE = record(
    required=_CHARGE,
    optional={
        **_SCHEDULE,
        "processingMode": _MODE,
        "type": choice("RECURRING", "UNSCHEDULED"),
        "orderId": _ORDER_ID,
        "externalId": _EXTERNAL_ID,
    },
)
BATCH_ITEM = record(
    required={**_CHARGE, **_SCHEDULE, "agreementId": text(least=1), "orderId": _ORDER_ID},
    optional={"processingMode": _MODE, "externalId": _EXTERNAL_ID, "type": choice("RECURRING")},
)


_CHARGES = sequence(BATCH_ITEM)


def _is_batch(value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_IN_A_BATCH:
        yield Violation(path or "body", f"The body must be an array of 1 to {_MOST_IN_A_BATCH} charges.")
    else:
        yield from _CHARGES(value, path)


BATCH = Check(_is_batch, _CHARGES.amend)
CAPTURE = record(required={"amount": _AMOUNT}, optional={"description": _DESCRIPTION})
REFUND = record(required={"amount": _AMOUNT, "description": _DESCRIPTION})
