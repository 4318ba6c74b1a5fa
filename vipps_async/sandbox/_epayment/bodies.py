"""Checks of the bodies of requests, of the current API and of its draft, as tables. Performs no I/O.

Sources: ePayment API 1.8.1, and its draft 0.9.0; Webhooks API v1.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from vipps_async._wire.urls import is_called, is_web_or_app
from vipps_async.sandbox._epayment.amounts import CURRENCIES, PASSTHROUGH_CURRENCIES, amount
from vipps_async.sandbox._epayment.express import SHIPPING
from vipps_async.sandbox._epayment.receipts import RECEIPT
from vipps_async.sandbox._platform.bodies import Repeating
from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.schema import (
    ABSENT,
    UUID,
    Check,
    Violation,
    as_text,
    choice,
    every,
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

_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 5, 100, 500


def _metadata(value: Any, path: str) -> Iterator[Violation]:
    if not (isinstance(value, dict) and all(isinstance(member, str) for member in value.values())):
        yield Violation(path, f"The field {label(path)} must be an object of texts.")
        return
    if isinstance(value, Repeating):
        yield Violation(path, "Each key once.", "4110")
    if len(value) > _METADATA_PAIRS:
        yield Violation(path, f"At most {_METADATA_PAIRS} pairs.", "4100")
    if any(len(name) > _METADATA_KEY for name in value):
        yield Violation(path, f"Keys of at most {_METADATA_KEY} characters.", "4120")
    if any(len(member) > _METADATA_VALUE for member in value.values()):
        yield Violation(path, f"Values of at most {_METADATA_VALUE} characters.", "4130")


def _amended_metadata(value: Any, path: str, leniency: Leniency) -> Any:
    if not isinstance(value, dict):
        return value
    texts = {name: as_text(member, f"{path}.{name}", leniency) for name, member in value.items()}
    given = {name: member for name, member in texts.items() if member is not None}
    for name in texts.keys() - given.keys():
        leniency.note(f"ignored: {path}.{name}, which is null")
    return type(value)(given)


def moment(value: str) -> datetime:
    """Return the time that RFC 3339 text means.

    Raises:
        ValueError: it means none.
    """
    return datetime.fromisoformat(value.upper())


_RFC3339 = matching(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)")


def _date_time(value: Any, path: str) -> Iterator[Violation]:
    if violations := list(_RFC3339(value, path)):
        yield from violations
        return
    try:
        moment(value)
    except ValueError:
        yield Violation(path, f"The field {label(path)} must be a date and time that exists.")


def _exactly_one_of(inner: Check, *names: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Violation]:
        yield from inner(value, path)
        if isinstance(value, dict) and sum(name in value for name in names) != 1:
            yield Violation(path, f"The field {label(path)} must have exactly one of {', '.join(names)}.")

    def amend(value: Any, path: str, leniency: Leniency) -> Any:
        amended = inner.amend(value, path, leniency)
        if amended != {}:
            return amended
        leniency.note(f"ignored: {path}, which is empty")
        return ABSENT

    return Check(check, amend)


_USER_URL = satisfying(is_web_or_app, "a URL with https or a custom scheme", code="4090")
_SERVER_URL = satisfying(is_called, "an https URL on port 443, 80 or 8080", code="4090")

_CUSTOMER = _exactly_one_of(
    record(
        optional={
            "phoneNumber": matching(r"(?!00)\d{9,15}", code="4070"),
            "personalQr": text(least=5, most=255, code="4060"),
            "customerToken": text(least=1, code="4050"),
        }
    ),
    "phoneNumber",
    "personalQr",
    "customerToken",
)

_AIRLINE = record(
    required={
        "agencyInvoiceNumber": text(least=1, most=6),
        "airlineCode": text(least=3, most=3),
        "airlineDesignatorCode": text(least=2, most=2),
        "passengerName": text(least=1, most=49),
    },
    optional={"ticketNumber": text(least=1, most=150)},
)

_INTERACTION = choice("CUSTOMER_PRESENT", "CUSTOMER_NOT_PRESENT")

REFERENCE = matching("[a-zA-Z0-9-]{8,64}")

CREATE = record(
    required={
        "amount": amount(currencies=(*CURRENCIES, *PASSTHROUGH_CURRENCIES)),
        "paymentMethod": record(
            required={"type": choice("WALLET", "CARD", "CARD_PASSTHROUGH")},
            optional={"blockedSources": sequence(choice("COMMERCIAL_CARDS"))},
        ),
        "reference": REFERENCE,
        "userFlow": choice("PUSH_MESSAGE", "NATIVE_REDIRECT", "WEB_REDIRECT", "QR"),
    },
    optional={
        "customer": _CUSTOMER,
        "customerInteraction": _INTERACTION,
        "expiresAt": nullable(Check(_date_time)),
        "industryData": record(optional={"airlineData": _AIRLINE}),
        # Newer than specification 1.8.1, and sent by integrations in production.
        "merchantLegalLinks": record(optional={"termsOfSaleUrl": _USER_URL, "privacyPolicyUrl": _USER_URL}),
        "metadata": nullable(Check(_metadata, _amended_metadata)),
        "minimumUserAge": nullable(integer(least=0, most=100)),
        "paymentDescription": text(least=3, most=100),
        "profile": record(optional={"scope": text()}),
        "qrFormat": nullable(
            record(
                required={"format": choice("TEXT/TARGETURL", "IMAGE/SVG+XML", "IMAGE/PNG")},
                optional={"size": nullable(integer(least=100, most=2000))},
            )
        ),
        "receipt": RECEIPT,
        "receiptUrl": nullable(_USER_URL),
        "returnUrl": every(text(most=2500), _USER_URL),
        "shipping": SHIPPING,
    },
)

MODIFICATION = record(required={"modificationAmount": amount(least=1)})
CANCELLATION = record(optional={"cancelTransactionOnly": flag()})
FORCE_APPROVAL = record(optional={"customer": _CUSTOMER, "token": text(least=1)})


_DRAFT_REFERENCE = matching("[a-zA-Z0-9-]{8,50}")
_AUTHORISATION_TYPE = choice("PRE_AUTH", "FINAL_AUTH")


def _draft_amount(*, least: int = 0) -> Check:
    return amount(least=least, currencies=("NOK",), typed=True)


_DRAFT_LINE_ITEM = record(
    required={
        "amountExcludingTax": integer(),
        "amountIncludingTax": integer(),
        "description": text(),
        "id": text(),
        "quantity": integer(),
        "taxAmount": text(),
        "taxPercentage": integer(),
        "discount": nullable(integer()),
        "quantityUnit": choice("Unknown", "Kilogram", "Meter", "Liter"),
    },
    optional={"productUrl": text()},
)

_DRAFT_LOGISTICS_OPTION = record(
    required={
        "amount": _draft_amount(),
        "id": UUID,
        "priority": integer(),
        "brand": text(most=256),
        "product": text(),
        "default": flag(),
    },
    optional={"description": text()},
)

DRAFT_CREATE = record(
    required={
        "amount": _draft_amount(least=1),
        "paymentMethod": record(required={"type": choice("WALLET", "CARD")}),
        "reference": _DRAFT_REFERENCE,
        "returnUrl": _USER_URL,
        "userFlow": choice("PUSH_MESSAGE", "NATIVE_REDIRECT", "WEB_REDIRECT"),
    },
    optional={
        "authorisationType": _AUTHORISATION_TYPE,
        "customer": text(least=1),
        "customerInteraction": _INTERACTION,
        "directCapture": flag(),
        "industryData": record(optional={"airline": _AIRLINE}),
        "logistics": record(
            optional={"fixedOptions": sequence(_DRAFT_LOGISTICS_OPTION), "dynamicOptionsCallback": _SERVER_URL}
        ),
        "orderInformation": record(
            required={"lineItems": sequence(_DRAFT_LINE_ITEM, least=1), "shippingAmount": nullable(integer())}
        ),
        "paymentDescription": text(),
        "profile": record(optional={"scope": text()}),
        "subReference": _DRAFT_REFERENCE,
    },
)

DRAFT_MODIFICATION = record(
    required={"modificationAmount": _draft_amount(least=1)},
    optional={"modificationReference": _DRAFT_REFERENCE},
)
DRAFT_ADJUSTMENT = record(
    required={"modificationAmount": _draft_amount(least=1), "modificationReference": _DRAFT_REFERENCE},
    optional={"authorisationType": _AUTHORISATION_TYPE},
)
