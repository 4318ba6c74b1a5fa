"""An agreement to work on, and what becomes of it."""

from datetime import date, timedelta
from typing import Any

from vipps_async import Amount, VippsClient
from vipps_async.recurring import Interval, Pricing
from vipps_async.sandbox import Sandbox

PRICE = Amount(49900, "NOK")
TERMS: dict[str, Any] = {
    "pricing": Pricing.legacy(PRICE),
    "interval": Interval("MONTH"),
    "product_name": "Gym membership",
    "merchant_redirect_url": "https://shop.example/welcome?member=7",
    "merchant_agreement_url": "https://shop.example/members/7",
}


async def draft(vipps: VippsClient, **terms: Any) -> str:
    """Draft an agreement, and return its id."""
    drafted = await vipps.recurring.agreements.create(**{**TERMS, **terms})
    return drafted.agreement_id


async def activate(sandbox: Sandbox, vipps: VippsClient, **terms: Any) -> str:
    """Draft an agreement that its user accepts, and return its id."""
    agreement_id = await draft(vipps, **terms)
    await sandbox.recurring.accept(agreement_id)
    return agreement_id


def tomorrow(sandbox: Sandbox) -> date:
    """The first day on which a charge can be due."""
    return sandbox.clock.now().date() + timedelta(days=1)


async def charge(sandbox: Sandbox, vipps: VippsClient, agreement_id: str, order_id: str, **terms: Any) -> str:
    """Create a charge that is due tomorrow, and return its id."""
    usual = {"amount": PRICE, "description": "November", "transaction_type": "DIRECT_CAPTURE", "retry_days": 2}
    due = {} if terms.get("type") == "UNSCHEDULED" else {"due": tomorrow(sandbox)}
    if terms.get("type") == "UNSCHEDULED":
        del usual["retry_days"]
    await vipps.recurring.charges.create(agreement_id, order_id=order_id, **{**usual, **due, **terms})
    return order_id


async def reserved(sandbox: Sandbox, vipps: VippsClient, order_id: str = "order-1") -> tuple[str, str]:
    """Return the ids of an agreement and of a charge of it that is reserved."""
    agreement_id = await activate(sandbox, vipps)
    await charge(sandbox, vipps, agreement_id, order_id, transaction_type="RESERVE_CAPTURE")
    sandbox.clock.advance(timedelta(days=2))
    assert (await vipps.recurring.charges.find(order_id)).status == "RESERVED"  # with a new token
    return agreement_id, order_id


async def captured(sandbox: Sandbox, vipps: VippsClient, order_id: str = "order-1") -> tuple[str, str]:
    """Return the ids of an agreement and of a charge of it that is captured."""
    agreement_id = await activate(sandbox, vipps)
    await charge(sandbox, vipps, agreement_id, order_id)
    sandbox.clock.advance(timedelta(days=2))
    assert (await vipps.recurring.charges.find(order_id)).status == "CHARGED"  # with a new token
    return agreement_id, order_id
