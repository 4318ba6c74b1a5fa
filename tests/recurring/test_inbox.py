"""Events of agreements and charges in an inbox: in order for each agreement, and never mixed up between merchants."""

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.support.vectors import document
from tests.support.webhooks.deliveries import delivery, receiver_of
from vipps_async.recurring import AgreementEvent, ChargeEvent
from vipps_async.webhooks import InboxPolicy
from vipps_async.webhooks.stores.sqlite import SQLiteStore

FIRST = document("current-webhook-recurring-charge-captured-initial")
ACTIVATED = document("current-webhook-recurring-agreement-activated")
STOPPED = document("current-webhook-recurring-agreement-stopped")


async def test_events_of_an_agreement_are_handled_in_order(tmp_path: Path) -> None:
    """A charge's before the activation that came after it, however long its handler takes; others do not wait."""
    handled: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    let_go, others_done = asyncio.Event(), asyncio.Event()

    async def note(event: AgreementEvent | ChargeEvent) -> None:
        handled[event.msn, event.agreement_id].append(event.type)
        if len(handled["654321", "agr_1"]) == len(handled["123456", "agr_2"]) == 3:
            others_done.set()

    async with SQLiteStore(tmp_path / "events.db") as store:
        receiver = receiver_of(store=store, inbox=InboxPolicy())

        @receiver.on(ChargeEvent)
        async def charge(event: ChargeEvent) -> None:
            if (event.msn, event.agreement_id) == ("123456", "agr_1"):
                await let_go.wait()
            await note(event)

        @receiver.on(AgreementEvent)
        async def agreement(event: AgreementEvent) -> None:
            await note(event)

        async with receiver:
            for said in (FIRST, ACTIVATED, STOPPED):
                for msn, agreement_id in (("123456", "agr_1"), ("654321", "agr_1"), ("123456", "agr_2")):
                    body = _body(said, msn, agreement_id)
                    for _ in range(2):
                        assert (await receiver.handle(delivery(body))).status == 200
            await asyncio.wait_for(others_done.wait(), 20)
            assert not handled["123456", "agr_1"]
            let_go.set()
            while len(handled["123456", "agr_1"]) < 3:
                await asyncio.sleep(0.01)
    in_order = [said["eventType"] for said in (FIRST, ACTIVATED, STOPPED)]
    assert [*handled.values()] == [in_order] * 3


def _body(said: dict[str, Any], msn: str, agreement_id: str) -> bytes:
    return json.dumps({**said, "msn": msn, "agreementId": agreement_id}).encode()
