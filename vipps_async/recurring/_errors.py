"""Declares the Recurring API to the layer that sends its calls: its error codes, its keys, its limits.

Source: Recurring API, problems, Idempotency-Key and rate limits.
"""

import re

from vipps_async._http.call import ApiRules

_HINTS = {
    "charge-amount-too-high": "charge less in this interval, raise the agreement's price, or ask the user to raise the "
    "maximum in the app; then ask with a new idempotency key",
    "charge-capture-failed": "read the charge: only what is reserved, and was not captured, can be captured",
    "charge-creation-failed": "read the agreement: once it is ACTIVE, charge it with a new idempotency key",
    "charge-due-in-too-long": "create the charge later: due is 2 years ahead at most",
    "charge-due-too-soon": "give a due date from tomorrow on, in the market's own time, and a new idempotency key",
    "cancel-charge-failed": "read the charge: what was captured is refunded instead",
    "conflict": "read what is there: an order_id is used once, and may be this very charge's already",
    "idempotency-conflict": "use a new idempotency key: this one belongs to another request; one that is not given is "
    "derived, of a charge from its order_id alone, so that other terms need an idempotency_key of their own",
    "illegal-agreement-update": "read the agreement: one that is not ACTIVE cannot be changed",
    "invalid-sale-unit": "ask Vipps MobilePay to enable Recurring for this sales unit",
    "invalid-suggested-max-amount": "suggest a maximum within the currency's limits",
    "operation-failed": "read the charge: refund at most what was captured minus what was refunded",
    "unsupported-feature": "leave it out, or ask Vipps MobilePay to enable it for this sales unit",
}

# Wrong with the request itself, whatever the agreement's state and the time, so that it was so at each attempt. A due
# date that is too far ahead was farther before.
_CONCLUSIVE_CODES = frozenset(
    {
        "charge-due-in-too-long",
        "idempotency-key-header",
        "invalid-agreement-id",
        "invalid-json",
        "invalid-suggested-max-amount",
        "missing-request-header",
        "not-acceptable",
        "unsupported-media-type",
    }
)

RULES = ApiRules(
    hints=_HINTS,
    conclusive_codes=_CONCLUSIVE_CODES,
    limits="5 captures, cancellations and refunds a minute for one charge, 500 new charges a minute in all",
    key_alphabet=re.compile(r"[A-Za-z0-9-]+"),
    longest_key=40,
)
