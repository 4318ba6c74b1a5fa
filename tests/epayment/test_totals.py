"""What is left to capture and to refund follows from a payment's totals."""

import pytest

from tests.support.vectors import document
from vipps_async import Aggregate, Amount, Payment
from vipps_async._wire.converter import structure


@pytest.mark.parametrize(
    ("name", "capture", "refund"),
    [
        ("created", 0, 0),
        ("authorized", 6000, 0),
        ("partly-captured", 0, 7500),
        ("cancelled-after-authorization", 0, 0),
        ("terminated", 0, 0),
    ],
)
def test_what_is_left_follows_from_the_totals(name: str, capture: int, refund: int) -> None:
    """Left to capture is authorized less captured and cancelled, never below 0; left to refund likewise."""
    totals = structure(document(f"current-get-payment-{name}"), Payment).aggregate
    assert totals.left_to_capture == Amount(capture, "NOK")
    assert totals.left_to_refund == Amount(refund, "NOK")


def test_a_rest_after_a_partial_capture_is_left() -> None:
    """After a partial capture the rest is left, in the payment's currency."""
    ore = [Amount(value, "DKK") for value in (1000, 250, 100, 50)]
    totals = Aggregate(
        authorized_amount=ore[0], captured_amount=ore[1], refunded_amount=ore[2], cancelled_amount=ore[3]
    )
    assert (totals.left_to_capture, totals.left_to_refund) == (Amount(700, "DKK"), Amount(150, "DKK"))


def test_more_refunded_than_captured_leaves_nothing_to_refund() -> None:
    """Totals that contradict each other raise nothing: nothing is left."""
    ore = [Amount(value, "NOK") for value in (5, 1, 2, 9)]
    totals = Aggregate(
        authorized_amount=ore[0], captured_amount=ore[1], refunded_amount=ore[2], cancelled_amount=ore[3]
    )
    assert (totals.left_to_capture, totals.left_to_refund) == (Amount(0, "NOK"), Amount(0, "NOK"))


def test_the_draft_s_totals_are_read() -> None:
    """The totals that the draft's guide prints after a capture are read in full."""
    done, nothing = Amount(1000, "NOK"), Amount(0, "NOK")
    assert structure(document("draft-aggregate-after-capture")["aggregate"], Aggregate) == Aggregate(
        authorized_amount=done, captured_amount=done, refunded_amount=nothing, cancelled_amount=nothing
    )
