"""Log lines of an event name it, its payment and its registration, on one line, and have fields."""

import logging
from typing import Any

import attrs
import pytest

from tests.support.webhooks.deliveries import NAME, delivery, event, receiver_of, signed
from tests.support.webhooks.inbox_shop import QUICK, shop
from tests.support.webhooks.places import SqlitePlace
from vipps_async import PaymentEvent

ID = "39c2fb44-7107-45cd-b3b3-2d1f4c4a9c11"
FIELDS = {
    "event": "epayments.payment.captured.v1",
    "subject": "acme-shop-123-order123abc",
    "msn": "123456",
    "key": "6:123456,25:acme-shop-123-order123abc,10:2018200034,8:CAPTURED,",
    "receiver": NAME,
    "webhook_id": ID,
}


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a structured log shows."""
    return {name: getattr(record, name, "no field") for name in FIELDS}


async def test_a_line_names_event_payment_and_registration(caplog: pytest.LogCaptureFixture) -> None:
    """In words, and as fields."""
    receiver = receiver_of()

    @receiver.on(PaymentEvent)
    async def fail(_: PaymentEvent) -> None:
        raise RuntimeError("the warehouse is closed")

    await receiver.handle(delivery(event(), {**signed(event()), "Webhook-Id": ID}))
    (record,) = caplog.records
    assert fields_of(record) == FIELDS
    assert record.getMessage() == (
        f"event epayments.payment.captured.v1 of acme-shop-123-order123abc (merchant 123456, receiver {NAME}, "
        f"probably the registration {ID}, key {FIELDS['key']}) is given back for redelivery"
    )


async def test_a_refusal_names_the_registration(caplog: pytest.LogCaptureFixture) -> None:
    """So that the one that an earlier deploy left can be found."""
    body = event()
    await receiver_of().handle(delivery(body, {**signed(body, secret="of another registration"), "Webhook-Id": ID}))
    (record,) = caplog.records
    assert f"(probably the registration {ID})" in record.getMessage()
    assert (record.__dict__["webhook_id"], record.__dict__["receiver"]) == (ID, NAME)


async def test_lines_of_an_inbox_have_the_fields(sqlite_place: SqlitePlace, caplog: pytest.LogCaptureFixture) -> None:
    """An attempt that failed and a dead letter; which registration it was is not known any more."""

    async def fail(_: str) -> None:
        raise RuntimeError

    async with shop(sqlite_place, fail, attrs.evolve(QUICK, attempts=2)) as site:
        await site.deliver("a1")
        await site.is_dead("a1")
    assert [record.getMessage().rpartition(") ")[2][:20] for record in caplog.records] == [
        "failed, attempt 1 of",
        "is a dead letter now",
    ]
    for record in caplog.records:
        assert fields_of(record) == {
            **FIELDS,
            "subject": "order-a",
            "key": "6:123456,7:order-a,2:a1,8:CAPTURED,",
            "webhook_id": None,
        }


@pytest.mark.parametrize(
    "text", ["two\nlines", "\x1b[2J\x1b[31m", "\r", "\u2028next", "\x9b2J", "\u202e", "x" * 50_000]
)
async def test_what_anybody_can_send_writes_no_lines_of_its_own(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of an unsigned event, of its headers and of its target, neither line breaks nor escapes are logged."""
    receiver = receiver_of(allow_unsigned=True)

    @receiver.on(PaymentEvent)
    async def fail(_: PaymentEvent) -> None:
        raise RuntimeError

    body = event(text, reference=text, pspReference=text, msn=text)
    for sent in (body, b"{}"):
        await receiver.handle(attrs.evolve(delivery(sent, {"Webhook-Id": text}), target=text))
    assert len(caplog.records) == 2
    for record in caplog.records:
        texts = [record.getMessage(), *(str(value) for value in fields_of(record).values())]
        assert all(one.isprintable() for one in texts)
        assert max(map(len, texts)) < 2000
