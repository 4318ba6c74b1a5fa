"""Registering webhooks over real HTTP."""

from typing import Any

import pytest

from tests.support.payments import requests_of
from vipps_async import PaymentEventName, VippsClient
from vipps_async.errors import BadRequest, InvalidRequest, NotFound
from vipps_async.sandbox import Sandbox

URL = "https://shop.example/vipps/events"


async def test_registration_lives_its_whole_life(vipps: VippsClient) -> None:
    """A webhook is registered with a secret of its own, listed without it, and deleted."""
    registration = await vipps.webhooks.register(URL, [PaymentEventName.AUTHORIZED, "CAPTURE"])
    assert registration.events == ("epayments.payment.authorized.v1", "epayments.payment.captured.v1")
    assert registration.secret
    assert registration.secret not in repr(registration)
    (listed,) = await vipps.webhooks.list()
    assert (listed.id, listed.url, listed.events) == (registration.id, URL, registration.events)
    assert "secret" not in listed.raw
    await vipps.webhooks.delete(registration.id)
    assert await vipps.webhooks.list() == []
    with pytest.raises(NotFound):
        await vipps.webhooks.delete(registration.id)


async def test_every_payment_event_is_registered_by_default(vipps: VippsClient) -> None:
    """Without a choice, all eight payment events are registered for, and no event twice."""
    registration = await vipps.webhooks.register(URL)
    assert len(set(registration.events)) == 8


async def test_types_of_other_apis_are_passed_on(sandbox: Sandbox, vipps: VippsClient) -> None:
    """A type of another API is registered as it is written."""
    registration = await vipps.webhooks.register(URL, ["recurring.charge-captured.v1"])
    assert registration.events == ("recurring.charge-captured.v1",)


@pytest.mark.parametrize("url", ["http://shop.example/", "shop.example", "", "ftp://x", None, 5, "https://[bad"])
async def test_url_that_cannot_be_delivered_to_is_refused(sandbox: Sandbox, vipps: VippsClient, url: Any) -> None:
    """A URL that is not https is refused before sending."""
    with pytest.raises(InvalidRequest, match="https"):
        await vipps.webhooks.register(url)
    assert not requests_of(sandbox, "register")


@pytest.mark.parametrize(
    "events", [[], ["CAPTURRED"], ["AUTHORISATION_ADJUSTMENT"], [5], None, 5, ["a.\ud800"], ["a.æ"]]
)
async def test_events_that_do_not_exist_are_refused(sandbox: Sandbox, vipps: VippsClient, events: list[Any]) -> None:
    """No event, an unknown one, and one that only the draft knew are refused before sending."""
    with pytest.raises(InvalidRequest):
        await vipps.webhooks.register(URL, events)
    assert not requests_of(sandbox, "register")


@pytest.mark.parametrize("id", ["", ".", "..", "\ud800", "æ", None, 5])
async def test_what_cannot_be_an_id_is_not_deleted(sandbox: Sandbox, vipps: VippsClient, id: Any) -> None:  # noqa: A002 - as in the API
    """An id that would lead to another address is refused before sending."""
    with pytest.raises(InvalidRequest, match="must be the id of a registration") as refusal:
        await vipps.webhooks.delete(id)
    assert (refusal.value.field, refusal.value.value) == ("id", id)
    assert not sandbox.requests


async def test_refused_registration_names_the_reason(vipps: VippsClient) -> None:
    """What the API refuses comes back as BadRequest."""
    with pytest.raises(BadRequest):
        await vipps.webhooks.register(URL, ["no.such.event"])
