"""Whether a call is attempted again, after how long, and what its end means: decisions without I/O."""

import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipps_async import RetryPolicy
from vipps_async._http import call
from vipps_async._http.retry import Again, Attempts, is_transient, may_have_applied, repeat, settles
from vipps_async._redaction import described
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
KEYED = call.write("capture", "/x", {}, key="key-1")
KEYLESS = call.write("register webhook", "/x", {})
POLICY = RetryPolicy(initial_delay=0.5, longest_delay=8.0)

UNSENT = ConnectionFailed("refused", sent=False)
SILENT = ConnectionFailed("timed out", sent=True)
GARBLED = InvalidReply("HTML")


def said(status: int, retry_after: float | None = None, code: str | None = None) -> ApiError:
    """An error of that status."""
    kind = ServerError if status >= 500 else ApiError
    return kind(status, Problem(code=code), retry_after=retry_after)


def tried(
    attempted: call.Call, *failures: CallError, policy: RetryPolicy = POLICY
) -> tuple[Attempts, list[float | None]]:
    """Fail that often in a row; return the attempts and each wait that was decided."""
    attempts, waits = Attempts(attempted, policy), []
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
    policy = RetryPolicy(initial_delay=initial, longest_delay=longest)
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
    attempts = Attempts(READ, RetryPolicy(initial_delay=0.1))
    attempts.begin()
    error = said(429, retry_after=20.0)
    wait = attempts.wait_after(error, left=left, reauthorized=False)
    assert (wait is not None) is goes_on
    final = attempts.verdict(error)
    assert isinstance(final, ApiError)
    assert final.retry_after == 20.0


def test_a_renewed_token_costs_no_attempt() -> None:
    """After a 401 the call is repeated at once, one time, and its four attempts remain."""
    attempts = Attempts(KEYED, POLICY)
    attempts.begin()
    assert attempts.wait_after(said(401), left=5.0, reauthorized=True) == 0.0
    for _ in range(3):
        attempts.begin()
        assert attempts.wait_after(said(503), left=1000.0, reauthorized=False) is not None
    attempts.begin()
    assert attempts.wait_after(said(503), left=1000.0, reauthorized=False) is None
    assert attempts.sent == 5


def test_a_second_401_ends_the_call() -> None:
    """A token that is refused right after it was renewed is not renewed again."""
    attempts = Attempts(KEYED, POLICY)
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
    unknown = tried(KEYED, *[error] * 4)[0].verdict(error)
    assert type(unknown) is OutcomeUnknown
    assert (unknown.operation, unknown.attempts, unknown.idempotency_key) == ("capture", 4, "key-1")
    assert unknown.__cause__ is error
    assert "it may or may not have taken effect" in str(unknown)
    assert "next: repeat it with the same arguments and this idempotency key" in str(unknown)
    assert tried(READ, *[error] * 4)[0].verdict(error) is error


@pytest.mark.parametrize("error", CLEAR, ids=text_of)
def test_an_answer_leaves_nothing_unknown(error: CallError) -> None:
    """A write that was never sent, or was refused, is told as it is, with the call's facts."""
    assert not may_have_applied(error)
    assert tried(KEYED, error)[0].verdict(error) is error
    assert (error.operation, error.attempts, error.idempotency_key) == ("capture", 1, "key-1")


@pytest.mark.parametrize("error", UNCLEAR, ids=text_of)
def test_a_write_without_a_key_is_not_repeated_blindly(error: CallError) -> None:
    """Without a key nothing would tell that a repetition is one, so the call ends with the advice to look first."""
    attempts, waits = tried(KEYLESS, error)
    assert waits == [None]
    unknown = attempts.verdict(error)
    assert type(unknown) is OutcomeUnknown
    assert "next: read what it changes before repeating it" in str(unknown)
    assert unknown.idempotency_key is None


def test_a_write_without_a_key_that_was_never_sent_is_repeated() -> None:
    """A refused connection and a 429 are attempted again even without a key."""
    assert tried(KEYLESS, UNSENT)[1] != [None]
    assert tried(KEYLESS, said(429))[1] != [None]


@pytest.mark.parametrize("status", [400, 404, 418, 422])
def test_a_refusal_settles_the_attempts_before_it(status: int) -> None:
    """A repeated key is answered as the first request was, so a refusal tells that nothing took effect."""
    assert settles(said(status))
    final = said(status)
    assert tried(KEYED, SILENT, final)[0].verdict(final) is final


@pytest.mark.parametrize("status", [301, 401, 403, 408, 409, 423, 429, 503])
def test_an_answer_that_tells_nothing_of_earlier_attempts_settles_nothing(status: int) -> None:
    """After a silent attempt, a gateway's refusal, a lock, a conflict or a redirect leaves the outcome unknown."""
    final = said(status)
    assert not settles(final)
    unknown = tried(KEYED, SILENT, final)[0].verdict(final)
    assert type(unknown) is OutcomeUnknown
    assert unknown.__cause__ is final


@pytest.mark.parametrize(
    ("operation", "code", "is_settled"),
    [
        ("cancel", "6050", False),
        ("cancel", "6190", False),
        ("capture", "6170", False),
        ("refund", "6180", False),
        ("capture", "6080", True),
    ],
)
def test_a_refusal_that_an_earlier_attempt_may_have_caused_settles_nothing(
    operation: str,
    code: str,
    is_settled: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Done already, after silence, may be the call's own doing; alone it is a refusal, as any other always is."""
    write = call.write(operation, "/x", {}, key="key-1")
    final = said(400, code=code)
    assert settles(final) is is_settled
    told = tried(write, SILENT, final)[0].verdict(final)
    assert (told is final, type(told) is OutcomeUnknown) == (is_settled, not is_settled)
    assert tried(write, final)[0].verdict(final) is final


def test_a_deadline_during_an_attempt_leaves_a_write_unknown() -> None:
    """The deadline that cuts a write under way leaves it unknown; a read, and a write never sent, exceed it."""
    cause = TimeoutError()
    for attempted, sends, kind in [
        (KEYED, True, OutcomeUnknown),
        (KEYED, False, DeadlineExceeded),
        (READ, True, DeadlineExceeded),
    ]:
        attempts = Attempts(attempted, POLICY)
        if sends:
            attempts.begin()
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


async def test_repeating_goes_on_until_something_else_than_again() -> None:
    """`repeat` awaits as often as `Again` is raised, and then gives the result."""
    left = [Again(0.0)] * 7

    async def attempt() -> str:
        if left:
            raise left.pop()
        return "done"

    assert await repeat(attempt) == "done"
    assert left == []


async def test_any_other_error_ends_the_repetition() -> None:
    """What is not `Again` is raised as it is, the same object."""
    error = said(400)
    count = 0

    async def attempt() -> None:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(ApiError) as raised:
        await repeat(attempt)
    assert raised.value is error
    assert count == 1


@pytest.mark.parametrize("attempts", [0, 5, -1, True, 2.0, "3", None])
def test_a_policy_makes_one_to_four_attempts(attempts: Any) -> None:
    """Five writes a minute are allowed, and one is kept for a renewed token: more than 4 attempts are refused."""
    with pytest.raises(ConfigurationError, match=rf"attempts={re.escape(described(attempts))} must be 1 to 4"):
        RetryPolicy(attempts=attempts)


@pytest.mark.parametrize("field", ["initial_delay", "longest_delay", "attempt_timeout"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), 10**400, 86_401, True, "1", None])
def test_a_policy_s_times_are_seconds_above_zero(field: str, value: Any) -> None:
    """A time that is not a number above 0, or longer than a day, is refused by name."""
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError) as refusal:
        RetryPolicy(**fields)
    assert str(refusal.value) == f"{field}={described(value)} must be a number of seconds above 0, and a day at most"
    assert attrs.evolve(POLICY, **{field: 1}) == RetryPolicy(**{**attrs.asdict(POLICY), field: 1})
