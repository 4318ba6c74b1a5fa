"""What informs never makes a document unreadable, wherever it is read; what decides over money does."""

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from tests.support.raw_server import answering, http
from tests.support.vectors import document, names
from tests.support.webhooks.deliveries import delivery, event, receiver_of
from vipps_async import Address, Amount, Payment, PaymentEvent, PaymentMethodUsed, PaymentState, Profile, UserDetails
from vipps_async._wire.converter import Malformed, structure

EXPRESS = {
    **document("current-get-payment-express"),
    "metadata": {"location": "Oslo"},
    "captureGuaranteedUntil": "2026-09-01T07:53:44.812+00:00",
}
APPROVAL = {
    **document("current-webhook-epayment-authorized-profile"),
    "shippingDetails": EXPRESS["shippingDetails"],
    "captureGuaranteedUntil": "2026-09-01T07:53:44.812+00:00",
}
DECIDES_OF_A_PAYMENT = {"reference", "pspReference", "state", "amount", "aggregate"}
DECIDES_OF_AN_EVENT = {
    *("reference", "pspReference", "name", "amount", "timestamp"),
    *("success", "idempotencyKey", "msn"),
}
ODD: list[Any] = [
    None,
    True,
    0,
    1.9,
    "12",
    "",
    [],
    [1],
    [None],
    {},
    {"value": "1"},
    {"sub": 5},
    "0001-01-01T00:00+01:00",
]


def misfits(node: Any) -> Iterator[Any]:
    """*node* with each of its parts left out, or replaced by something odd, and the odd things themselves."""
    yield from ODD
    for key in node if isinstance(node, dict) else ():
        yield {name: part for name, part in node.items() if name != key}
        yield from ({**node, key: other} for other in misfits(node[key]))
    for index, part in enumerate(node) if isinstance(node, list) else ():
        yield from ([*node[:index], other, *node[index + 1 :]] for other in misfits(part))


def odd_documents(said: dict[str, Any], decides: set[str]) -> Iterator[dict[str, Any]]:
    """The document with each part that informs left out, or odd in whole or in a part."""
    for name in said.keys() - decides:
        yield {key: value for key, value in said.items() if key != name}
        yield from ({**said, name: odd} for odd in misfits(said[name]))


@pytest.mark.parametrize(
    ("kind", "said", "decides"),
    [(Payment, EXPRESS, DECIDES_OF_A_PAYMENT), (PaymentEvent, APPROVAL, DECIDES_OF_AN_EVENT)],
    ids=["payment", "event"],
)
def test_no_part_that_informs_makes_a_document_unreadable(kind: type[Any], said: Any, decides: set[str]) -> None:
    """Whatever is missing, null or of another type there: what decides is read as before, and ``raw`` keeps it all."""
    whole = structure(said, kind)
    variants = list(odd_documents(said, decides))
    assert len(variants) > 300
    deciding = [field for field in attrs.fields(kind) if field.default is attrs.NOTHING and field.name != "raw"]
    for variant in variants:
        read = structure(variant, kind)
        assert [getattr(read, field.name) for field in deciding] == [getattr(whole, field.name) for field in deciding]
        assert read.raw == variant
        json.dumps(read.to_dict())


@pytest.mark.parametrize("odd", [None, 5, [], {}, "x", True], ids=repr)
@pytest.mark.parametrize(
    ("kind", "said", "decides"),
    [(Payment, EXPRESS, DECIDES_OF_A_PAYMENT), (PaymentEvent, APPROVAL, DECIDES_OF_AN_EVENT)],
    ids=["payment", "event"],
)
def test_what_decides_is_refused_where_it_does_not_fit(kind: type[Any], said: Any, decides: set[str], odd: Any) -> None:
    """Another type of an amount, a state, the totals, a reference, a name, a time or a success is never passed over."""
    fits = {
        *((name, "x") for name in ("reference", "pspReference", "name", "state", "idempotencyKey", "msn")),
        *(("success", "True"), ("idempotencyKey", "None"), ("msn", "None")),
    }
    for name in decides:
        if (name, str(odd)) not in fits:
            with pytest.raises(Malformed):
                structure({**said, name: odd}, kind)


def test_each_detail_that_is_there_is_read() -> None:
    """One missing or odd detail costs no other: a name without a mail, an address without its street."""
    said = {
        **EXPRESS,
        "userDetails": {
            "firstName": "Ada",
            "lastName": None,
            "mobileNumber": 4798765432,
            "addresses": [None, {"city": "Oslo", "postCode": 154}, "x"],
        },
        "shippingDetails": {"address": {"country": "NO"}, "shippingCost": "99", "shippingOptionId": "home"},
        "profile": {"sub": 5},
        "paymentMethod": {"cardBin": "540185"},
        "captureGuaranteedUntil": "soon",
    }
    payment = structure(said, Payment)
    assert payment.user_details == UserDetails(first_name="Ada", addresses=(Address(city="Oslo"),))
    assert payment.shipping_details is not None
    assert payment.shipping_details.address == Address(country="NO")
    assert payment.shipping_details.shipping_cost is None
    assert payment.shipping_details.shipping_option_id == "home"
    assert (payment.profile, payment.payment_method) == (Profile(), PaymentMethodUsed(card_bin="540185"))
    assert payment.capture_guaranteed_until is None


@pytest.mark.parametrize("name", names("current-get-payment-*"))
def test_a_payment_says_who_paid_and_with_what_or_nothing(name: str) -> None:
    """Without a profile and a method, both are there, and say nothing."""
    said = {key: value for key, value in document(name).items() if key not in {"profile", "paymentMethod"}}
    payment = structure(said, Payment)
    assert (payment.profile.sub, payment.payment_method.type, payment.payment_method.card_bin) == (None, None, None)


ODD_DETAILS: dict[str, Any] = {
    "userDetails": {"firstName": "Ada", "email": None, "mobileNumber": 47, "addresses": [{}, 5]},
    "shippingDetails": {"address": {"city": None}},
    "profile": {"sub": None},
}


async def test_a_delivery_with_odd_details_is_handled() -> None:
    """An authorization that lacks the user's mail and the street is answered 200, and its handler runs."""
    receiver = receiver_of()
    handled: list[PaymentEvent] = []

    @receiver.on("AUTHORIZED")
    async def ship(event: PaymentEvent) -> None:
        handled.append(event)

    body = event("AUTHORIZED", **ODD_DETAILS)
    assert (await receiver.handle(delivery(body))).status == 200
    assert [(one.user_details and one.user_details.first_name, one.amount.currency) for one in handled] == [
        ("Ada", "NOK")
    ]
    assert (
        await receiver.handle(delivery(event("AUTHORIZED", amount={"value": "1", "currency": "NOK"})))
    ).status == 400


async def test_a_payment_with_odd_details_is_read_waited_for_and_captured() -> None:
    """`get`, `wait`, and a capture of all that remains go by what decides, whatever the details are."""
    said = {**document("current-get-payment-authorized"), **ODD_DETAILS, "paymentMethod": None}
    reference = said["reference"]
    async with answering(http(json.dumps(said).encode())) as (_, vipps):
        payment = await vipps.epayment.get(reference)
        assert (payment.state, payment.amount) == (PaymentState.AUTHORIZED, Amount(6000, "NOK"))
        assert (await vipps.epayment.wait(reference, timeout=10)).state is PaymentState.AUTHORIZED
        captured = await vipps.epayment.capture(reference)
        assert captured.aggregate.authorized_amount == Amount(6000, "NOK")


async def test_an_event_log_with_odd_details_is_read() -> None:
    """One event's odd details cost neither it nor the others."""
    log = document("current-event-log")
    odd = [{**entry, **ODD_DETAILS} for entry in log]
    async with answering(http(json.dumps(odd).encode())) as (_, vipps):
        events = await vipps.epayment.events(log[0]["reference"])
    assert [one.name for one in events] == [entry["name"] for entry in log]
