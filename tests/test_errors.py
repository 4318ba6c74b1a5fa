"""One tree of errors, as drawn; each says what failed and what to do next, and travels between processes."""

import copy
import pickle
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import document
from vipps_async import Amount, Payment, errors
from vipps_async._wire.converter import structure
from vipps_async.errors import Problem

PROBLEM = Problem(
    title="Cannot capture before reservation.",
    detail="Nothing is reserved.",
    code="6080",
    trace_id="00-813b-01",
    fields={"modificationAmount": "too much"},
    raw={"status": 400},
)


def named(error: errors.CallError) -> errors.CallError:
    """Fill in what a session knows of the call."""
    error.operation, error.attempts, error.idempotency_key = "capture", 3, "key-1"
    return error


def timed_out(last: Payment | None) -> errors.WaitTimeout:
    """A wait's end, in which the payment was seen so last."""
    state = last.state if last else None
    return errors.WaitTimeout(
        "acme-shop-1", timedelta(seconds=2.5), last, kind="payment", state=state, remedy="read it later"
    )


EXAMPLES: list[errors.VippsError] = [
    errors.VippsError("anything"),
    errors.ConfigurationError("timeout=0 must be above 0"),
    errors.InvalidRequest("amount.value", 1.5, "must be an int"),
    errors.WrongEventLoop("this VippsClient"),
    named(errors.CallError("it failed")),
    named(errors.ConnectionFailed("no reply", sent=True)),
    named(errors.DeadlineExceeded("no reply within 5 s")),
    named(errors.OutcomeUnknown("it may or may not have taken effect")),
    named(errors.ClientClosed()),
    named(errors.InvalidReply("HTML")),
    named(errors.ApiError(418, PROBLEM, hint="stop", retry_after=1.5)),
    *(
        named(kind(400, PROBLEM))
        for kind in (
            errors.BadRequest,
            errors.Unauthorized,
            errors.Forbidden,
            errors.NotFound,
            errors.Conflict,
            errors.Locked,
            errors.RateLimited,
            errors.ServerError,
        )
    ),
    errors.NotInReply("redirect_url", "ask has_redirect_url"),
    timed_out(None),
    timed_out(structure(document("current-get-payment-created"), Payment)),
    errors.DeliveryError("refused"),
    errors.NotAuthentic("no x-ms-date"),
    errors.NotAnEvent("not JSON"),
    errors.ClaimHeld("psp:CAPTURED", retry_after=0.5),
    errors.HandlerTimeout("handler ship took longer than 0:05:00"),
]


def classes() -> dict[str, type[errors.VippsError]]:
    """Every class of the tree, by name."""
    found = vars(errors).values()
    return {kind.__name__: kind for kind in found if isinstance(kind, type) and issubclass(kind, errors.VippsError)}


def drawn() -> dict[str, str | None]:
    """Each class that the docstring draws, with the one it hangs below."""
    below: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:[│ ]   )*(?:[├└]── )?)(\w+)", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            below[match[2]] = path[depth - 1] if depth else None
    return below


def test_the_drawing_is_the_tree() -> None:
    """Every class is drawn in the module's docstring below its base, and everything drawn exists."""
    bases = {
        name: next((base.__name__ for base in kind.__bases__ if base.__name__ in classes()), None)
        for name, kind in classes().items()
    }
    assert drawn() == bases
    assert len(bases) > 20


def test_every_class_has_an_example_here() -> None:
    """The tests below see every class of the tree."""
    assert {type(error).__name__ for error in EXAMPLES} == set(classes())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_travel(error: errors.VippsError) -> None:
    """Pickling and copying keep the type, the text and every attribute."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - pickled here
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_one_except_catches_all(error: errors.VippsError) -> None:
    """Every error of the package is a `VippsError`."""
    with pytest.raises(errors.VippsError):
        raise error


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigurationError, ValueError),
        (errors.InvalidRequest, ValueError),
        (errors.WaitTimeout, TimeoutError),
    ],
)
def test_some_errors_are_also_python_s_own(kind: type[Exception], builtin: type[Exception]) -> None:
    """Bad settings and bad input are a `ValueError`, a wait without end a `TimeoutError`."""
    assert issubclass(kind, builtin)


def test_a_refused_request_says_field_value_and_rule() -> None:
    """The message and the attributes give the field, the value and the rule."""
    error = errors.InvalidRequest("amount.value", 1.5, "must be an int")
    assert str(error) == "amount.value=1.5 was refused before sending: must be an int"
    assert (error.field, error.value, error.rule) == ("amount.value", 1.5, "must be an int")


def test_a_long_value_is_shortened_in_the_message() -> None:
    """The message shows the beginning of a long value and its length; the attribute has all of it."""
    error = errors.InvalidRequest("return_url", "x" * 5000, "must be shorter")
    assert len(str(error)) < 250
    assert "(5002 characters)" in str(error)
    assert error.value == "x" * 5000


def test_a_call_s_error_says_which_call_it_was() -> None:
    """The text names the operation, the attempts and the key that repeats it, where there are any."""
    assert str(named(errors.OutcomeUnknown("lost"))) == "capture: lost [attempts 3, idempotency key key-1]"
    assert str(errors.InvalidReply("HTML")) == "call: HTML"


def test_an_api_error_says_what_failed_and_what_next() -> None:
    """The text has status, code, title, detail, fields, the remedy, the wait, and the trace for the support."""
    error = named(errors.BadRequest(400, PROBLEM, hint="wait for AUTHORIZED", retry_after=20.0))
    assert str(error) == (
        "capture: HTTP 400, error 6080; Cannot capture before reservation; Nothing is reserved; "
        "modificationAmount: too much; next: wait for AUTHORIZED; the server asks to wait 20 s "
        "[attempts 3, idempotency key key-1, trace 00-813b-01]"
    )


def test_an_api_error_without_a_body_says_its_status() -> None:
    """An empty problem leaves the status, and neither a code nor a trace."""
    error = errors.ApiError(418, Problem())
    assert str(error) == "call: HTTP 418"
    assert (error.status, error.code, error.trace_id, error.retry_after) == (418, None, None, None)


def test_a_problem_s_raw_body_stays_out_of_its_repr() -> None:
    """A body may hold anything, so the repr leaves it out while the attribute keeps it."""
    assert "raw" not in repr(PROBLEM)
    assert PROBLEM.raw == {"status": 400}


def test_a_wait_s_end_says_what_was_last_seen() -> None:
    """The text has the time waited, the reference, what was seen last, and what to do next."""
    unseen = timed_out(None)
    assert str(unseen).startswith("waited 2.5 s for payment acme-shop-1: it could not be read; ")
    assert str(unseen).endswith("; read it later")
    assert unseen.last is None


def test_a_held_claim_says_when_to_come_back() -> None:
    """`ClaimHeld` names the event and the seconds after which a redelivery makes sense."""
    assert errors.ClaimHeld("psp:CAPTURED").retry_after == timedelta(seconds=2)
    assert str(errors.ClaimHeld("psp:CAPTURED")) == "event psp:CAPTURED is being handled elsewhere"


def test_values_of_any_kind_travel() -> None:
    """A refused value that is an object of this package travels with the error."""
    error = errors.InvalidRequest("amount", Amount(1, "NOK"), "must be more")
    assert pickle.loads(pickle.dumps(error)).value == Amount(1, "NOK")  # noqa: S301 - pickled here


def test_a_value_that_cannot_be_shown_is_named_by_its_class() -> None:
    """A repr that raises, as that of a row whose session is over does, hides no refusal."""

    class Row:
        def __repr__(self) -> str:
            raise RuntimeError("the session is over")

    assert "reference=Row that cannot be shown was refused" in str(errors.InvalidRequest("reference", Row(), "no"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ørsted & Søn – 10 €", "Ørsted & Søn – 10 €"),
        ("two\r\nlines\tand a gap", "two lines and a gap"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("left\u202eright\ud800", "left\\u202eright\\ud800"),
        ("", ""),
        ("x" * 30, "x" * 30),
        ("x" * 31, "x" * 30 + "…"),
        ("\x00" * 30, "\\x00" * 7 + "\\x…"),
    ],
)
def test_text_from_outside_is_made_printable(text: str, shown: str) -> None:
    """What a terminal would obey is escaped, white space is one space, and what is too long is cut."""
    assert errors.printable(text, 30) == shown


@given(st.text(st.characters(), max_size=100))
def test_no_text_is_unprintable_or_too_long(text: str) -> None:
    """Whatever the text, it is one line of the limit and one character more, which tells that it was cut."""
    assert errors.printable(text, 40).isprintable()
    assert len(errors.printable(text, 40)) <= 41
