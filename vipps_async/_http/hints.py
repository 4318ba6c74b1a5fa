"""Finds the hint that an error ends with: one sentence about what to do next, that fits the call."""

from vipps_async._http.call import Call
from vipps_async.errors import Problem

# A hint is completed by the key, where the call has one.
REPEAT = "repeat it in a moment{}"
REPEAT_LATER = "repeat it later{}"

_BY_STATUS = {
    401: "check the API keys, and that they belong to this environment and sales unit",
    403: "check that the sales unit has this product, and the keys this merchant serial number",
    404: "check the identifier and the merchant serial number",
    409: "use a new idempotency key for a new operation; repeat an old one with its exact arguments",
    422: "check the sales unit's setup in the merchant portal",
    423: REPEAT,
    429: f"slow down, and {REPEAT_LATER}",
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
    hint = call.rules.hints.get(problem.code or "") or (_CORRECT[has_key] if status == 400 else _BY_STATUS.get(status))
    limits = f": {call.rules.limits}" if status == 429 and call.rules.limits else ""
    return hint and hint.format(" with the same idempotency key" if has_key else "") + limits
