"""The check of a receipt. Performs no I/O.

Source: ePayment API, receipts.
"""

from vipps_async.sandbox._epayment.amounts import CURRENCIES
from vipps_async.sandbox._platform.schema import (
    choice,
    every,
    flag,
    integer,
    matching,
    nullable,
    record,
    sequence,
    text,
)

_ANY_TEXT = text()
_OPTIONAL_TEXT = nullable(_ANY_TEXT)
_OPTIONAL_INTEGER = nullable(integer())
_OPTIONAL_COUNT = nullable(integer(least=0))
_OPTIONAL_FLAG = nullable(flag())
_PERCENTAGE = nullable(integer(least=0, most=100))

_ORDER_LINE = record(
    required={
        "name": _ANY_TEXT,
        "id": _ANY_TEXT,
        "totalAmount": integer(),
        "totalAmountExcludingTax": integer(),
        "totalTaxAmount": integer(),
    },
    optional={
        "taxPercentage": _PERCENTAGE,
        "taxRate": nullable(integer(least=0, most=10_000)),
        "unitInfo": record(
            required={
                "unitPrice": _OPTIONAL_COUNT,
                "quantity": every(text(most=10), matching(r"\d+([\.]\d{1,8})?")),
            },
            optional={"quantityUnit": nullable(choice("PCS", "KG", "KM", "MINUTE", "LITRE", "KWH"))},
        ),
        "discount": _OPTIONAL_COUNT,
        "productUrl": _OPTIONAL_TEXT,
        "isReturn": _OPTIONAL_FLAG,
        "isShipping": _OPTIONAL_FLAG,
    },
)

_BOTTOM_LINE = record(
    required={"currency": choice(*CURRENCIES)},
    optional={
        "tipAmount": _OPTIONAL_COUNT,
        "giftCardAmount": _OPTIONAL_COUNT,
        "posId": _OPTIONAL_TEXT,
        "totalAmount": _OPTIONAL_INTEGER,
        "totalTax": _OPTIONAL_COUNT,
        "totalDiscount": _OPTIONAL_COUNT,
        "shippingAmount": _OPTIONAL_COUNT,
        "shippingInfo": record(
            required={
                "amount": _OPTIONAL_COUNT,
                "amountExcludingTax": _OPTIONAL_COUNT,
                "taxAmount": _OPTIONAL_COUNT,
                "taxPercentage": _PERCENTAGE,
            }
        ),
        "paymentSources": record(
            optional=dict.fromkeys(("giftCard", "card", "voucher", "cash"), _OPTIONAL_INTEGER),
        ),
        "barcode": record(
            required={"format": nullable(choice("EAN-13", "CODE 39", "CODE 128")), "data": _OPTIONAL_TEXT},
        ),
        "receiptNumber": _OPTIONAL_TEXT,
        "terminalId": _OPTIONAL_TEXT,
    },
)

RECEIPT = record(required={"orderLines": sequence(_ORDER_LINE, least=1), "bottomLine": _BOTTOM_LINE})
