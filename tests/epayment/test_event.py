"""What makes two deliveries one event, and what an event may leave out."""

from typing import Any

import pytest

from tests.support.vectors import document
from vipps_async import PaymentEvent
from vipps_async._wire.converter import Malformed, structure
from vipps_async.epayment._event import PAYMENTS


def test_one_psp_reference_over_two_actions_is_two_events() -> None:
    """The draft's creation and authorisation share a ``pspReference``, and have different keys."""
    creation = structure(document("draft-notification-creation"), PaymentEvent)
    authorisation = structure(document("draft-notification-authorisation"), PaymentEvent)
    assert creation.psp_reference == authorisation.psp_reference
    assert creation.dedup_key != authorisation.dedup_key
    reference, psp_reference = "UNIQUE-PAYMENT-REFERENCE", "497f6eca-6276-4993-bfeb-53cbbbba6f08"
    assert authorisation.dedup_key == f"0:,24:{reference},36:{psp_reference},10:AUTHORIZED,"


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("reference", "reference"),
        ("pspReference", "psp_reference"),
        ("name", "name"),
        ("amount", "amount"),
        ("timestamp", "timestamp"),
    ],
)
def test_an_event_without_a_required_field_is_refused(name: str, attribute: str) -> None:
    """Each field that both dialects require is required, and null is none."""
    said = document("current-webhook-epayment-captured")
    del said[name]
    for without in (said, {**said, name: None}):
        with pytest.raises(Malformed, match=rf"(required field missing|, not None) @ PaymentEvent\.{attribute}"):
            structure(without, PaymentEvent)


@pytest.mark.parametrize("key", ["left out", None])
def test_an_event_may_lack_its_key(key: str | None) -> None:
    """A cancellation's event has no idempotency key, or a null one."""
    said = document("current-webhook-epayment-cancelled")
    assert "idempotencyKey" not in said
    event = structure(said if key else {**said, "idempotencyKey": None}, PaymentEvent)
    assert event.idempotency_key is None


def test_an_event_that_does_not_say_otherwise_succeeded() -> None:
    """Without ``success`` an event counts as one that happened; a wrongly typed one is refused."""
    said = document("draft-notification-capture")
    del said["success"]
    assert structure(said, PaymentEvent).success is True
    with pytest.raises(Malformed, match="expected bool, not 'false'"):
        structure({**said, "success": "false"}, PaymentEvent)


@pytest.mark.parametrize(
    "change",
    [
        {"msn": "123457"},
        {"msn": None},
        {"reference": "acme-shop-123-order123abd"},
        {"pspReference": "2018200035"},
        {"name": "REFUNDED"},
        {"success": False},
        # Where one text ends and the next begins makes a difference.
        {"reference": "acme-shop-123-order123ab", "pspReference": "c2018200034"},
        {"pspReference": "2018200034,8:CAPTURED,", "name": "failed"},
    ],
    ids=str,
)
def test_two_events_have_two_keys(change: dict[str, Any]) -> None:
    """Another merchant, payment, ``pspReference``, name or a failure makes another event."""
    said = document("current-webhook-epayment-captured")
    one, other = structure(said, PaymentEvent), structure({**said, **change}, PaymentEvent)
    assert one.dedup_key != other.dedup_key


@pytest.mark.parametrize("says", [{"sub": None}, {}])
def test_a_null_sub_gives_way_to_the_profile_s(says: dict[str, Any]) -> None:
    """``profile.sub`` stands in for a ``sub`` that is null as for one that is absent."""
    said = {**document("current-webhook-epayment-captured"), **says, "profile": {"sub": "c06c4afe"}}
    assert structure(said, PaymentEvent).sub == "c06c4afe"


def test_an_event_is_a_value() -> None:
    """Events that say the same are equal and one entry of a set."""
    said = document("current-webhook-epayment-captured")
    assert len({structure(said, PaymentEvent), structure({**said, "new": 1}, PaymentEvent)}) == 1


@pytest.mark.parametrize("said", [None, 1, 0, "true", "false"])
def test_success_is_said_or_left_out_but_never_guessed(said: Any) -> None:
    """An event that leaves ``success`` out succeeded; one that says null, or anything but a bool, is refused."""
    event = document("current-webhook-epayment-captured")
    with pytest.raises(Malformed, match="expected bool"):
        structure({**event, "success": said}, PaymentEvent)
    del event["success"]
    assert structure(event, PaymentEvent).success


def test_what_can_be_registered_for() -> None:
    """Eight types; the draft's adjustment is none."""
    names = ("created", "authorized", "aborted", "expired", "terminated", "cancelled", "captured", "refunded")
    assert PAYMENTS.types == tuple(f"epayments.payment.{name}.v1" for name in names)


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        ({"reference": "order-0001"}, True),
        ({"pspReference": "1"}, True),
        ({"paymentAction": "CAPTURE"}, True),
        ({"name": "CAPTURED", "amount": {}}, True),
        ({"name": "CAPTURED"}, False),
        ({"amount": 100}, False),
        ({"reference": "order-0001", "eventType": "new.kind.v1"}, False),
        ({"eventType": "recurring.charge-captured.v1", "amount": 100}, False),
        ({"customerToken": "x"}, False),
    ],
)
def test_what_is_an_event_of_a_payment(document: dict[str, Any], *, is_one: bool) -> None:
    """By what it names; what tells an event type of its own is another API's."""
    assert PAYMENTS.recognise(document) is is_one
