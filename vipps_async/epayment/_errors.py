"""Declares the ePayment API to the layer that sends its calls: its error codes, its keys, its limits.

Source: ePayment API, errors, rate limiting and Idempotency-Key.
"""

from vipps_async._http.call import ApiRules
from vipps_async._http.hints import REPEAT, REPEAT_LATER

_HINTS = {
    "3010": "compare the request with the API's documentation; it often is malformed",
    "4010": "use a new idempotency key, or repeat the first capture's exact amount",
    "4020": "use a new idempotency key: this one belongs to another operation",
    "4070": "give the number as MSISDN: country code and number, digits only",
    "4150": "read the payment with get(reference), or create it under a new reference",
    "5020": "ask Vipps MobilePay to enable Express for this sales unit",
    "5030": "leave the scope out, or ask Vipps MobilePay for permission to use it",
    "5040": "use the currency of the sales unit's market: NOK, DKK or EUR",
    "5050": "leave expires_at out, or ask Vipps MobilePay to enable long-living payments",
    "5060": "verify the bank account in the merchant portal",
    "5080": "use WEB_REDIRECT, or ask Vipps MobilePay to enable PUSH_MESSAGE",
    "5090": "check the reference and the merchant serial number",
    "6020": "wait for the payment to be authorized and captured before refunding it",
    "6040": "refund it instead of cancelling it",
    "6060": "leave cancel_transaction_only out to release an authorized payment",
    "6080": "wait for the AUTHORIZED event, then capture",
    "6090": "capture at most what remains: authorized minus captured minus cancelled",
    "6140": "capture the full amount at once: this sales unit takes no partial captures",
    "6150": "refund at most what remains: captured minus refunded",
    "6160": REPEAT,
    "6250": "repeat it when the user has finished approving",
    "6260": "capture it again later with a new idempotency key, for 30 days; the bank has released the reservation",
    "6280": REPEAT_LATER,
    "7010": "check the phone number; the person may not use the app, or be too young",
}

# What these say is wrong with the request, or with what the sales unit may do, was so at each attempt, so that none
# took effect. The others speak of the payment's state ("more than remains", "captured already", "not authorized yet"),
# of time, or of what is used once, as a QR: an earlier attempt may have made it so, or another server not know yet.
_CONCLUSIVE_CODES = frozenset(
    {
        *("4040", "4070", "4080", "4090", "4100", "4110", "4120", "4130", "4140", "4160"),
        *("5010", "5020", "5030", "5040", "5050", "5060", "5080", "5100"),
        *("6010", "6130", "6140"),
    }
)

RULES = ApiRules(
    hints=_HINTS,
    conclusive_codes=_CONCLUSIVE_CODES,
    limits="5 writes and 120 reads a minute for one reference",
    longest_key=50,
)
