"""What to do next about an error: one sentence, that fits the call; what errors end with.

Source of the codes: ePayment API, errors.
"""

from vipps_async._http.call import Call
from vipps_async.errors import Problem

_REPEAT = "repeat it in a moment{}"
_REPEAT_LATER = "repeat it later{}"
_BY_CODE = {
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
    "6160": _REPEAT,
    "6250": "repeat it when the user has finished approving",
    "6260": "ask the user to pay again: the bank has released the reservation",
    "6280": _REPEAT_LATER,
    "7010": "check the phone number; the person may not use the app, or be too young",
}

_BY_STATUS = {
    401: "check the API keys, and that they belong to this environment and sales unit",
    403: "check that the sales unit has this product, and the keys this merchant serial number",
    404: "check the identifier and the merchant serial number",
    409: "use a new idempotency key for a new operation; repeat an old one with its exact arguments",
    422: "check the sales unit's setup in the merchant portal",
    423: _REPEAT,
    429: "slow down, and repeat it later{}: 5 writes and 120 reads a minute for one reference",
}
_CORRECT = {True: "correct the request, and send it with a new idempotency key", False: "correct the request"}
_NOT_THE_API = "look at what lies between this program and the API: a proxy, a firewall or a gateway answered instead"


def hint_for(status: int, problem: Problem, call: Call) -> str | None:
    """Return what to do next, or ``None`` where nothing but trying later helps."""
    if status < 400:
        return "check base_url: something else than the API answered"
    if status == 407:
        return "give the proxy what it asks for, as user and password in its address"
    if status < 500 and status not in {401, 408, 429} and problem.source is None:
        return _NOT_THE_API
    has_key = call.idempotency_key is not None
    hint = _BY_CODE.get(problem.code or "") or (_CORRECT[has_key] if status == 400 else _BY_STATUS.get(status))
    return hint and hint.format(" with the same idempotency key" if has_key else "")
