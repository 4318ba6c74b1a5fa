"""A reply is decoded, or is an error of the tree: whatever the status, and whatever the bytes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import body, document
from vipps_async import Payment, errors
from vipps_async._http import call
from vipps_async._http.hints import hint_for
from vipps_async._http.reply import decode, ignore, read_as, read_problem, read_retry_after
from vipps_async.epayment._errors import RULES
from vipps_async.errors import ApiError, InvalidReply, Problem

NOW = datetime(2026, 1, 19, 16, 26, 32, tzinfo=UTC)
ASKED = call.write("capture", "/epayment/v1/payments/acme-shop-1/capture", {}, key="key-1", rules=RULES)
WITHOUT_BODY = call.write("delete webhook", "/webhooks/v1/webhooks/1", method="DELETE", expects_body=False)
HTML = b"<html><body>Bad gateway</body></html>"


def refusal(status: int, reply: bytes, **headers: str) -> ApiError:
    """The error that a reply decodes to."""
    with pytest.raises(ApiError) as raised:
        decode(ASKED, status, headers, reply, now=NOW)
    return raised.value


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_is_its_json(status: int) -> None:
    """Any 2xx reply is its decoded body, and ``None`` where the operation's reply has none."""
    assert decode(ASKED, status, {}, b'{"reference":"acme-shop-1"}', now=NOW) == {"reference": "acme-shop-1"}
    for reply in (b"", b"null", b"{}", HTML):
        assert decode(WITHOUT_BODY, status, {}, reply, now=NOW) is None


def test_only_a_202_may_lack_its_body() -> None:
    """An empty 2xx reply of an operation that has a body is `InvalidReply`, except for 202; so is null, for all."""
    assert decode(ASKED, 202, {}, b"", now=NOW) is None
    for status in (200, 201, 204, 205, 299):
        with pytest.raises(InvalidReply, match=f"HTTP {status} with an unnamed content type instead of JSON: nothing"):
            decode(ASKED, status, {}, b"", now=NOW)
    for status in (200, 202):
        with pytest.raises(InvalidReply, match=f"HTTP {status} with null"):
            decode(ASKED, status, {}, b"null", now=NOW)


@pytest.mark.parametrize("reply", [HTML, b'{"reference":', b"\xff\xfe", b"NaN"])
def test_a_success_that_is_not_json_is_an_invalid_reply(reply: bytes) -> None:
    """HTML and a cut body are `InvalidReply`, which shows status, content type and the beginning."""
    with pytest.raises(InvalidReply) as raised:
        decode(ASKED, 200, {"Content-Type": "text/html"}, reply, now=NOW)
    assert "HTTP 200 with text/html instead of JSON" in str(raised.value)
    with pytest.raises(InvalidReply, match="with an unnamed content type"):
        decode(ASKED, 200, {}, reply, now=NOW)


def test_a_long_reply_is_shown_in_part() -> None:
    """No more than the first 200 bytes of a body get into a message."""
    with pytest.raises(InvalidReply) as raised:
        decode(ASKED, 200, {}, b"x" * 5000, now=NOW)
    assert "x" * 200 in str(raised.value)
    assert "x" * 201 not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, ApiError),
        (409, ApiError),
        (422, errors.BadRequest),
        (423, ApiError),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.ServerError),
        (599, errors.ServerError),
        (301, ApiError),
        (302, ApiError),
        (408, ApiError),
        (418, ApiError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ApiError]) -> None:
    """A status other than 2xx is its class of the tree, redirects included, with or without a body."""
    for reply in (b"", HTML, b'{"title":"No"}', b"[]", b"null"):
        error = refusal(status, reply)
        assert type(error) is kind
        assert error.status == status
        assert error.problem.source is None


OWN = {"type": "https://httpstatuses.io/404", "title": "No", "traceId": "00-1-01"}


@pytest.mark.parametrize(
    ("status", "kind"), [(404, errors.NotFound), (409, errors.Conflict), (423, errors.Locked), (400, errors.BadRequest)]
)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"status": "STATUS", "instance": "/v1/payments/acme-shop-1/capture"},
        {"instance": "/epayment/v1/payments/acme-shop-1/capture/?a=b"},
        {"instance": None},
        {"instance": ""},
    ],
)
def test_only_the_api_itself_tells_what_only_it_can_know(
    status: int, kind: type[ApiError], more: dict[str, Any]
) -> None:
    """Its own document, with title and trace, for this status and this path, is its word."""
    said = {**OWN, **{name: status if value == "STATUS" else value for name, value in more.items()}}
    error = refusal(status, json.dumps(said).encode())
    assert (type(error), error.problem.source) == (kind, "api")


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ({**OWN, "status": 400}, None),
        ({**OWN, "status": "503"}, None),
        ({**OWN, "instance": "/v1/payments/another-order/capture"}, None),
        ({**OWN, "instance": "/v1/payments/acme-shop-1"}, None),
        ({**OWN, "instance": "/v1/payments/acme-shop-1/refund"}, None),
        ({"title": "Not Found"}, None),
        ({"traceId": "00-1-01"}, None),
        ({"title": 5, "traceId": "00-1-01"}, None),
        ({"statusCode": 404, "message": "Resource not found"}, "gateway"),
        ({"responseInfo": {"responseCode": 404}, "result": {"message": "no"}}, "gateway"),
        ({"ResponseInfo": {"ResponseCode": 404, "ResponseMessage": "no"}}, "gateway"),
        ({"statusCode": 403, "message": "another status"}, None),
        ({"responseInfo": {"responseCode": 500}}, None),
        ({"responseInfo": "none"}, None),
        ({"error": "invalid_client"}, "identity"),
    ],
)
def test_another_s_document_is_not_the_api_s_word(said: dict[str, Any], source: str | None) -> None:
    """A document for another status or another call, or of another writer, is none of the API for this call."""
    error = refusal(404, json.dumps(said).encode())
    assert (type(error), error.problem.source) == (ApiError, source)
    assert ("answered instead" in str(error)) == (source is None)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("current-problem-domain-6080", 400, "6080"),
        ("current-problem-idempotency-4020", 409, "4020"),
        ("current-problem-reference-4150", 409, "4150"),
        ("current-problem-not-found-5090", 404, "5090"),
    ],
)
def test_a_domain_error_has_its_code(name: str, status: int, code: str) -> None:
    """The documented problem gives title, detail, code, instance and trace; its code is no field."""
    said = document(name)
    error = refusal(status, body(name))
    assert error.problem == Problem(
        type=said["type"],
        title=said["title"],
        detail=said["detail"],
        code=code,
        trace_id=said["traceId"],
        instance=said["instance"],
        raw=said,
    )
    assert (error.code, error.trace_id) == (code, said["traceId"])
    assert f"HTTP {status}, error {code}; {said['title']}" in str(error)


def test_a_validation_error_names_its_fields() -> None:
    """Each bad field is in ``fields`` and in the message, and there is no code."""
    error = refusal(400, body("current-problem-validation"))
    reason = "The field Reference must match the regular expression '^[a-zA-Z0-9-]{8,64}$'."
    assert error.problem.fields == {"reference": reason}
    assert error.code is None
    assert f"reference: {reason.rstrip('.')}" in str(error)


def test_the_draft_s_problem_is_read() -> None:
    """A problem without status and details gives what it has."""
    said = document("draft-problem")
    problem = read_problem(body("draft-problem"), status=400, path=ASKED.path)
    assert problem == Problem(
        type=said["type"],
        title=said["title"],
        detail=said["detail"],
        trace_id=said["traceId"],
        source="api",
        raw=said,
    )


@pytest.mark.parametrize(
    ("reply", "title", "detail", "trace"),
    [
        (body("current-gateway-unauthorized"), None, document("current-gateway-unauthorized")["message"], None),
        (body("current-gateway-too-many-requests"), None, "Rate limit is exceeded. Try again in 20 seconds.", None),
        (
            body("current-access-token-error"),
            "invalid_client",
            "Invalid client secret provided.",
            "813b6397-5adc-aaee-f2b0-ec7c103c40e3",
        ),
        (b'{"responseInfo":{"responseCode":401},"result":{"message":"Unauthorized"}}', None, "Unauthorized", None),
        (b'{"responseInfo":{"responseCode":401,"responseMessage":"Unauthorized"}}', None, "Unauthorized", None),
        (b'{"ResponseInfo":{"ResponseMessage":"Unauthorized"}}', None, "Unauthorized", None),
        (b'{"ResponseInfo":{"ResponseMessage":401},"result":{"message":5}}', None, None, None),
        (b'{"error":"invalid_grant","error_code":5,"error_debug":"expired"}', "invalid_grant", "expired", None),
        (b'{"errorCode":"x","errorMessage":"broken","contextId":"c"}', None, "broken", "c"),
        (b'{"title":"Not Found","contextId":"c-1"}', "Not Found", None, "c-1"),
        (HTML, None, HTML.decode(), None),
        (b"", None, None, None),
        (b"[1]", None, None, None),
        (b'{"title":5,"detail":null,"traceId":[],"result":"x"}', None, None, None),
    ],
)
def test_errors_of_other_shapes_are_read(
    reply: bytes, title: str | None, detail: str | None, trace: str | None
) -> None:
    """The gateway's, the identity provider's and non-JSON bodies give what they say."""
    problem = read_problem(reply, status=400, path=ASKED.path)
    assert (problem.title, problem.detail, problem.trace_id, problem.code) == (title, detail, trace, None)


@pytest.mark.parametrize("name", ["extraDetails", "invalidParams"])
def test_details_of_either_name_are_read(name: str) -> None:
    """Older APIs call the details ``invalidParams``; entries that are none are passed over."""
    reply = f'{{"{name}":[{{"name":"ErrorCode","reason":6080}},{{"name":"a","reason":"bad"}},"x",null]}}'
    problem = read_problem(reply.encode(), status=400, path=ASKED.path)
    assert (problem.code, problem.fields) == ("6080", {"a": "bad"})
    assert read_problem(f'{{"{name}":"x"}}'.encode(), status=400, path=ASKED.path).fields == {}


@pytest.mark.parametrize(
    ("details", "fields"),
    [
        ([{"field": "price", "text": "too low"}], {"price": "too low"}),
        ([{"price": "too low"}, {"interval": "too long"}], {"price": "too low", "interval": "too long"}),
        ([{"name": "price", "reason": None}], {"price": "None"}),
        ([{"price": 5}, {"price": "too low", "other": 1}, {}], {}),
    ],
)
def test_details_of_older_forms_are_read(details: list[Any], fields: dict[str, str]) -> None:
    """A field and its reason have had other names, and the field's own name as a member's."""
    reply = json.dumps({"extraDetails": details}).encode()
    assert read_problem(reply, status=400, path=ASKED.path).fields == fields


def test_all_reasons_of_a_field_are_kept() -> None:
    """A field that is named twice has both reasons."""
    reply = b'{"extraDetails":[{"name":"a","reason":"too long"},{"name":"a","reason":"not ASCII"}]}'
    assert read_problem(reply, status=400, path=ASKED.path).fields == {"a": "too long; not ASCII"}


HOSTILE = "\x1b[2J\x1b[31mpaid\r\n2026-01-01 INFO captured\x00\u202e\u2028" * 20_000


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(dict.fromkeys(("title", "detail", "traceId", "instance", "message", "error"), HOSTILE)).encode(),
        json.dumps({"result": {"message": HOSTILE}}).encode(),
        json.dumps({"extraDetails": [{"name": f"{n}{HOSTILE}", "reason": HOSTILE} for n in range(50)]}).encode(),
        json.dumps({"extraDetails": [{"name": "a", "reason": HOSTILE}] * 50}).encode(),
        json.dumps({"extraDetails": [{"name": "ErrorCode", "reason": HOSTILE}]}).encode(),
        json.dumps({"extraDetails": [{"name": [[HOSTILE]], "reason": {"a": HOSTILE}}] * 50}).encode(),
        json.dumps({"reference": HOSTILE, "state": [HOSTILE], "amount": HOSTILE, "aggregate": {"x": HOSTILE}}).encode(),
        json.dumps([HOSTILE] * 3).encode(),
        HOSTILE.encode(),
        b"9" * 100_000 + b".0",
    ],
    ids=lambda reply: str(reply[:16]),
)
def test_what_a_server_says_is_shortened_and_made_printable(status: int, reply: bytes) -> None:
    """Neither escape sequences nor lines of their own nor megabytes get into a message; ``raw`` keeps what came."""
    with pytest.raises((ApiError, InvalidReply)) as raised:
        read_as(decode(ASKED, status, {"Content-Type": HOSTILE}, reply, now=NOW), Payment)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 10_000
    if isinstance(raised.value, ApiError):
        problem = raised.value.problem
        shown = [problem.title, problem.detail, problem.code, problem.trace_id, problem.instance]
        shown += [*problem.fields, *problem.fields.values()]
        assert all(text is None or text.isprintable() for text in shown)
        assert len(repr(problem)) < 10_000
        assert problem.raw == (json.loads(reply) if reply.startswith((b"{", b"[")) else reply[:200].decode())


def test_an_error_code_after_many_fields_is_found() -> None:
    """However many fields are shown, the code is read wherever it stands."""
    details = [{"name": f"field{n}", "reason": "bad"} for n in range(100)]
    said = {"extraDetails": [*details, {"name": "ErrorCode", "reason": "6080"}]}
    problem = read_problem(json.dumps(said).encode(), status=400, path=ASKED.path)
    assert (problem.code, len(problem.fields)) == ("6080", 20)


@given(st.integers(min_value=100, max_value=599), st.binary(max_size=50))
def test_no_bytes_raise_anything_else(status: int, reply: bytes) -> None:
    """Any status with any bytes is a value or an error of the tree."""
    try:
        decode(ASKED, status, {}, reply, now=NOW)
    except (ApiError, InvalidReply) as error:
        text = str(error)
    else:
        text = str(status)
    assert str(status) in text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("20", 20.0),
        ("1.5", 1.5),
        ("3601", 3600.0),
        ("99999999999", 3600.0),
        ("1e999", 3600.0),
        ("Mon, 19 Jan 2099 16:26:52 GMT", 3600.0),
        ("Mon, 19 Jan 2026 16:26:52 GMT", 20.0),
        ("Mon, 19 Jan 2026 17:26:52 +0100", 20.0),
        ("Mon, 19 Jan 2026 16:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("5, 10", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    """A number and an HTTP date give the seconds from now, from 0 to an hour; anything else says nothing."""
    assert read_retry_after(value, now=NOW) == seconds


@pytest.mark.usefixtures("in_tokyo")
def test_a_date_without_a_zone_is_utc_on_any_machine() -> None:
    """``-0000`` names no zone, and is not taken for that of the machine."""
    assert read_retry_after("Mon, 19 Jan 2026 16:26:52 -0000", now=NOW) == 20.0


def test_the_wait_is_on_the_error() -> None:
    """An error carries what ``Retry-After`` asked for, and says so."""
    error = refusal(429, b"", **{"Retry-After": "20"})
    assert error.retry_after == timedelta(seconds=20)
    assert "the server asks to wait 20 s" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, "6080", "wait for the AUTHORIZED event, then capture"),
        (423, "6160", "same idempotency key"),
        (409, "4150", "get(reference)"),
        (400, None, "correct the request"),
        (400, "9999", "correct the request"),
        (429, None, "5 writes and 120 reads a minute"),
        (401, None, "check the API keys"),
    ],
)
def test_an_error_says_what_to_do_next(status: int, code: str | None, advice: str) -> None:
    """The advice is the code's, and else the status's."""
    assert advice in str(hint_for(status, Problem(code=code, source="api"), ASKED))


@pytest.mark.parametrize(("status", "code"), [(400, None), (423, None), (423, "6160"), (500, "6280")])
def test_a_call_without_a_key_is_not_advised_to_use_one(status: int, code: str | None) -> None:
    """The next step is one that the call can take."""
    problem = Problem(code=code, source="api")
    assert "idempotency key" in str(hint_for(status, problem, ASKED))
    assert "idempotency key" not in str(hint_for(status, problem, call.read("get", "/x", rules=RULES)))


def test_a_proxy_that_wants_a_password_is_told_as_one() -> None:
    """A 407 speaks of the proxy, whatever the call: the API keys have nothing to do with it."""
    assert "the proxy" in str(hint_for(407, Problem(), ASKED))
    assert "a proxy, a firewall or a gateway" in str(hint_for(403, Problem(detail="<h1>Blocked</h1>"), ASKED))


def test_where_only_time_helps_there_is_no_advice() -> None:
    """A plain 5xx and an unknown status have no remedy, and the message none either."""
    assert hint_for(503, Problem(), ASKED) is None
    assert "next:" not in str(refusal(503, b""))


def test_a_document_is_read_as_a_model() -> None:
    """A documented reply is its model; one of another type is `InvalidReply` with the field."""
    said = document("current-get-payment-authorized")
    assert read_as(said, Payment).reference == said["reference"]
    with pytest.raises(InvalidReply, match=r"documented types: required field missing @ Payment\.state"):
        read_as({name: value for name, value in said.items() if name != "state"}, Payment)


@pytest.mark.parametrize("said", [None, {}, [], "text"])
def test_a_reply_without_a_documented_body_is_ignored(said: Any) -> None:
    """Whatever such a reply holds, it reads as ``None``."""
    reader: Any = ignore
    assert reader(said) is None


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, "api"),
        ({"instance": None}, None),
        ({"instance": "/vipps-userinfo-api/userinfo/other"}, None),
        ({"status": "403"}, None),
        ({"title": None}, None),
    ],
)
def test_a_problem_of_an_api_without_traces_says_all_the_rest(changes: dict[str, Any], source: str | None) -> None:
    """Title, status and the path that was asked; for an API whose problems have a trace that proves nothing."""
    path = "/vipps-userinfo-api/userinfo/somebody"
    said = {"type": "about:blank", "title": "Not Found", "status": "404", "instance": path, **changes}
    body = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    assert read_problem(body, status=404, path=path, has_trace=False).source == source
    assert read_problem(body, status=404, path=path).source is None


@pytest.mark.parametrize(
    ("status", "advice"),
    [(403, "check that the sales unit has this product"), (422, "check the sales unit's setup in the merchant portal")],
)
def test_a_status_without_a_code_has_its_advice(status: int, advice: str) -> None:
    """What to look at first."""
    assert advice in str(hint_for(status, Problem(source="api"), ASKED))


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("amount-too-high", 400, "charge-amount-too-high"),
        ("idempotency", 409, "idempotency-conflict"),
        ("illegal-update", 400, "illegal-agreement-update"),
        ("not-found", 404, None),
        ("phone-number", 400, "validation-error"),
    ],
)
def test_the_end_of_a_problem_s_type_is_its_code(name: str, status: int, code: str | None) -> None:
    """Of an API that has no numbers: whatever stands before the ``#``, which has changed before."""
    written = document(f"current-recurring-problem-{name}")
    path = written["instance"].replace("/vipps-recurring-merchant-api", "/recurring")
    for base in ("https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems", "/problems"):
        kind = written["type"] if code is None else f"{base}#{code}"
        found = read_problem(json.dumps({**written, "type": kind}).encode(), status=status, path=path)
        assert (found.code, found.source) == (code, "api")


def test_a_status_that_does_not_tell_of_an_effect_is_no_success() -> None:
    """Where one status alone tells it, another below 300 leaves open what happened."""
    modification = call.write("capture", "/toys/1/capture", {}, key="key-1", expects_body=False, only_status=204)
    assert decode(modification, 204, {}, b"", now=NOW) is None
    for status in (200, 202):
        with pytest.raises(InvalidReply, match=f"HTTP {status} instead of 204"):
            decode(modification, status, {}, b"", now=NOW)
