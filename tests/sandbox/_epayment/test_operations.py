"""Operations that the rules allow and that fail all the same: what is answered, logged and delivered."""

import pytest

from tests.sandbox._epayment.test_dialects import MINIMAL
from tests.sandbox._epayment.test_dialects import REFERENCE as DRAFT_REFERENCE
from tests.sandbox._epayment.test_dialects import create as create_draft
from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, of
from vipps_async import Amount, VippsClient
from vipps_async.sandbox import Fault, Sandbox


@pytest.mark.parametrize(
    ("operation", "body", "code", "event"),
    [
        ("capture", of(100), "6280", "CAPTURED"),
        ("refund", of(50), "3010", "REFUNDED"),
        ("cancel", None, "3010", "CANCELLED"),
    ],
)
async def test_it_is_logged_without_an_effect(
    merchant: Merchant, shop: Shop, *, operation: str, body: object, code: str, event: str
) -> None:
    """500 with a code that allows another try, an event with success false, no money; the same key then succeeds."""
    await merchant.authorized()
    await merchant.modify("capture", of(200))
    await merchant.sandbox.add_webhook(shop.url)
    before = (await merchant.get()).json
    merchant.sandbox.fail(operation, Fault.FAILED)
    got = await merchant.modify(operation, body, key="k")
    assert (got.status, got.code) == (500, code)
    assert (await merchant.get()).json == before
    assert (await merchant.modify(operation, body, key="k")).status == 200
    failed, done = (await merchant.events())[-2:]
    assert (failed["name"], failed["success"], failed["idempotencyKey"]) == (event, False, "k")
    assert (done["name"], done["success"], done["amount"]) == (event, True, failed["amount"])
    assert failed["pspReference"] != done["pspReference"]
    await merchant.sandbox.settled()
    assert shop.bodies == [{"msn": "123456", **failed}, {"msn": "123456", **done}]


async def test_a_cancel_before_the_approval_fails(merchant: Merchant) -> None:
    """The payment stays CREATED, so that its user can still approve it."""
    await merchant.create()
    merchant.sandbox.fail("cancel", "failed")
    assert (await merchant.modify("cancel")).status == 500
    assert [(event["name"], event["success"]) for event in await merchant.events()][1:] == [("TERMINATED", False)]
    assert (await merchant.sandbox.approve(REFERENCE)).state == "AUTHORIZED"


async def test_what_the_rules_forbid_is_refused_as_ever(merchant: Merchant) -> None:
    """Nothing is logged of it."""
    await merchant.create()
    merchant.sandbox.fail("capture", Fault.FAILED)
    assert (await merchant.modify("capture", of(100))).code == "6080"
    assert len(await merchant.events()) == 1


async def test_any_operation_means_those_that_can_fail(merchant: Merchant) -> None:
    """A payment asks for it by its reference: its create and reads go well, each of its modifications fails once."""
    reference = "0001--fault-failed"
    await merchant.authorized(reference=reference)
    assert (await merchant.get(reference)).status == 200
    statuses = [(await merchant.modify("capture", of(100), key="k", reference=reference)).status for _ in range(2)]
    assert statuses == [500, 200]
    assert (await merchant.modify("refund", of(100), reference=reference)).status == 500


async def test_the_draft_tells_by_the_event_alone() -> None:
    """There the answer is 202 before anything happened; the notification has the outcome."""
    async with Sandbox(dialect="draft") as sandbox, at(sandbox) as merchant:
        await create_draft(merchant, MINIMAL)
        await sandbox.approve(DRAFT_REFERENCE)
        sandbox.fail("capture", Fault.FAILED)
        assert (await merchant.modify("capture", of(100), reference=DRAFT_REFERENCE)).status == 202
        assert sandbox.payments[DRAFT_REFERENCE].captured_amount == 0
        *_, event = await merchant.events(DRAFT_REFERENCE)
        assert (event["paymentAction"], event["success"]) == ("CAPTURE", False)


async def test_the_client_tries_again(sandbox: Sandbox, vipps: VippsClient) -> None:
    """One call of the client gets past one failure, and the log that it reads tells of both attempts."""
    await vipps.epayment.create(amount=Amount(100, "NOK"), reference=REFERENCE, return_url="https://shop.example/")
    await sandbox.approve(REFERENCE)
    sandbox.fail("capture", Fault.FAILED)
    await vipps.epayment.capture(REFERENCE, Amount(100, "NOK"))
    assert sandbox.payments[REFERENCE].captured_amount == 100
    events = await vipps.epayment.events(REFERENCE)
    assert [event.success for event in events if event.name == "CAPTURED"] == [False, True]
