"""What a sales unit may not do, and what is left to it; the codes themselves are among the error codes."""

from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox._epayment.test_dialects import MINIMAL
from tests.sandbox._epayment.test_rules import EXPRESS, RECEIPT
from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, at, of
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Permission, Sandbox

OF_CREATE = (
    Permission.PUSH_MESSAGE,
    Permission.EXPRESS,
    Permission.LONG_LIVING,
    Permission.PROFILE_SHARING,
)
PUSH = {"userFlow": "PUSH_MESSAGE", "customer": {"phoneNumber": "4712345678"}}


async def test_what_is_not_denied_is_allowed() -> None:
    """A sales unit that may do none of it still takes plain payments and captures all of them."""
    async with Sandbox(denied=[*OF_CREATE, Permission.PARTIAL_CAPTURE, "refund"]) as sandbox, at(sandbox) as merchant:
        await merchant.authorized()
        assert (await merchant.modify("capture", of(49900))).status == 200


@pytest.mark.parametrize("denied", OF_CREATE)
async def test_one_denial_leaves_the_others_alone(denied: Permission) -> None:
    """Of the payments that need a permission, only those are refused that need the denied one."""
    async with Sandbox(denied=[denied]) as sandbox, at(sandbox) as merchant:
        expires_at = (sandbox.clock.now() + timedelta(days=1)).isoformat()
        needing: dict[Permission, dict[str, Any]] = {
            Permission.PUSH_MESSAGE: PUSH,
            Permission.EXPRESS: EXPRESS,
            Permission.LONG_LIVING: {"expiresAt": expires_at, "receipt": RECEIPT},
            Permission.PROFILE_SHARING: {"profile": {"scope": "name"}},
        }
        statuses = {
            permission: (await merchant.create(reference=f"order-{permission}", **changes)).status
            for permission, changes in needing.items()
        }
    # Express asks for the user's profile as well.
    refused = {denied, Permission.EXPRESS} if denied is Permission.PROFILE_SHARING else {denied}
    assert statuses == {permission: 403 if permission in refused else 201 for permission in needing}


@pytest.mark.parametrize(("value", "code"), [(49901, "6090"), (1, "6140"), (49899, "6140"), (49900, None)])
async def test_without_partial_capture(value: int, code: str | None) -> None:
    """All that is reserved is captured, or nothing; too much is still too much."""
    async with Sandbox(denied=["partial-capture"]) as sandbox, at(sandbox) as merchant:
        await merchant.authorized()
        assert (await merchant.modify("capture", of(value))).code == code
        assert sandbox.payments[REFERENCE].captured_amount == (0 if code else 49900)


async def test_what_time_does_needs_no_permission() -> None:
    """A reservation that nobody captured is released, whatever the sales unit may do."""
    async with Sandbox(denied=Permission) as sandbox, at(sandbox) as merchant:
        assert (await merchant.create()).code == "5060"
    async with Sandbox(denied=set(Permission) - {Permission.PAYMENTS}) as sandbox, at(sandbox) as merchant:
        await merchant.authorized()
        sandbox.clock.advance(timedelta(days=181))
        assert sandbox.payments[REFERENCE].cancelled_amount == 49900


async def test_the_draft_denies_too() -> None:
    """It has the status, and no code."""
    async with Sandbox(dialect="draft", denied=["push-message"]) as sandbox, at(sandbox) as merchant:
        body = {**MINIMAL, "userFlow": "PUSH_MESSAGE", "customer": "4712345678"}
        got = await merchant.call("POST", PAYMENTS, body, key="k")
        assert (got.status, "extraDetails" in got.json) == (403, False)


@pytest.mark.parametrize("denied", [["push"], ["express", "PUSH_MESSAGE"], [None]])
def test_a_permission_that_is_none(denied: Any) -> None:
    """The message names what it is none of."""
    with pytest.raises(ConfigurationError, match=r"^denied=.* must be one of payments, push-message, express"):
        Sandbox(denied=denied)
