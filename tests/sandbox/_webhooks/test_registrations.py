"""Webhooks that fail for long: the documented schedules of retries, and their end."""

from datetime import timedelta
from itertools import pairwise
from typing import Literal

import pytest

from tests.support.sandbox.merchant import Merchant, Shop, at, of, until
from vipps_async.sandbox import Sandbox

CREATED = "epayments.payment.created.v1"
CAPTURED = "epayments.payment.captured.v1"
DAY = timedelta(days=1)


async def webhooks(merchant: Merchant) -> list[str]:
    """The addresses that are registered."""
    await merchant.sign_in()
    got = await merchant.call("GET", "/webhooks/v1/webhooks")
    return [webhook["url"] for webhook in got.json["webhooks"]]


async def next_attempt(sandbox: Sandbox, after: timedelta) -> None:
    """Let time pass, and the attempt happen that is due then."""
    attempts = len(sandbox.deliveries)
    sandbox.clock.advance(after)
    await until(lambda: len(sandbox.deliveries) > attempts)


MINUTE, HOUR = 60, 3600
SCHEDULES: list[tuple[Literal["current", "draft"], list[int]]] = [
    ("current", [2] * 4 + [MINUTE, 2 * MINUTE] + [HOUR] * 23 + [24 * HOUR] * 6),
    ("draft", [2] * 5 + [15] * 5 + [MINUTE] * 10 + [15 * MINUTE] * 30 + [HOUR] * 200),
]


@pytest.mark.parametrize(("dialect", "delays"), SCHEDULES)
async def test_retries_follow_the_documented_schedule(
    shop: Shop, dialect: Literal["current", "draft"], delays: list[int]
) -> None:
    """Each attempt happens when it is due and not before; the current API ends after a week, the draft does not."""
    async with Sandbox(dialect=dialect) as sandbox, at(sandbox) as merchant:
        shop.statuses = [500] * 1000
        await sandbox.add_webhook(shop.url, [CREATED])
        await merchant.create()
        await until(lambda: sandbox.deliveries)
        for delay in delays:
            await next_attempt(sandbox, timedelta(seconds=delay))
        waits = [
            (later.started_at - earlier.started_at).total_seconds() for earlier, later in pairwise(sandbox.deliveries)
        ]
        assert all(wait >= delay for wait, delay in zip(waits, delays, strict=True))
        assert bool(sandbox._state.deliveries.pending) == (dialect == "draft")


async def test_two_weeks_of_failure_remove_a_webhook(shop: Shop) -> None:
    """Over several events, each tried for its week; then it hears nothing more."""
    async with Sandbox(retry_delays=[DAY.total_seconds()]) as sandbox, at(sandbox) as merchant:
        shop.statuses = [500] * 100
        await merchant.register(shop.url, CREATED, "epayments.payment.authorized.v1", CAPTURED)
        await merchant.authorized()
        await merchant.modify("capture", of(100))
        await until(lambda: sandbox.deliveries)
        for _ in range(13):
            await next_attempt(sandbox, DAY)
        assert await webhooks(merchant) == [shop.url]
        await next_attempt(sandbox, DAY)
        assert await webhooks(merchant) == []
        assert {delivery.event for delivery in sandbox.deliveries} == {"CREATED", "AUTHORIZED", "CAPTURED"}
        await sandbox.settled(1)


async def test_the_draft_removes_no_webhook(shop: Shop) -> None:
    """Its guide names no end: after a month the first event is still tried."""
    async with Sandbox(dialect="draft", retry_delays=[10 * DAY.total_seconds()]) as sandbox, at(sandbox) as merchant:
        shop.statuses = [500] * 4
        await merchant.register(shop.url, CREATED)
        await merchant.create()
        await until(lambda: sandbox.deliveries)
        for _ in range(4):
            await next_attempt(sandbox, 10 * DAY)
        assert [delivery.status for delivery in sandbox.deliveries] == [500] * 4 + [200]
        assert await webhooks(merchant) == [shop.url]


async def test_one_success_starts_the_two_weeks_anew(shop: Shop) -> None:
    """A webhook that failed long before and long after an answer is kept."""
    async with Sandbox(retry_delays=[DAY.total_seconds()]) as sandbox, at(sandbox) as merchant:
        shop.statuses = [500, 200, *[500] * 100]
        await merchant.register(shop.url, CREATED, CAPTURED)
        await merchant.authorized()
        await merchant.modify("capture", of(100))
        await until(lambda: sandbox.deliveries)
        await next_attempt(sandbox, 13 * DAY)
        await until(lambda: len(sandbox.deliveries) >= 3)
        await next_attempt(sandbox, 13 * DAY)
        await sandbox.settled()
        assert [delivery.status for delivery in sandbox.deliveries] == [500, 200, 500, 500]
        assert await webhooks(merchant) == [shop.url]
        await merchant.create(reference="second-payment")
        await until(lambda: len(sandbox.deliveries) >= 5)
        await next_attempt(sandbox, DAY)
        await sandbox.settled()
        assert await webhooks(merchant) == []


async def test_an_unreachable_webhook_is_removed_at_once_after_a_jump(merchant: Merchant) -> None:
    """The clock may skip the two weeks: the first attempt after them is the last, on every payment's behalf."""
    await merchant.sandbox.add_webhook("http://127.0.0.1:9/")
    await merchant.create()
    await merchant.create(reference="second-payment")
    await until(lambda: len(merchant.sandbox.deliveries) >= 2)
    merchant.sandbox.clock.advance(14 * DAY)
    await merchant.sandbox.settled(5)
    assert await webhooks(merchant) == []
    merchant.sandbox.clock.advance(DAY)
    attempts = len(merchant.sandbox.deliveries)
    await merchant.sign_in()
    await merchant.create(reference="third-payment")
    await merchant.sandbox.settled(1)
    assert len(merchant.sandbox.deliveries) == attempts
