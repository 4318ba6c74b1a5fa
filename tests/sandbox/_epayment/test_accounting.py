"""The life of a payment in the current API: states, amounts, events, deadlines."""

import asyncio
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.sandbox._epayment.test_rules import EXPRESS, GROUP, OPTION
from tests.support.payments import requests_of
from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, create_body, of
from vipps_async.sandbox import ActionRefused, UnknownReference
from vipps_async.sandbox._epayment.lifecycle import REFUSALS, TRANSITIONS, Action, EventName, State


def aggregate(authorized: int = 0, cancelled: int = 0, captured: int = 0, refunded: int = 0) -> dict[str, Any]:
    """Return the documented aggregate."""
    amounts = {"authorized": authorized, "cancelled": cancelled, "captured": captured, "refunded": refunded}
    return {f"{name}Amount": {"currency": "NOK", "value": value} for name, value in amounts.items()}


def test_the_tables_decide_on_every_pair() -> None:
    """Each state and action is either a transition or a refusal, never both, never neither."""
    pairs = {(state, action) for state in State for action in Action}
    assert TRANSITIONS.keys() | REFUSALS.keys() == pairs
    assert not TRANSITIONS.keys() & REFUSALS.keys()


async def test_a_created_payment_reads_as_documented(merchant: Merchant) -> None:
    """Every member of the documented answer, the redirect URL while it is open, and no other."""
    created = await merchant.create(metadata={"till": "7"})
    body = (await merchant.get()).json
    assert uuid.UUID(body.pop("pspReference"))
    assert body == {
        "aggregate": aggregate(),
        "amount": {"currency": "NOK", "value": 49900},
        "state": "CREATED",
        "paymentMethod": {"type": "WALLET"},
        "profile": {},
        "redirectUrl": created.json["redirectUrl"],
        "reference": REFERENCE,
        "metadata": {"till": "7"},
    }


async def test_a_payment_through_its_life(merchant: Merchant) -> None:
    """Approve, capture in parts, refund in parts, cancel the rest: amounts add up, the state stays."""
    await merchant.create(key="created")
    psp_reference = (await merchant.get()).json["pspReference"]
    await merchant.sandbox.approve(REFERENCE)
    got = await merchant.modify("capture", of(10000), key="captured")
    assert got.json == {
        "amount": {"currency": "NOK", "value": 49900},
        "state": "AUTHORIZED",
        "aggregate": aggregate(authorized=49900, captured=10000),
        "pspReference": psp_reference,
        "reference": REFERENCE,
    }
    got = await merchant.modify("refund", of(2500), key="refunded")
    assert got.json["aggregate"] == aggregate(authorized=49900, captured=10000, refunded=2500)
    got = await merchant.call("POST", f"{PAYMENTS}/{REFERENCE}/cancel")
    assert got.json["aggregate"] == aggregate(authorized=49900, captured=10000, refunded=2500, cancelled=39900)
    assert got.json["state"] == "AUTHORIZED"
    events = await merchant.events()
    assert [(event["name"], event["amount"]["value"], event.get("idempotencyKey")) for event in events] == [
        ("CREATED", 49900, "created"),
        ("AUTHORIZED", 49900, "created"),
        ("CAPTURED", 10000, "captured"),
        ("REFUNDED", 2500, "refunded"),
        ("CANCELLED", 39900, None),
    ]
    assert "idempotencyKey" not in events[-1]
    assert events[0]["pspReference"] == psp_reference
    assert len({event["pspReference"] for event in events}) == 5
    assert all(re.fullmatch(r"\d{10}", event["pspReference"]) for event in events[1:])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]) for event in events)
    assert all(event["success"] is True and event["reference"] == REFERENCE for event in events)


async def test_an_authorized_payment_tells_until_when_a_capture_is_sure(merchant: Merchant) -> None:
    """`captureGuaranteedUntil` is there while something is left to capture, and the redirect URL is gone."""
    await merchant.authorized()
    body = (await merchant.get()).json
    guaranteed = datetime.fromisoformat(body["captureGuaranteedUntil"])
    assert guaranteed - merchant.sandbox.clock.now() > timedelta(days=179)
    assert "redirectUrl" not in body
    await merchant.modify("capture", of(49900))
    assert "captureGuaranteedUntil" not in (await merchant.get()).json


async def test_cancel_before_authorization_terminates(merchant: Merchant) -> None:
    """The state is TERMINATED, and the documented answer shows the amount as cancelled though none was reserved."""
    await merchant.create(key="created")
    got = await merchant.modify("cancel", {"cancelTransactionOnly": True}, key="cancelled")
    assert (got.status, got.json["state"]) == (200, "TERMINATED")
    assert got.json["aggregate"] == aggregate(cancelled=49900)
    last = (await merchant.events())[-1]
    assert (last["name"], last["amount"]["value"], last["idempotencyKey"]) == ("TERMINATED", 49900, "created")


@pytest.mark.parametrize(("act", "state"), [("reject", "ABORTED"), ("go_back", "ABORTED"), ("expire", "EXPIRED")])
async def test_a_payment_that_is_not_approved_ends(merchant: Merchant, act: str, state: str) -> None:
    """Rejection and going back abort, and time expires, with an event that carries the create request's key."""
    await merchant.create(key="created")
    await getattr(merchant.sandbox, act)(REFERENCE)
    body = (await merchant.get()).json
    assert (body["state"], body["aggregate"]) == (state, aggregate())
    last = (await merchant.events())[-1]
    assert (last["name"], last["idempotencyKey"]) == (state, "created")


CAPTURED = [("capture", of(49900))]
CANCELLED = [("cancel", None)]
PARTLY = [("capture", of(10000))]


@pytest.mark.parametrize(
    ("before", "operation", "body", "code"),
    [
        ([], "capture", of(49901), "6090"),
        (PARTLY, "capture", of(39901), "6090"),
        (CAPTURED, "capture", of(1), "6170"),
        (CANCELLED, "capture", of(1), "6070"),
        ([*PARTLY, *CANCELLED], "capture", of(1), "6070"),
        ([], "refund", of(1), "6150"),
        (PARTLY, "refund", of(10001), "6150"),
        ([*PARTLY, ("refund", of(10000))], "refund", of(1), "6180"),
        ([], "cancel", {"cancelTransactionOnly": True}, "6060"),
        (CAPTURED, "cancel", None, "6040"),
        (CANCELLED, "cancel", {}, "6050"),
        ([*PARTLY, *CANCELLED], "cancel", {}, "6050"),
        ([], "capture", of(0), "4040"),
        ([], "capture", of(-5), "4040"),
        ([], "capture", of(1, "EUR"), "4040"),
        (PARTLY, "refund", of(1, "DKK"), "4040"),
        (PARTLY, "refund", {"modificationAmount": {"currency": "NOK", "value": 1.0}}, "4040"),
    ],
)
async def test_money_rules_of_an_authorized_payment(
    merchant: Merchant, before: list[tuple[str, Any]], operation: str, body: Any, code: str
) -> None:
    """What exceeds, or comes too late in, the payment is refused by its code and changes nothing."""
    await merchant.authorized()
    for earlier, sent in before:
        assert (await merchant.modify(earlier, sent)).status == 200
    payment = merchant.sandbox.payments[REFERENCE]
    got = await merchant.modify(operation, body)
    assert (got.status, got.code) == (400, code)
    assert merchant.sandbox.payments[REFERENCE] == payment


@pytest.mark.parametrize(
    ("act", "operation", "body", "code"),
    [
        (None, "capture", of(1), "6080"),
        (None, "refund", of(1), "6020"),
        ("reject", "capture", of(1), "6200"),
        ("reject", "refund", of(1), "6210"),
        ("reject", "cancel", None, "6190"),
        ("expire", "capture", of(1), "6200"),
        ("cancel", "capture", of(1), "6070"),
        ("cancel", "cancel", None, "6190"),
    ],
)
async def test_states_that_allow_nothing(
    merchant: Merchant, act: str | None, operation: str, body: Any, code: str
) -> None:
    """Without an authorization, each operation is refused by the code of its state."""
    await merchant.create()
    if act == "cancel":
        await merchant.modify("cancel")
    elif act is not None:
        await getattr(merchant.sandbox, act)(REFERENCE)
    got = await merchant.modify(operation, body)
    assert (got.status, got.code) == (400, code)


@pytest.mark.strict
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "modificationAmount"),
        ({"modificationAmount": 5}, "modificationAmount"),
        ({**of(1), "modificationReference": "capture-1"}, "modificationReference"),
        ([], "body"),
    ],
)
async def test_malformed_modifications_are_named(merchant: Merchant, body: Any, field: str) -> None:
    """The current API knows `modificationAmount` and nothing else."""
    await merchant.authorized()
    got = await merchant.modify("capture", body)
    assert (got.status, set(got.fields)) == (400, {field})


async def test_cancel_takes_an_object_only(merchant: Merchant) -> None:
    """No body, an empty object and the flag are fine; an array or text for the flag is not."""
    await merchant.authorized()
    assert (await merchant.modify("cancel", [])).fields.keys() == {"body"}
    got = await merchant.modify("cancel", {"cancelTransactionOnly": "false"})
    assert got.fields.keys() == {"cancelTransactionOnly"}
    assert (await merchant.modify("cancel", {"cancelTransactionOnly": False})).status == 200


async def test_an_unknown_reference_is_5090(merchant: Merchant) -> None:
    """Every operation on a payment that is not there answers 404."""
    for operation, body in (("capture", of(1)), ("refund", of(1)), ("cancel", None)):
        got = await merchant.modify(operation, body)
        assert (got.status, got.code) == (404, "5090")
    for suffix in ("", "/events"):
        got = await merchant.call("GET", f"{PAYMENTS}/{REFERENCE}{suffix}")
        assert (got.status, got.code) == (404, "5090")
        assert got.json["instance"] == f"/v1/payments/{REFERENCE}{suffix}"


@pytest.mark.parametrize("reference", ["short", "a" * 65, "under_score", "caf%C3%A9-12345", "a%2Fb%2Fc%2Fd%2Fe"])
async def test_a_path_that_names_no_reference_is_malformed(merchant: Merchant, reference: str) -> None:
    """What cannot be a reference is 400 and not 404, for reads and writes."""
    for method, suffix, body in (("GET", "", None), ("GET", "/events", None), ("POST", "/capture", of(1))):
        got = await merchant.call(method, f"{PAYMENTS}/{reference}{suffix}", body, key=merchant.fresh_key())
        assert (got.status, got.json["title"]) == (400, "Bad Request")


@pytest.mark.parametrize(("currency", "days"), [("NOK", 180), ("DKK", 14), ("EUR", 14)])
async def test_capture_and_cancel_have_a_deadline(merchant: Merchant, currency: str, days: int) -> None:
    """A day before the market's deadline a capture works, a day after it neither capture nor cancel does."""
    await merchant.authorized(amount={"currency": currency, "value": 1000})
    merchant.sandbox.clock.advance(timedelta(days=days - 1))
    await merchant.sign_in()
    assert (await merchant.modify("capture", of(1, currency))).status == 200
    merchant.sandbox.clock.advance(timedelta(days=2))
    await merchant.sign_in()
    assert (await merchant.modify("capture", of(1, currency))).code == "6100"
    assert (await merchant.modify("cancel")).code == "6030"
    assert (await merchant.modify("refund", of(1, currency))).status == 200


async def test_refund_has_a_deadline(merchant: Merchant) -> None:
    """365 days after the reservation nothing is refunded any more."""
    await merchant.authorized()
    await merchant.modify("capture", of(2))
    merchant.sandbox.clock.advance(timedelta(days=364))
    await merchant.sign_in()
    assert (await merchant.modify("refund", of(1))).status == 200
    merchant.sandbox.clock.advance(timedelta(days=2))
    await merchant.sign_in()
    assert (await merchant.modify("refund", of(1))).code == "6220"


async def test_payments_expire_by_the_clock(merchant: Merchant) -> None:
    """Ten minutes after its creation a payment on which nobody acted expires at once, an approved one does not."""
    await merchant.create()
    approved = await merchant.authorized(reference="approved-in-time")
    merchant.sandbox.clock.advance(timedelta(minutes=9, seconds=50))
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED
    merchant.sandbox.clock.advance(timedelta(seconds=20))
    payment = merchant.sandbox.payments[REFERENCE]
    assert payment.state is State.EXPIRED
    assert payment.events[-1].name is EventName.EXPIRED
    assert payment.events[-1].timestamp == payment.expires_at
    assert merchant.sandbox.payments[approved].state is State.AUTHORIZED


async def test_the_user_comes_too_late(merchant: Merchant) -> None:
    """Whoever acts on a final payment is told its state, and whoever names none is told so."""
    await merchant.create()
    await merchant.sandbox.reject(REFERENCE)
    with pytest.raises(ValueError, match="ABORTED") as refused:
        await merchant.sandbox.approve(REFERENCE)
    assert isinstance(refused.value, ActionRefused)
    for act in (merchant.sandbox.approve, merchant.sandbox.reject, merchant.sandbox.expire):
        with pytest.raises(LookupError, match="no-such-payment") as unknown:
            await act("no-such-payment")
        assert isinstance(unknown.value, UnknownReference)


async def test_concurrent_captures_never_exceed_the_payment(unlimited: Merchant) -> None:
    """A hundred captures of 1000 at once: forty-nine fit into 49900."""
    await unlimited.authorized()
    replies = await asyncio.gather(*(unlimited.modify("capture", of(1000)) for _ in range(100)))
    assert sorted(reply.status for reply in replies) == [200] * 49 + [400] * 51
    assert unlimited.sandbox.payments[REFERENCE].captured_amount == 49000
    assert len({event["pspReference"] for event in await unlimited.events()}) == 51


async def test_profile_sharing_tells_about_the_user(merchant: Merchant) -> None:
    """With a scope, an approval discloses `profile.sub` and the user's details, in part by the scope."""
    await merchant.create(profile={"scope": "name birthDate address"}, customer={"phoneNumber": "4712345678"})
    assert (await merchant.get()).json["profile"] == {}
    await merchant.sandbox.approve(REFERENCE)
    body = (await merchant.get()).json
    assert uuid.UUID(body["profile"]["sub"])
    assert set(body["userDetails"]) == {
        "email",
        "firstName",
        "lastName",
        "mobileNumber",
        "dateOfBirth",
        "addresses",
    }
    assert body["userDetails"]["mobileNumber"] == "4712345678"
    assert {"addressLine1", "city", "country", "postCode"} <= set(body["userDetails"]["addresses"][0])


async def test_one_user_is_one_sub(merchant: Merchant) -> None:
    """Two payments of one user have the same `sub`, those of two users do not."""
    subs = []
    for number, phone_number in enumerate(("4712345678", "4712345678", "4787654321")):
        reference = await merchant.authorized(
            reference=f"payment-number-{number}", profile={"scope": "name"}, customer={"phoneNumber": phone_number}
        )
        subs.append((await merchant.get(reference)).json["profile"]["sub"])
    assert subs[0] == subs[1] != subs[2]


async def test_express_adds_the_chosen_shipping(merchant: Merchant) -> None:
    """The default option of the default group is chosen, and its cost is added to the payment."""
    cheap = {**OPTION, "id": "cheap", "isDefault": False, "priority": -1}
    other = {**GROUP, "brand": "BRING", "isDefault": False, "priority": -5, "options": [cheap]}
    await merchant.authorized(
        **EXPRESS | {"shipping": {"fixedOptions": [other, {**GROUP, "options": [cheap, OPTION]}]}}
    )
    body = (await merchant.get()).json
    assert body["amount"]["value"] == body["aggregate"]["authorizedAmount"]["value"] == 49900 + 9900
    shipping = body["shippingDetails"]
    assert shipping["address"].keys() >= {"addressLine1", "city", "country", "postCode"}
    assert (shipping["shippingCost"], shipping["shippingOptionId"]) == (9900, "postnord-home-1")
    assert shipping["shippingOptionName"] == "Posten home standard"
    assert (await merchant.modify("capture", of(59800))).status == 200


@pytest.mark.parametrize("by", ["phone", "token"])
async def test_force_approve(merchant: Merchant, by: str) -> None:
    """The test environment approves by phone number or by the token of the redirect URL, with an empty 200."""
    created = await merchant.create()
    token = created.json["redirectUrl"].partition("token=")[2]
    body = {"customer": {"phoneNumber": "4712345678"}} if by == "phone" else {"token": token}
    got = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (got.status, got.body) == (200, b"")
    assert merchant.sandbox.payments[REFERENCE].state is State.AUTHORIZED
    again = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert again.code == "6230"


@pytest.mark.strict
@pytest.mark.parametrize(
    ("changes", "body", "code"),
    [
        ({}, {}, "4140"),
        ({}, {"token": "somebody-else"}, "10010"),
        ({}, {"customer": {"phoneNumber": "12"}}, "4070"),
        (EXPRESS, {"customer": {"phoneNumber": "4712345678"}}, "10060"),
    ],
)
async def test_force_approve_has_rules(
    merchant: Merchant, changes: dict[str, Any], body: dict[str, Any], code: str
) -> None:
    """Without a customer or the right token, or for Express, nothing is approved."""
    await merchant.create(**changes)
    got = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert (got.status, got.code) == (400, code)
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED


async def test_force_approve_of_a_finished_payment(merchant: Merchant) -> None:
    """A payment that was rejected cannot be approved any more, and an unknown one cannot either."""
    await merchant.create()
    await merchant.sandbox.reject(REFERENCE)
    body = {"customer": {"phoneNumber": "4712345678"}}
    got = await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", body)
    assert got.code == "10020"
    got = await merchant.call("POST", "/epayment/v1/test/payments/unknown-reference/approve", body)
    assert (got.status, got.code) == (404, "5090")


class TestIdempotency:
    """What a repeated request is told."""

    async def test_a_repeated_create_is_answered_alike(self, merchant: Merchant) -> None:
        """Status and body are the first ones, in whatever order the members come, and one payment exists."""
        first = await merchant.create(key="k")
        reordered = dict(reversed(create_body().items()))
        second = await merchant.call("POST", PAYMENTS, reordered, key="k")
        assert (second.status, second.body) == (first.status, first.body)
        assert len(await merchant.events()) == 1
        assert [request.took_effect for request in requests_of(merchant.sandbox, "create")] == [True, False]

    async def test_a_repeated_modification_takes_effect_once(self, unlimited: Merchant) -> None:
        """Capture, refund and cancel with a key that was used answer the stored reply."""
        await unlimited.authorized()
        for operation, body in (("capture", of(300)), ("refund", of(100)), ("cancel", None)):
            first = await unlimited.modify(operation, body, key="same")
            again = await asyncio.gather(*(unlimited.modify(operation, body, key="same") for _ in range(5)))
            assert {reply.body for reply in again} == {first.body}
        payment = unlimited.sandbox.payments[REFERENCE]
        assert (payment.captured_amount, payment.refunded_amount) == (300, 100)
        assert len(payment.events) == 5

    async def test_concurrent_repetitions_take_effect_once(self, unlimited: Merchant) -> None:
        """Fifty equal captures at once with one key are one capture."""
        await unlimited.authorized()
        replies = await asyncio.gather(*(unlimited.modify("capture", of(100), key="one") for _ in range(50)))
        assert {reply.status for reply in replies} == {200}
        assert unlimited.sandbox.payments[REFERENCE].captured_amount == 100

    @pytest.mark.parametrize(
        ("operation", "first", "second", "code"),
        [
            ("capture", of(200), of(300), "4010"),
            ("refund", of(10), of(20), "4150"),
            ("cancel", {}, {"cancelTransactionOnly": False}, "4020"),
        ],
    )
    async def test_a_key_with_another_body_is_a_conflict(
        self, merchant: Merchant, operation: str, first: Any, second: Any, code: str
    ) -> None:
        """409 with the operation's code, and the first answer stays."""
        await merchant.authorized()
        await merchant.modify("capture", of(100))
        stored = await merchant.modify(operation, first, key="k")
        got = await merchant.modify(operation, second, key="k")
        assert (got.status, got.code) == (409, code)
        assert (await merchant.modify(operation, first, key="k")).body == stored.body

    async def test_a_create_key_with_another_body_is_4020(self, merchant: Merchant) -> None:
        """Also when only the reference differs: create keys are known within the sales unit."""
        await merchant.create(key="k")
        got = await merchant.create(key="k", reference="another-reference")
        assert (got.status, got.code) == (409, "4020")
        assert list(merchant.sandbox.payments) == [REFERENCE]

    async def test_a_refusal_is_remembered(self, merchant: Merchant) -> None:
        """A 4xx is answered again, the same trace id included, even when the reason is gone; a new key helps."""
        await merchant.create()
        refused = await merchant.modify("capture", of(1), key="k")
        await merchant.sandbox.approve(REFERENCE)
        again = await merchant.modify("capture", of(1), key="k")
        assert (again.status, again.body) == (400, refused.body)
        assert (await merchant.modify("capture", of(1), key="new")).status == 200

    async def test_the_refusal_of_what_cannot_be_read_is_remembered(self, merchant: Merchant) -> None:
        """The key of a body that is no JSON belongs to that body: a corrected one needs a new key."""
        headers = {**merchant.headers, "Idempotency-Key": "k", "Content-Type": "application/json"}
        refused = await merchant.send("POST", PAYMENTS, data=b'{"amount": ', headers=headers)
        again = await merchant.send("POST", PAYMENTS, data=b'{"amount": ', headers=headers)
        assert (again.status, again.body) == (400, refused.body)
        corrected = await merchant.create(key="k")
        assert (corrected.status, corrected.code) == (409, "4020")
        assert (await merchant.create(key="new")).status == 201

    async def test_a_403_is_not_remembered(self, merchant: Merchant) -> None:
        """What only a permission stands in the way of may succeed with the same key."""
        first = await merchant.create(key="k", profile={"scope": "nin"})
        second = await merchant.create(key="k", profile={"scope": "name"})
        assert (first.status, second.status) == (403, 201)

    async def test_keys_of_other_operations_do_not_clash(self, merchant: Merchant) -> None:
        """One key may create, capture, refund and cancel, and do so for two payments, except to create."""
        await merchant.authorized(key="k")
        await merchant.authorized(reference="second-payment")
        for reference in (REFERENCE, "second-payment"):
            for operation, body in (("capture", of(2)), ("refund", of(1)), ("cancel", None)):
                assert (await merchant.modify(operation, body, key="k", reference=reference)).status == 200

    async def test_cancel_needs_no_key(self, merchant: Merchant) -> None:
        """Without one, a second cancel is judged anew."""
        await merchant.authorized()
        path = f"{PAYMENTS}/{REFERENCE}/cancel"
        assert (await merchant.call("POST", path)).status == 200
        assert (await merchant.call("POST", path)).code == "6050"


async def test_the_smallest_amounts_are_told_apart(merchant: Merchant) -> None:
    """One minor unit that was captured, or is left to refund, is something."""
    await merchant.authorized()
    for step, value in (("capture", 1), ("refund", 1)):
        assert (await merchant.modify(step, of(value))).status == 200
    assert (await merchant.modify("refund", of(1))).code == "6180"
    assert (await merchant.modify("capture", of(1))).status == 200
    assert (await merchant.modify("refund", of(1))).status == 200


@pytest.mark.parametrize(
    ("customer", "number"),
    [({"customer": {"phoneNumber": "4512345678"}}, "4512345678"), ({}, "4712345678")],
    ids=["named", "not named"],
)
async def test_who_approves_by_force_is_the_user(merchant: Merchant, customer: Any, number: str) -> None:
    """The one that is named there, or else the one that the creation named."""
    await merchant.create(profile={"scope": "phoneNumber"}, customer={"phoneNumber": "4712345678"})
    await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", customer)
    payment = (await merchant.get()).json
    assert payment["userDetails"]["mobileNumber"] == number
    await merchant.authorized(
        reference="second-payment", profile={"scope": "phoneNumber"}, customer={"phoneNumber": number}
    )
    assert (await merchant.get("second-payment")).json["profile"] == payment["profile"]
