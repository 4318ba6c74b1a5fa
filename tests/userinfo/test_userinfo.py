"""Who approved a payment: the client's call, what the sandbox tells, and what neither tells."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.hostile import hostile, reply
from tests.support.payments import REFERENCE
from tests.support.sandbox.merchant import at
from tests.support.vectors import document
from vipps_async import Amount, Customer, InvalidRequest, NotFound, Unauthorized, VippsClient
from vipps_async._wire.converter import structure
from vipps_async.errors import InvalidReply
from vipps_async.sandbox import Sandbox
from vipps_async.userinfo import Gender, UserAddress, UserInfo

EVERYTHING = "name address email phoneNumber birthDate"
PERSONAL = ("Ada", "Lovelace", "user@example.com", "4791234567", "Levins", "1988", "0154")


async def approved(vipps: VippsClient, sandbox: Sandbox, scope: str, reference: str = REFERENCE) -> str:
    """Have a payment approved whose user consents to *scope*, and return the user's identifier."""
    await vipps.epayment.create(
        amount=Amount(49900, "NOK"),
        reference=reference,
        return_url="https://shop.example/",
        customer=Customer(phone_number="4791234567"),
        profile_scope=scope,
    )
    await sandbox.approve(reference)
    payment = await vipps.epayment.get(reference)
    assert payment.profile.sub is not None
    return payment.profile.sub


async def test_everything_that_was_consented_to_is_told(vipps: VippsClient, sandbox: Sandbox) -> None:
    """By the identifier that the payment has."""
    sub = await approved(vipps, sandbox, EVERYTHING)
    user = await vipps.userinfo.get(sub)
    assert (user.sub, user.name, user.given_name, user.family_name) == (sub, "Ada Lovelace", "Ada", "Lovelace")
    assert (user.birthdate, user.email, user.email_verified) == (date(1988, 12, 3), "user@example.com", False)
    assert (user.phone_number, user.phone_number_verified) == ("4791234567", True)
    assert user.address == UserAddress(
        address_type="home",
        street_address="Robert Levins gate 5",
        postal_code="0154",
        region="Oslo",
        country="NO",
        formatted="Robert Levins gate 5\n0154 Oslo",
    )
    assert (user.other_addresses, user.gender, user.is_expired) == ((), None, False)


async def test_nothing_else_is_told(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Until the user consents to more, in another payment."""
    sub = await approved(vipps, sandbox, "email")
    user = await vipps.userinfo.get(sub)
    assert set(user.raw) == {"sub", "sid", "email", "email_verified"}
    assert await approved(vipps, sandbox, "name", "order-0002") == sub
    assert set((await vipps.userinfo.get(sub)).raw) >= {"email", "name"}


async def test_what_was_told_expires(vipps: VippsClient, sandbox: Sandbox) -> None:
    """168 hours after the consent."""
    sub = await approved(vipps, sandbox, EVERYTHING)
    sandbox.clock.advance(timedelta(hours=167, minutes=59))
    sandbox.revoke_tokens()
    assert not (await vipps.userinfo.get(sub)).is_expired
    sandbox.clock.advance(timedelta(minutes=1))
    user = await vipps.userinfo.get(sub)
    assert user.is_expired
    assert (user.sub, user.name, user.birthdate, user.address) == (sub, "[Expired]", None, None)


async def test_a_user_who_is_not_known(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Nobody approved, or nothing was asked for."""
    await approved(vipps, sandbox, "name")
    await sandbox.reset()
    with pytest.raises(NotFound) as caught:
        await vipps.userinfo.get("c06c4afe-d9e1-4c5d-939a-177d752a0944")
    assert caught.value.operation == "userinfo"


async def test_a_problem_is_worded_as_this_api_does(sandbox: Sandbox) -> None:
    """Its status is text."""
    async with at(sandbox) as merchant:
        got = await merchant.call("GET", "/vipps-userinfo-api/userinfo/nobody")
    assert (got.status, got.json["status"], got.json["instance"]) == (404, "404", "/vipps-userinfo-api/userinfo/nobody")
    assert set(got.json) == {"type", "title", "status", "detail", "instance", "extraInfo"}


@pytest.mark.strict
async def test_the_subscription_key_is_left_out_unless_it_is_asked_for(vipps: VippsClient, sandbox: Sandbox) -> None:
    """Where the guides are held to, one that is sent is refused."""
    sub = await approved(vipps, sandbox, "name")
    assert (await vipps.userinfo.get(sub)).name == "Ada Lovelace"
    with pytest.raises(Unauthorized):
        await vipps.userinfo.get(sub, subscription_key=True)


async def test_a_subscription_key_is_taken_and_noted(vipps: VippsClient, sandbox: Sandbox) -> None:
    """As the specification has it."""
    sub = await approved(vipps, sandbox, "name")
    assert (await vipps.userinfo.get(sub, subscription_key=True)).name == "Ada Lovelace"
    assert sandbox.requests[-1].notes == ("ignored: Ocp-Apim-Subscription-Key",)


@pytest.mark.parametrize("sub", ["", "a/b", "a b", "å", "x" * 101, None, 5, "../payments"])
async def test_what_cannot_be_an_identifier_is_refused(vipps: VippsClient, sandbox: Sandbox, sub: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidRequest, match="sub="):
        await vipps.userinfo.get(sub)
    assert not sandbox.requests


async def test_another_user_s_reply_is_no_reply() -> None:
    """As one that was left over on a connection would be."""
    async with hostile(lambda _: reply(200, {"sub": "somebody-else", "name": "Eve"})) as (_, vipps):
        with pytest.raises(InvalidReply, match="about user 'somebody-else' instead of asked-for") as caught:
            await vipps.userinfo.get("asked-for")
    assert "Eve" not in str(caught.value)


@pytest.mark.parametrize("name", ["current-userinfo-response", "current-userinfo-expired"])
def test_the_documented_claims_land(name: str) -> None:
    """All of them, and nothing personal is in the repr."""
    claims = document(name)
    user = structure(claims, UserInfo)
    assert user.raw == claims
    assert user.is_expired is (name == "current-userinfo-expired")
    told = user.to_dict()
    assert {field: told[field] for field in claims if not isinstance(claims[field], dict)} == {
        field: value for field, value in claims.items() if not isinstance(value, dict)
    }
    assert not any(text in repr(user) for text in PERSONAL)


def test_what_does_not_fit_is_not_told() -> None:
    """A claim of another type informs of nothing, and costs no call; a gender that is new is one."""
    user = structure({"sub": "1", "birthdate": "[Expired]", "email": 5, "gender": "x", "address": "no"}, UserInfo)
    assert (user.birthdate, user.email, user.address) == (None, None, None)
    assert user.gender == "x"
    assert Gender("male") is Gender.MALE
    empty = structure({"sub": "1", "address": {"street_address": ""}}, UserInfo)
    assert empty.address == UserAddress(street_address="")
