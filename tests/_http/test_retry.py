"""Whether a call is attempted again, after how long, and what its end means: decisions without I/O."""

import copy
import re
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import RetryPolicy
from vipps_async._http import call
from vipps_async._http.retry import Attempts, RetryBudget, is_transient, may_have_applied, proves_no_effect
from vipps_async._wire.secret import described
from vipps_async.epayment._errors import RULES
from vipps_async.errors import (
    ApiError,
    CallError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidReply,
    OutcomeUnknown,
    Problem,
    ServerError,
)

READ = call.read("get", "/x")
KEYED = call.write("capture", "/x", {}, key="key-1", rules=RULES)
KEYLESS = call.write("register webhook", "/x", {})
POLICY = RetryPolicy(initial_delay=0.5, max_delay=8.0)

UNSENT = ConnectionFailed("refused", sent=False)
SILENT = ConnectionFailed("timed out", sent=True)
GARBLED = InvalidReply("HTML")


def said(
    status: int, retry_after: float | None = None, code: str | None = None, source: str | None = "api", **fields: str
) -> ApiError:
    """An error of that status, in the API's own words unless *source* says whose they are."""
    kind = ServerError if status >= 500 else ApiError
    return kind(status, Problem(code=code, source=source, fields=fields), retry_after=retry_after)


def tried(
    attempted: call.Call, *failures: CallError, policy: RetryPolicy = POLICY
) -> tuple[Attempts, list[float | None]]:
    """Fail that often in a row; return the attempts and each wait that was decided."""
    attempts, waits = Attempts(attempted, policy, RetryBudget()), []
    for failure in failures:
        attempts.begin()
        waits.append(attempts.wait_after(failure, left=1000.0, reauthorized=False))
    return attempts, waits


AGAIN = [UNSENT, SILENT, GARBLED, *map(said, (408, 423, 429, 500, 502, 503, 504, 599))]
AT_ONCE = [ClientClosed(), *map(said, (301, 302, 400, 401, 403, 404, 409, 418, 422))]


def text_of(error: CallError) -> str:
    """A name for a parameter."""
    return f"{type(error).__name__}-{getattr(error, 'status', '')}"


@pytest.mark.parametrize("error", AGAIN, ids=text_of)
def test_passing_trouble_is_tried_again(error: CallError) -> None:
    """Connection errors, broken replies, 408, 423, 429 and 5xx are attempted again, four times in all."""
    assert is_transient(error)
    _, waits = tried(READ, *[error] * 4)
    assert [wait is None for wait in waits] == [False, False, False, True]


@pytest.mark.parametrize("error", AT_ONCE, ids=text_of)
def test_a_refusal_is_never_tried_again(error: CallError) -> None:
    """Other 4xx, redirects and a closed client end the call at once."""
    assert not is_transient(error)
    assert tried(KEYED, error)[1] == [None]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_the_policy_limits_the_attempts(limit: int) -> None:
    """As many attempts are made as the policy says."""
    _, waits = tried(READ, *[SILENT] * limit, policy=RetryPolicy(attempts=limit))
    assert waits.index(None) == limit - 1


@given(
    initial=st.floats(min_value=0.01, max_value=10),
    longest=st.floats(min_value=0.01, max_value=10),
    asked=st.none() | st.floats(min_value=0, max_value=100),
)
def test_waits_are_bounded_and_never_undercut_what_was_asked(
    initial: float, longest: float, asked: float | None
) -> None:
    """The n-th random wait is at most the doubled delay and the longest; ``Retry-After`` comes on top."""
    policy = RetryPolicy(initial_delay=initial, max_delay=longest)
    _, waits = tried(READ, *[said(503, asked)] * 3, policy=policy)
    for count, wait in enumerate(waits):
        assert wait is not None
        assert (asked or 0.0) <= wait <= (asked or 0.0) + min(longest, initial * 2**count) + 1e-9


def test_waits_are_jittered() -> None:
    """Two callers that fail together do not come back together."""
    assert len({tried(READ, SILENT)[1][0] for _ in range(20)}) > 15


@pytest.mark.parametrize(("left", "goes_on"), [(20.0, False), (19.0, False), (30.0, True)])
def test_a_wait_beyond_the_deadline_ends_the_call(left: float, goes_on: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A server that asks for more time than there is ends the call now, and the wait is on the error."""
    attempts = Attempts(READ, RetryPolicy(initial_delay=0.1), RetryBudget())
    attempts.begin()
    error = said(429, retry_after=20.0)
    wait = attempts.wait_after(error, left=left, reauthorized=False)
    assert (wait is not None) is goes_on
    final = attempts.final_error(error)
    assert isinstance(final, ApiError)
    assert final.retry_after == timedelta(seconds=20)


def test_a_renewed_token_costs_no_attempt() -> None:
    """After a 401 the call is repeated at once, one time, and its four attempts remain."""
    attempts = Attempts(KEYED, POLICY, RetryBudget())
    attempts.begin()
    assert attempts.wait_after(said(401), left=5.0, reauthorized=True) == 0.0
    for _ in range(3):
        attempts.begin()
        assert attempts.wait_after(said(503), left=1000.0, reauthorized=False) is not None
    attempts.begin()
    assert attempts.wait_after(said(503), left=1000.0, reauthorized=False) is None
    assert attempts.made == 5


def test_a_second_401_ends_the_call() -> None:
    """A token that is refused right after it was renewed is not renewed again."""
    attempts = Attempts(KEYED, POLICY, RetryBudget())
    attempts.begin()
    attempts.wait_after(said(401), left=5.0, reauthorized=True)
    attempts.begin()
    assert attempts.wait_after(said(401), left=5.0, reauthorized=True) is None


UNCLEAR = [SILENT, GARBLED, *map(said, (408, 500, 502, 503))]
CLEAR = [UNSENT, *map(said, (400, 401, 403, 404, 409, 422, 423, 429))]


@pytest.mark.parametrize("error", UNCLEAR, ids=text_of)
def test_silence_leaves_a_write_unknown(error: CallError) -> None:
    """A write that was sent and not answered may have taken effect; a read never leaves anything unknown."""
    assert may_have_applied(error)
    unknown = tried(KEYED, *[error] * 4)[0].final_error(error)
    assert type(unknown) is OutcomeUnknown
    assert (unknown.operation, unknown.attempts, unknown.idempotency_key) == ("capture", 4, "key-1")
    assert unknown.__cause__ is error
    assert "it may or may not have taken effect" in str(unknown)
    assert "next: repeat it with the same arguments and this idempotency key" in str(unknown)
    assert tried(READ, *[error] * 4)[0].final_error(error) is error


@pytest.mark.parametrize("error", CLEAR, ids=text_of)
def test_an_answer_leaves_nothing_unknown(error: CallError) -> None:
    """A write that was never sent, or was refused, is told as it is, with the call's facts."""
    assert not may_have_applied(error)
    assert tried(KEYED, error)[0].final_error(error) is error
    assert (error.operation, error.attempts, error.idempotency_key) == ("capture", 1, "key-1")


@pytest.mark.parametrize("error", UNCLEAR, ids=text_of)
def test_a_write_without_a_key_is_not_repeated_blindly(error: CallError) -> None:
    """Without a key nothing would tell that a repetition is one, so the call ends with the advice to look first."""
    attempts, waits = tried(KEYLESS, error)
    assert waits == [None]
    unknown = attempts.final_error(error)
    assert type(unknown) is OutcomeUnknown
    assert "next: read what it changes before repeating it" in str(unknown)
    assert unknown.idempotency_key is None


def test_a_write_without_a_key_that_was_never_sent_is_repeated() -> None:
    """A refused connection and a 429 are attempted again even without a key."""
    assert tried(KEYLESS, UNSENT)[1] != [None]
    assert tried(KEYLESS, said(429))[1] != [None]


SETTLED = [said(400, code="4040"), said(422, code="6140")]
SETTLED_NOTHING = [
    *(said(status, source=None) for status in (301, 400, 403, 404, 405, 407, 410, 413, 422, 431, 451, 499)),
    *(said(status, source="gateway") for status in (400, 401, 403, 404, 429)),
    *(said(status, code="4040", source=None) for status in (400, 422)),
    *(said(status) for status in (301, 400, 401, 403, 404, 408, 409, 422, 423, 429, 503)),
    *(said(404, field="is unknown"), said(409, code="4150"), said(403, code="5030")),
    *(said(status, code="4040") for status in (302, 401, 403, 404, 408, 409, 423, 429, 503)),
    said(400, expiresAt="must be 10 minutes ahead"),  # which it was at the first attempt
]


@pytest.mark.parametrize("final", SETTLED, ids=str)
def test_what_is_wrong_with_the_request_settles_the_attempts_before_it(final: ApiError) -> None:
    """A request that the API itself calls wrong was so at each attempt: nothing took effect."""
    assert proves_no_effect(final, KEYED)
    assert tried(KEYED, SILENT, final)[0].final_error(final) is final


@pytest.mark.parametrize("final", SETTLED_NOTHING, ids=str)
def test_nothing_but_the_api_s_own_words_settles_the_attempts_before_them(final: ApiError) -> None:
    """After a silent attempt, a page of any status, a lock, a conflict or an absence leaves the outcome unknown."""
    assert not proves_no_effect(final, KEYED)
    unknown = tried(KEYED, SILENT, final)[0].final_error(final)
    assert type(unknown) is OutcomeUnknown
    assert unknown.idempotency_key == "key-1"
    assert unknown.__cause__ is final


STATE_CODES = ["4050", "4060", "4150", "5070", "5090", "6020", "6030", "6040", "6050", "6060", "6070", "6080", "6090"]
STATE_CODES += ["6100", "6120", "6150", "6170", "6180", "6190", "6200", "6210", "6220", "6230", "6260", "7010", "9999"]


@pytest.mark.parametrize("code", STATE_CODES)
def test_what_an_earlier_attempt_may_have_caused_settles_nothing(code: str) -> None:
    """More than remains, done already, gone, or a code that nobody knows: alone a refusal, after silence no proof."""
    final = said(400, code=code)
    assert type(tried(KEYED, SILENT, final)[0].final_error(final)) is OutcomeUnknown
    assert tried(KEYED, final)[0].final_error(final) is final


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 409, 410, 413, 422, 423, 429, 431, 451])
def test_a_page_in_place_of_the_api_s_answer_leaves_a_write_unknown(status: int) -> None:
    """Whoever answered the only attempt may have passed it on; a read changes nothing, and is told as it is."""
    page = said(status, source=None)
    assert may_have_applied(page)
    assert type(tried(KEYED, page)[0].final_error(page)) is OutcomeUnknown
    assert tried(READ, page)[0].final_error(page) is page


@pytest.mark.parametrize("status", [401, 403, 429])
def test_who_does_not_let_a_sender_through_passes_nothing_on(status: int) -> None:
    """A gateway that knows no such key, or has heard too much: nothing took effect. Another's page tells nothing."""
    refusal = said(status, source="gateway")
    assert not may_have_applied(refusal)
    assert tried(KEYED, refusal)[0].final_error(refusal) is refusal
    assert may_have_applied(said(status, source=None))
    assert may_have_applied(said(status, source="identity"))


@pytest.mark.parametrize("status", [400, 404, 405, 422, 502])
def test_what_else_a_gateway_says_tells_nothing(status: int) -> None:
    """A gateway that finds no such path, or no such server, may say so of what it has passed on."""
    assert may_have_applied(said(status, source="gateway"))


@pytest.mark.parametrize("error", [said(400, code="4040"), said(401), said(400, source=None), said(503)], ids=str)
def test_a_token_that_cannot_be_had_tells_nothing_of_what_was_sent(error: ApiError) -> None:
    """Between two attempts the token endpoint's refusal leaves the outcome open; before any it is told as it is."""
    unknown = tried(KEYED, SILENT)[0].without_token(error)
    assert type(unknown) is OutcomeUnknown
    assert unknown.idempotency_key == "key-1"
    told = Attempts(KEYED, POLICY, RetryBudget()).without_token(error)
    assert type(told) is type(error)
    assert "no access token: " in str(told)
    assert (told.operation, told.attempts) == ("capture", 0)
    assert error.operation == "call"  # the error that all callers share stays as it is


def test_a_storm_is_answered_with_a_bounded_number_of_repeats() -> None:
    """While nothing succeeds, all calls of a client are repeated a hundred times in all; success earns repeats anew."""
    budget = RetryBudget()

    def repeats() -> int:
        attempts = Attempts(READ, POLICY, budget)
        for count in range(4):
            attempts.begin()
            if attempts.wait_after(said(503), left=1000.0, reauthorized=False) is None:
                return count
        return 4

    assert sum(repeats() for _ in range(500)) == 100
    for _ in range(100):
        answered = Attempts(READ, POLICY, budget)
        answered.begin()
        answered.succeeded()
    assert 8 <= sum(repeats() for _ in range(500)) <= 10


def test_calls_that_succeed_after_repeats_cost_the_budget_nothing() -> None:
    """A service that fails half of its calls is served as long as it lives."""
    budget = RetryBudget()
    for _ in range(1000):
        attempts = Attempts(READ, POLICY, budget)
        attempts.begin()
        assert attempts.wait_after(said(503), left=1000.0, reauthorized=False) is not None
        attempts.begin()
        attempts.succeeded()


@pytest.mark.parametrize("sent", [True, False])
def test_what_interrupts_a_call_is_told_by_what_was_sent(sent: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A bug, a closed loop, anything: once a write was sent its outcome is open, before it nothing happened."""
    attempts = Attempts(KEYED, POLICY, RetryBudget())
    attempts.begin()
    if sent:
        attempts.on_sent()
    cause = KeyError("a metric\nwithout this label")
    error = attempts.interrupted(cause)
    assert type(error) is (OutcomeUnknown if sent else ConnectionFailed)
    assert error.__cause__ is cause
    assert "\n" not in str(error)
    assert error.idempotency_key == "key-1"


@pytest.mark.parametrize("error", [said(429), said(400, code="6170"), said(401, source="gateway"), UNSENT], ids=text_of)
def test_what_ends_a_repeat_by_key_tells_nothing_of_the_call_before(error: CallError) -> None:
    """A caller that gives a key may have sent it before: what is refused now may have taken effect then."""
    repeat = attrs.evolve(KEYED, may_be_a_repeat=True)
    told = tried(repeat, copy.copy(error))[0].final_error(copy.copy(error))
    assert type(told) is type(error)
    assert "tells nothing of an earlier call with this idempotency key" in str(told)
    assert "earlier call" not in str(tried(KEYED, copy.copy(error))[0].final_error(copy.copy(error)))
    settled = said(400, code="4040")
    assert "earlier call" not in str(tried(repeat, settled)[0].final_error(settled))


def test_an_unknown_outcome_has_one_next_step() -> None:
    """The advice of the error that ended the call would be another, and is left out."""
    last = ServerError(500, Problem(code="3010", title="Internal error"), hint="compare the request with the documents")
    unknown = str(tried(KEYED, SILENT, last)[0].final_error(last))
    assert unknown.count("next:") == 1
    assert "HTTP 500, error 3010; Internal error" in unknown
    assert "compare" not in unknown


def test_a_deadline_during_an_attempt_leaves_a_write_unknown() -> None:
    """The deadline that cuts a write under way leaves it unknown; a read, and a write never sent, exceed it."""
    cause = TimeoutError()
    for attempted, sends, kind in [
        (KEYED, True, OutcomeUnknown),
        (KEYED, False, DeadlineExceeded),
        (READ, True, DeadlineExceeded),
    ]:
        attempts = Attempts(attempted, POLICY, RetryBudget())
        if sends:
            attempts.begin()
            attempts.on_sent()
        error = attempts.out_of_time(5.0, cause)
        assert type(error) is kind
        assert error.__cause__ is cause
        assert "no reply within 5 s" in str(error)
        assert error.attempts == int(sends)


def test_a_deadline_between_attempts_remembers_the_ones_before() -> None:
    """During a wait the outcome is what the attempts before it left: unknown after silence, nothing after a 429."""
    assert type(tried(KEYED, SILENT)[0].out_of_time(5.0, TimeoutError())) is OutcomeUnknown
    assert type(tried(KEYED, said(429))[0].out_of_time(5.0, TimeoutError())) is DeadlineExceeded
    assert type(tried(KEYED, UNSENT)[0].out_of_time(5.0, TimeoutError())) is DeadlineExceeded


@pytest.mark.parametrize("attempts", [0, 5, -1, True, 2.0, "3", None])
def test_a_policy_makes_one_to_four_attempts(attempts: Any) -> None:
    """Five writes a minute are allowed, and one is kept for a renewed token: more than 4 attempts are refused."""
    with pytest.raises(ConfigurationError, match=rf"attempts={re.escape(described(attempts))} must be 1 to 4"):
        RetryPolicy(attempts=attempts)


@pytest.mark.parametrize("field", ["initial_delay", "max_delay", "attempt_timeout"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), 10**400, 86_401, True, "1", None])
def test_a_policy_s_times_are_seconds_above_zero(field: str, value: Any) -> None:
    """A time below a millisecond, or longer than a day, is refused by name."""
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError) as refusal:
        RetryPolicy(**fields)
    assert re.match(rf"{field}=.* must be seconds, or a timedelta, from 0\.001 seconds to a day", str(refusal.value))
    assert attrs.evolve(POLICY, **{field: 1}) == RetryPolicy(**{**attrs.asdict(POLICY), field: 1})
