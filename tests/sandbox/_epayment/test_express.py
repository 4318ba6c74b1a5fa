"""Express: what the merchant's shipping callback is asked, and what becomes of its answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox._epayment.test_rules import GROUP, OPTION
from tests.support.sandbox.merchant import REFERENCE, Merchant, until
from tests.support.sandbox.shipping import Callback, callback, express
from vipps_async.sandbox import ActionRefused
from vipps_async.sandbox._epayment.lifecycle import State


@pytest.fixture(name="callback")
async def running_callback() -> AsyncIterator[Callback]:
    """A running shipping callback."""
    async with callback() as opened:
        yield opened


async def test_the_callback_decides_on_shipping(merchant: Merchant, callback: Callback) -> None:
    """It is asked with its token about the user's address; the chosen option's cost is added to the payment."""
    callback.say({"groups": [GROUP]})
    await merchant.authorized(**express(callback.url))
    ((headers, question),) = callback.asked
    assert (headers["Authorization"], headers["Content-Type"]) == ("a1b2-c3d4", "application/json;charset=UTF-8")
    lines = {
        "AddressLine1": "Robert Levins gate 5",
        "AddressLine2": None,
        "City": "Oslo",
        "PostCode": "0154",
        "Country": "NO",
    }
    # As documented, and as other shops read it.
    small = {f"{name[0].lower()}{name[1:]}": line for name, line in lines.items()}
    assert question == {"reference": REFERENCE, **lines, **small}
    payment = (await merchant.get()).json
    assert payment["aggregate"]["authorizedAmount"]["value"] == 49900 + 9900
    assert payment["shippingDetails"]["shippingOptionId"] == OPTION["id"]


async def test_a_token_is_optional(merchant: Merchant, callback: Callback) -> None:
    """Without one, the callback is asked without authorization."""
    callback.say({"groups": [GROUP]})
    changes = express(callback.url)
    del changes["shipping"]["dynamicOptions"]["callbackAuthorizationToken"]
    await merchant.authorized(**changes)
    assert "Authorization" not in callback.asked[0][0]


@pytest.mark.strict
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {}, "answered 400"),
        (302, {}, "answered 302"),
        (500, b"<html>", "answered 500"),
        (200, b"<html>", "not JSON"),
        (200, b"", "not JSON"),
        (200, [], "body: The field Body must be an object"),
        (200, {}, "groups: The Groups field is required"),
        (200, {"groups": []}, "at least 1 entries"),
        (200, {"groups": [{**GROUP, "brand": "PIGEON"}]}, r"groups\[0\]\.brand"),
        (200, {"groups": [{**GROUP, "options": []}]}, r"groups\[0\]\.options"),
        (200, {"groups": [GROUP, GROUP]}, "same brand and type"),
        (200, {"groups": [{**GROUP, "options": [{**OPTION, "amount": {"currency": "EUR", "value": 1}}]}]}, "in NOK"),
        (200, b" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
    ],
)
async def test_answers_that_ship_nothing(
    merchant: Merchant, callback: Callback, status: int, body: Any, reason: str
) -> None:
    """The attempt to pay fails with what is wrong, and a better answer lets the user pay after all."""
    callback.say(body, status)
    await merchant.create(**express(callback.url))
    with pytest.raises(ActionRefused, match=reason):
        await merchant.sandbox.approve(REFERENCE)
    assert merchant.sandbox.payments[REFERENCE].state is State.CREATED
    callback.say({"groups": [GROUP]})
    assert (await merchant.sandbox.approve(REFERENCE)).state is State.AUTHORIZED


async def test_a_callback_that_cannot_be_reached(merchant: Merchant) -> None:
    """Nobody listening is told as such, over HTTP too."""
    await merchant.create(**express("http://127.0.0.1:9/shipping"))
    got = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/approve")
    assert (got.status, "ClientConnectorError" in got.json["detail"]) == (409, True)
    assert (await merchant.modify("cancel")).status == 200


async def test_silence_is_bounded(merchant: Merchant, callback: Callback, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that does not answer in time ships nothing."""
    monkeypatch.setattr("vipps_async.sandbox._epayment.shipping_callback.ANSWER_WITHIN", timedelta(seconds=0.05))
    await merchant.create(**express(callback.url))
    with pytest.raises(ActionRefused, match=r"no answer within 0\.05 s"):
        await merchant.sandbox.approve(REFERENCE)


async def test_nobody_else_acts_while_the_callback_thinks(merchant: Merchant, callback: Callback) -> None:
    """The merchant's cancel is 6250 with 423, a second approval is refused; afterwards both go their way."""
    await merchant.create(**express(callback.url))
    approval = asyncio.create_task(merchant.sandbox.approve(REFERENCE))
    await until(lambda: callback.asked)
    refused = await merchant.modify("cancel", key="k")
    assert (refused.status, refused.code) == (423, "6250")
    with pytest.raises(ActionRefused, match="under way"):
        await merchant.sandbox.approve(REFERENCE)
    callback.say({"groups": [GROUP]})
    assert (await approval).state is State.AUTHORIZED
    assert (await merchant.modify("cancel", key="k")).status == 200
    assert len(callback.asked) == 1


async def test_the_payment_runs_out_while_the_callback_thinks(merchant: Merchant, callback: Callback) -> None:
    """Time that ran out meanwhile wins."""
    await merchant.create(**express(callback.url))
    approval = asyncio.create_task(merchant.sandbox.approve(REFERENCE))
    await until(lambda: callback.asked)
    merchant.sandbox.clock.advance(timedelta(minutes=11))
    callback.say({"groups": [GROUP]})
    with pytest.raises(ActionRefused, match="EXPIRED"):
        await approval


async def test_a_reset_ends_the_question(merchant: Merchant, callback: Callback) -> None:
    """When all was forgotten meanwhile, there is nothing to approve."""
    await merchant.create(**express(callback.url))
    approval = asyncio.create_task(merchant.sandbox.approve(REFERENCE))
    await until(lambda: callback.asked)
    await merchant.sandbox.reset()
    callback.say({"groups": [GROUP]})
    with pytest.raises(LookupError, match=REFERENCE):
        await approval


async def test_countries_can_be_left_out(merchant: Merchant, callback: Callback) -> None:
    """A user who lives in none of `allowedCountries` cannot pay, and the callback is not asked."""
    await merchant.create(**express(callback.url, allowedCountries=["DK", "FI"]))
    with pytest.raises(ActionRefused, match="nothing is shipped to NO"):
        await merchant.sandbox.approve(REFERENCE)
    assert not callback.asked


@pytest.mark.parametrize(
    ("currency", "countries", "country", "is_served"),
    [
        ("NOK", None, "NO", True),
        ("NOK", None, "SE", False),
        ("DKK", None, "DK", True),
        ("DKK", None, "NO", False),
        ("EUR", None, "FI", True),
        ("NOK", ["SE", "DK"], "SE", True),
        ("NOK", ["SE", "DK"], "NO", False),
    ],
)
async def test_where_express_ships_to(
    merchant: Merchant, currency: str, countries: list[str] | None, country: str, *, is_served: bool
) -> None:
    """To the countries that the merchant names, or else to that of the payment's currency."""
    option = {"id": "van", "name": "By van", "amount": {"currency": currency, "value": 100}}
    shipping: dict[str, Any] = {"fixedOptions": [{"type": "HOME_DELIVERY", "brand": "POSTEN", "options": [option]}]}
    if countries is not None:
        shipping["allowedCountries"] = countries
    await merchant.create(
        amount={"currency": currency, "value": 49900}, profile={"scope": "name address"}, shipping=shipping
    )
    address = {"addressLine1": "Storgata 1", "city": "X", "postCode": "1", "country": country}
    if is_served:
        assert (await merchant.sandbox.approve(REFERENCE, address=address)).state == "AUTHORIZED"
    else:
        with pytest.raises(ActionRefused, match=f"nothing is shipped to {country}, only to"):
            await merchant.sandbox.approve(REFERENCE, address=address)
