"""Payments, events and adjustments are read in full from either dialect."""

import copy
import json
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import attrs
import orjson
import pytest

from tests.support.vectors import document, names
from vipps_async import (
    Adjustment,
    Amount,
    CreatedPayment,
    Payment,
    PaymentEvent,
    PaymentEventName,
    PaymentMethodType,
    PaymentState,
    Profile,
)
from vipps_async._wire.converter import Malformed, structure
from vipps_async.epayment._replies import read_adjustment, read_created, read_log
from vipps_async.errors import InvalidReply, NotInReply

RENAMED = {"paymentAction": "name", "processedAt": "timestamp"}
TRANSLATED = {
    "AUTHORISED": "AUTHORIZED",
    "CREATION": "CREATED",
    "AUTHORISATION": "AUTHORIZED",
    "CAPTURE": "CAPTURED",
    "TERMINATION": "TERMINATED",
}
GARBAGE = [1.9, 1.0, True, "12", None, -1, 2**70, [], {}]


def created_from(name: str) -> CreatedPayment:
    """The result of a creation that is answered with that document."""
    said = document(name)
    return read_created(said, said["reference"], "key-1")


def adjusted_from(name: str, **changes: Any) -> Adjustment:
    """The result of a change that is answered with that document, *changes* made to it."""
    said = document(name)
    return read_adjustment({**said, **changes}, said["reference"], "key-1")


def attribute_of(name: str) -> str:
    """The attribute that a wire name lands in."""
    return RENAMED.get(name) or re.sub(r"(?=[A-Z])", "_", name).lower()


def moment_of(text: Any) -> datetime:
    """Read a time in UTC by hand, to the microsecond."""
    digits = re.sub(r"Z|\+00:00$", "", text)
    whole, _, fraction = digits.partition(".")
    return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC, microsecond=int(f"{fraction:0<6}"[:6]))


def assert_lands(said: Any, read: Any, path: str = "") -> None:
    """Assert that all that a document said is in the model that was read from it."""
    if isinstance(said, dict) and not isinstance(read, dict):
        for name, value in said.items():
            assert_lands(value, getattr(read, attribute_of(name)), f"{path}.{name}")
    elif isinstance(said, list):
        assert len(said) == len(read), path
        for index, (value, item) in enumerate(zip(said, read, strict=True)):
            assert_lands(value, item, f"{path}[{index}]")
    elif isinstance(read, datetime):
        assert moment_of(said) == read, path
    else:
        expected = TRANSLATED.get(said, said) if isinstance(said, str) else said
        assert type(read) is type(expected) or isinstance(read, str), path
        assert read == expected, path


@pytest.mark.parametrize("name", [*names("current-get-payment-*"), *names("draft-get-payment-*")])
def test_every_field_of_a_payment_lands(name: str) -> None:
    """Each documented field of a payment is in its attribute, and the document in ``raw``."""
    payment = structure(document(name), Payment)
    assert_lands(document(name), payment)
    assert payment.raw == document(name)


@pytest.mark.parametrize("name", [*names("current-webhook-epayment-*"), *names("draft-notification-*")])
def test_every_field_of_a_delivered_event_lands(name: str) -> None:
    """Each documented field of an event is in its attribute; ``profile.sub`` is in ``sub``."""
    said = document(name)
    event = structure(said, PaymentEvent)
    profile = said.get("profile", {})
    assert_lands({field: value for field, value in said.items() if field != "profile"}, event)
    assert event.sub == profile.get("sub")
    assert event.raw == document(name)


@pytest.mark.parametrize("name", ["current-event-log", "draft-event-log"])
def test_every_field_of_a_log_lands(name: str) -> None:
    """Each entry of an event log is read in full, in order."""
    assert_lands(document(name), read_log(document(name), document(name)[0]["reference"], "123456"))


@pytest.mark.parametrize(("name", "msn"), [("current-event-log", "123456"), ("draft-event-log", None)])
def test_an_entry_of_a_log_has_the_merchant_that_its_delivery_has(name: str, msn: str | None) -> None:
    """Deliveries of the current dialect name it, the draft's do not; what came stays as it came."""
    log = read_log(document(name), document(name)[0]["reference"], "123456")
    assert {event.msn for event in log} == {msn}
    assert [event.raw for event in log] == document(name)


@pytest.mark.parametrize(
    "name",
    [*names("current-capture-response*"), *names("current-cancel-response*"), *names("current-refund-response*")],
)
def test_every_field_of_an_adjustment_lands(name: str) -> None:
    """A capture's, a refund's and a cancellation's reply is read in full, with the key that was sent."""
    adjustment = adjusted_from(name)
    assert_lands(document(name), adjustment)
    assert adjustment.idempotency_key == "key-1"
    assert not adjustment.is_accepted_only
    assert adjustment.raw == document(name)


@pytest.mark.parametrize("name", names("current-create-payment-response-*"))
def test_every_field_of_a_creation_s_reply_lands(name: str) -> None:
    """The short reply gives reference and redirect URL, which PUSH_MESSAGE has not, and no payment."""
    created = created_from(name)
    assert_lands(document(name), created)
    assert created.has_redirect_url is ("push" not in name)
    assert (created.idempotency_key, created.payment, created.raw) == ("key-1", None, document(name))


def test_the_draft_s_reply_to_a_creation_is_a_whole_payment() -> None:
    """The draft's reply gives what the current one gives, and the payment besides."""
    said = document("draft-create-payment-response")
    created = read_created(said, said["reference"], "key-1")
    assert (created.reference, created.redirect_url) == (said["reference"], said["redirectUrl"])
    assert created.payment == structure(said, Payment)
    assert_lands(said, created.payment)
    assert created.raw == said


def test_the_draft_s_reply_to_a_capture_is_empty() -> None:
    """A 202 without a body is an adjustment that is only accepted, under the reference and key that were sent."""
    adjustment = read_adjustment(None, "acme-shop-1", "key-1")
    assert adjustment == Adjustment(reference="acme-shop-1", idempotency_key="key-1")
    assert adjustment.is_accepted_only
    for name in ("state", "amount", "aggregate", "psp_reference"):
        with pytest.raises(NotInReply, match=f"the reply has no {name}: .* read the payment") as refusal:
            getattr(adjustment, name)
        assert refusal.value.name == name
    assert adjustment.raw == {}


def test_a_pushed_payment_has_no_url_to_redirect_to() -> None:
    """Its redirect URL raises, and says what to ask: an empty one would send the user nowhere."""
    created = created_from("current-create-payment-response-push")
    with pytest.raises(NotInReply, match="PUSH_MESSAGE has none; ask has_redirect_url"):
        _ = created.redirect_url


@pytest.mark.parametrize("without", ["aggregate", "reference"])
def test_a_change_whose_reply_lacks_what_decides_is_not_accepted_only(without: str) -> None:
    """Only an empty reply says that the result is still to come; one that lacks the totals is broken."""
    said = document("current-capture-response")
    reference = said["reference"]
    del said[without]
    with pytest.raises(InvalidReply):
        read_adjustment(said, reference, "key-1")


@pytest.mark.parametrize("field", ["state", "amount", "aggregate"])
@pytest.mark.parametrize("odd", [5, [], {"value": 1}])
def test_a_change_whose_reply_has_odd_totals_is_refused(field: str, odd: Any) -> None:
    """What decides over money is strict in an adjustment too."""
    with pytest.raises(InvalidReply):
        adjusted_from("current-capture-response", **{field: odd})


def results() -> list[Any]:
    """A result of each kind, as it is read from a document."""
    return [
        created_from("current-create-payment-response-redirect"),
        created_from("current-create-payment-response-push"),
        created_from("draft-create-payment-response"),
        adjusted_from("current-capture-response"),
        read_adjustment(None, "acme-shop-1", "key-1"),
        structure(document("current-get-payment-express"), Payment),
        structure(document("draft-get-payment-captured"), Payment),
        structure({**document("current-get-payment-authorized"), "metadata": {"a": "b"}}, Payment),
        *(structure(document(name), PaymentEvent) for name in names("current-webhook-epayment-*")),
        *read_log(document("draft-event-log"), document("draft-event-log")[0]["reference"], "123456"),
    ]


@pytest.mark.parametrize("result", results(), ids=lambda result: type(result).__name__)
def test_a_result_travels(result: Any) -> None:
    """Pickled, copied and evolved it is equal, and its repr names what its constructor takes."""
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), attrs.evolve(result)):  # noqa: S301 - pickled here
        assert again == result
        assert again.raw == result.raw
        assert repr(again) == repr(result)
    assert re.match(rf"{type(result).__name__}\(reference=", repr(result))
    assert "(_" not in repr(result)
    assert " _" not in repr(result)
    assert "raw" not in repr(result)


def test_what_is_equal_is_told_apart_by_what_it_says() -> None:
    """Another redirect URL, and other totals, make another result."""
    created = created_from("current-create-payment-response-redirect")
    assert attrs.evolve(created, redirect_url="https://other.example") != created
    adjustment = adjusted_from("current-capture-response")
    assert attrs.evolve(adjustment, aggregate=None) != adjustment


def assert_plain(value: Any) -> None:
    """Assert that *value* is JSON's own types, and none of their subclasses."""
    assert type(value) in {dict, list, str, int, bool, type(None)}
    for part in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []:
        assert_plain(part)


@pytest.mark.parametrize("result", results(), ids=lambda result: type(result).__name__)
def test_a_result_leaves_for_json(result: Any) -> None:
    """`to_dict` gives plain types under Python's names, all of them, whatever the document said, and no ``raw``."""
    plain = result.to_dict()
    assert_plain(plain)
    assert list(plain) == [field.alias for field in attrs.fields(type(result)) if field.name != "raw"]
    assert json.loads(json.dumps(plain)) == json.loads(orjson.dumps(plain)) == plain


def test_a_payment_leaves_as_it_reads() -> None:
    """Amounts, times, enums and parts have the form that a web page expects."""
    said = {
        **document("current-get-payment-express"),
        "state": "NEW\x1bSTATE",
        "captureGuaranteedUntil": "2026-09-01T09:53:44.812+02:00",
        "metadata": {"location": "Oslo"},
    }
    plain = structure(said, Payment).to_dict()
    assert plain["amount"] == {"value": said["amount"]["value"], "currency": "NOK"}
    assert plain["aggregate"]["captured_amount"] == {"value": 0, "currency": "NOK"}
    assert plain["state"] == "NEW\x1bSTATE"
    assert plain["capture_guaranteed_until"] == "2026-09-01T07:53:44.812000Z"
    assert plain["metadata"] == {"location": "Oslo"}
    assert plain["payment_method"] == {"type": said["paymentMethod"]["type"], "card_bin": None}
    assert plain["user_details"]["email"] == said["userDetails"]["email"]
    assert plain["user_details"]["addresses"][0]["city"] == said["userDetails"]["addresses"][0]["city"]
    assert plain["redirect_url"] == said.get("redirectUrl")


def test_the_draft_s_type_does_not_leave() -> None:
    """The draft's amounts and the current API's look the same from outside."""
    assert Amount(1000, "NOK", type="PURCHASE").to_dict() == {"value": 1000, "currency": "NOK"}


def in_draft(current: dict[str, Any]) -> dict[str, Any]:
    """Say what a current event says in the draft's words."""
    words = {current_word: draft_word for draft_word, current_word in TRANSLATED.items() if draft_word != "AUTHORISED"}
    event = {key: value for key, value in current.items() if key not in {"name", "timestamp", "msn"}}
    amount = {**current["amount"], "type": "PURCHASE"}
    return {**event, "paymentAction": words[current["name"]], "processedAt": current["timestamp"], "amount": amount}


@pytest.mark.parametrize("word", ["created", "authorized", "captured", "captured-failed", "terminated"])
def test_both_dialects_of_an_event_are_one_event(word: str) -> None:
    """The same event in the draft's words and the current ones is equal, key included, but for the ``msn``."""
    current = document(f"current-webhook-epayment-{word}")
    new, old = structure(current, PaymentEvent), structure(in_draft(current), PaymentEvent)
    without_msn = attrs.evolve(new, msn=None)
    assert without_msn == old
    assert without_msn.dedup_key == old.dedup_key


def test_both_dialects_of_a_payment_are_one_payment() -> None:
    """The draft's authorised payment, less what only the draft says, is the current API's authorized one."""
    old = document("draft-get-payment-authorised")
    only_draft = {
        "authorisationType",
        "directCapture",
        "customerInteraction",
        "returnUrl",
        "userFlow",
        "paymentDescription",
    }
    said = {key: value for key, value in old.items() if key not in only_draft}
    plain = {"currency": "NOK", "value": 1000}
    zero = {"currency": "NOK", "value": 0}
    current = {
        **said,
        "state": "AUTHORIZED",
        "amount": plain,
        "aggregate": {
            "authorizedAmount": plain,
            "capturedAmount": zero,
            "refundedAmount": zero,
            "cancelledAmount": zero,
        },
    }
    assert structure(said, Payment) == structure(current, Payment)
    assert structure(old, Payment).aggregate == structure(current, Payment).aggregate


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
@pytest.mark.parametrize("path", [("amount",), ("aggregate", "capturedAmount")])
def test_an_amount_that_is_none_is_refused_in_a_payment(path: tuple[str, ...], value: Any) -> None:
    """No payment is read from a document with an amount that is no whole number of minor units."""
    said = document("current-get-payment-authorized")
    target = said
    for step in path:
        target = target[step]
    target["value"] = value
    with pytest.raises(Malformed, match=rf"@ Payment\.{'.'.join(map(attribute_of, path))}"):
        structure(said, Payment)


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
def test_an_amount_that_is_none_is_refused_in_an_event(value: Any) -> None:
    """No event is read from a document with an amount that is no whole number of minor units."""
    said = document("current-webhook-epayment-captured")
    said["amount"]["value"] = value
    with pytest.raises(Malformed, match=r"@ PaymentEvent\.amount"):
        structure(said, PaymentEvent)


def test_what_a_future_api_says_is_kept() -> None:
    """An unknown state, method type, event name and field are read, equal to their text, and kept."""
    said = {
        **document("current-get-payment-authorized"),
        "state": "REVERSED",
        "paymentMethod": {"type": "CRYPTO"},
        "new": [1],
    }
    payment = structure(said, Payment)
    assert (payment.state, payment.payment_method.type) == ("REVERSED", "CRYPTO")
    assert (type(payment.state), type(payment.payment_method.type)) == (PaymentState, PaymentMethodType)
    assert payment.raw["new"] == [1]
    event = structure({**document("current-webhook-epayment-captured"), "name": "DISPUTED"}, PaymentEvent)
    assert event.name == "DISPUTED"
    assert type(event.name) is PaymentEventName


@pytest.mark.parametrize(
    ("name", "says"),
    [("draft-get-payment-authorised", {}), ("current-get-payment-authorized", {"profile": None, "metadata": None})],
)
def test_what_a_payment_does_not_say_is_empty(name: str, says: dict[str, Any]) -> None:
    """A payment without a profile, as the draft's, or with a null one, has an empty profile, and no metadata."""
    payment = structure({**document(name), **says}, Payment)
    assert payment.profile == Profile()
    assert payment.profile.sub is None
    assert payment.metadata is None


@pytest.mark.parametrize("field", ["amount", "aggregate"])
@pytest.mark.parametrize("value", ["abc", [], 5])
def test_a_part_that_decides_of_another_type_is_refused(field: str, value: Any) -> None:
    """Where the API says an object, nothing else is read."""
    with pytest.raises(Malformed, match=rf"expected an object, not .* @ Payment\.{attribute_of(field)}"):
        structure({**document("current-get-payment-authorized"), field: value}, Payment)


def test_a_payment_is_a_value() -> None:
    """Payments that say the same are one entry of a set, those with metadata too."""
    said = {**document("current-get-payment-authorized"), "metadata": {"location": "Oslo"}}
    assert len({structure(said, Payment), structure({**said, "new": 1}, Payment)}) == 1
    assert structure(said, Payment) != structure({**said, "metadata": {"location": "Bergen"}}, Payment)


def test_a_new_field_of_a_creation_s_reply_is_passed_over() -> None:
    """A field that happens to be called ``payment`` is not taken for the draft's whole payment."""
    said = {**document("current-create-payment-response-redirect"), "payment": {"id": 1}, "idempotencyKey": "other"}
    created = read_created(said, said["reference"], "key-1")
    assert (created.payment, created.idempotency_key, created.raw) == (None, "key-1", said)


@pytest.mark.parametrize("said", [None, [], "text", 5])
def test_a_reply_of_another_shape_is_refused(said: Any) -> None:
    """A reply that is no object, and a log that is no list, are `InvalidReply`."""
    with pytest.raises(InvalidReply):
        read_created(said, "acme-shop-1", "key-1")
    if said is not None:
        with pytest.raises(InvalidReply):
            read_adjustment(said, "acme-shop-1", "key-1")
    if said != []:
        with pytest.raises(InvalidReply):
            read_log(said, "acme-shop-1", "123456")


def test_an_entry_of_a_log_that_is_no_event_is_refused() -> None:
    """One bad entry makes the reply invalid, and the message says what is wrong with it."""
    log = document("current-event-log")
    with pytest.raises(InvalidReply, match="required field missing @ PaymentEvent"):
        read_log([*log, {"reference": "x"}], log[0]["reference"], "123456")


def test_personal_details_stay_out_of_reprs() -> None:
    """The user's name, address, number and mail are read, and shown by no repr."""
    said = document("current-get-payment-express")
    payment = structure(said, Payment)
    for secret in ("Lovelace", "4798765432", "user@example.com", "Levins", "1988-12-03"):
        assert secret in str(said)
        assert secret not in repr(payment.user_details)
        assert secret not in repr(payment)


def test_a_created_payment_is_read_only() -> None:
    """What the API said cannot be changed."""
    created: Any = CreatedPayment(reference="r", idempotency_key="k", raw={})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        created.reference = "other"
