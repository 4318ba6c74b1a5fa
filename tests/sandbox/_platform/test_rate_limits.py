"""How often one payment may be called about."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import QUICK
from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Got, Merchant, at, create_body, of
from vipps_async import Amount, VippsClient
from vipps_async.errors import RateLimited
from vipps_async.sandbox import Sandbox

MINUTE = timedelta(minutes=1)


def statuses(replies: list[Got]) -> list[int]:
    """What was answered."""
    return [reply.status for reply in replies]


@pytest.mark.parametrize("operation", ["capture", "refund", "cancel"])
async def test_a_payment_is_modified_five_times_a_minute(merchant: Merchant, operation: str) -> None:
    """The sixth of one operation is refused, without effect; another operation and another payment are not."""
    body = None if operation == "cancel" else of(1)
    for reference in (REFERENCE, "second-payment"):
        await merchant.authorized(reference=reference)
        await merchant.modify("capture", of(1000), reference=reference)
    merchant.sandbox.clock.advance(MINUTE)
    path = f"{PAYMENTS}/{REFERENCE}/{operation}"
    replies = [await merchant.call("POST", path, body, key=merchant.fresh_key()) for _ in range(5)]
    assert 429 not in statuses(replies)
    payment = merchant.sandbox.payments[REFERENCE]
    refused = await merchant.call("POST", path, body, key=merchant.fresh_key())
    assert refused.status == 429
    assert merchant.sandbox.payments[REFERENCE] == payment
    assert (await merchant.modify(operation, body, reference="second-payment")).status == 200
    other = "refund" if operation == "capture" else "capture"
    assert (await merchant.modify(other, of(1))).status != 429


@pytest.mark.parametrize("suffix", ["", "/events"])
async def test_a_payment_is_read_120_times_a_minute(merchant: Merchant, suffix: str) -> None:
    """The 121st read is refused, whether or not the payment exists."""
    path = f"{PAYMENTS}/{REFERENCE}{suffix}"
    replies = [await merchant.call("GET", path) for _ in range(121)]
    assert statuses(replies) == [404] * 120 + [429]


async def test_the_refusal_is_the_gateways_and_tells_when_to_try_again(merchant: Merchant) -> None:
    """Not a problem of the API; by the sandbox's clock, and a minute after the first of the five there is room."""
    await merchant.create()
    merchant.sandbox.clock.advance(timedelta(seconds=20))
    for _ in range(4):
        await merchant.create()
    refused = await merchant.create()
    assert set(refused.json) == {"statusCode", "message"}
    assert refused.headers["Retry-After"] == "40"
    merchant.sandbox.clock.advance(timedelta(seconds=40))
    assert statuses([await merchant.create() for _ in range(2)]) == [409, 429]


async def test_repetitions_count(merchant: Merchant) -> None:
    """A request that is repeated with its key is one more request, and 429 is not pinned to the key."""
    replies = [await merchant.create(key="k") for _ in range(6)]
    assert statuses(replies) == [201] * 5 + [429]
    merchant.sandbox.clock.advance(MINUTE)
    assert (await merchant.create(key="k")).body == replies[0].body


@pytest.mark.parametrize("wrong", [{"reference": None}, {"reference": None, "orderId": "shop-1"}, {"reference": 7}])
async def test_requests_without_a_reference_share_a_counter(merchant: Merchant, wrong: Mapping[str, Any]) -> None:
    """A missing or misspelled reference makes unrelated payments run into 429; those that name one go on."""
    replies = [await merchant.create(**wrong, amount={"currency": "NOK", "value": 100 + n}) for n in range(6)]
    assert statuses(replies) == [400] * 5 + [429]
    assert (await merchant.create()).status == 201


async def test_bodies_that_are_no_objects_count_too(merchant: Merchant) -> None:
    """What cannot be read names no reference."""
    headers = {**merchant.headers, "Content-Type": "application/json"}
    replies = [
        await merchant.send("POST", PAYMENTS, data=body, headers={**headers, "Idempotency-Key": merchant.fresh_key()})
        for body in (b"[1]", b"{", b"null", b'"reference"', b"1", b"{}")
    ]
    assert statuses(replies) == [400] * 5 + [429]


async def test_who_is_not_let_in_does_not_count(merchant: Merchant) -> None:
    """Requests without a valid token leave the counter alone."""
    for _ in range(10):
        await merchant.call("POST", PAYMENTS, create_body(), key="k", headers={"Authorization": None})
    assert (await merchant.create()).status == 201


async def test_reset_forgets_the_count(merchant: Merchant) -> None:
    """After a reset the five are there again."""
    for _ in range(6):
        await merchant.create()
    await merchant.sandbox.reset()
    await merchant.sign_in()
    assert (await merchant.create()).status == 201


async def test_limits_can_be_switched_off() -> None:
    """`rate_limits=False` lets a test call as often as it likes."""
    async with Sandbox(rate_limits=False) as sandbox, at(sandbox) as merchant:
        assert statuses([await merchant.create(key="k") for _ in range(20)]) == [201] * 20


async def test_the_client_tells_the_wait_that_it_has_no_time_for(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A wait longer than the call may take is told at once, not slept through, and nothing is captured."""
    create = vipps.epayment.create(amount=Amount(1000, "NOK"), reference=REFERENCE, return_url="https://shop.example/")
    await sandbox.approve((await create).reference)
    for _ in range(5):
        await vipps.epayment.capture(REFERENCE, Amount(1, "NOK"))
    with pytest.raises(RateLimited) as caught:
        await vipps.with_options(retry=QUICK).epayment.capture(REFERENCE, Amount(1, "NOK"))
    assert caught.value.retry_after == timedelta(seconds=60)
    assert sandbox.payments[REFERENCE].captured_amount == 5
