"""What many tests need: a payment to work on, and what the sandbox saw of it."""

from vipps_async import Amount, VippsClient
from vipps_async.sandbox import RecordedRequest, Sandbox

REFERENCE = "acme-shop-123-order123abc"
PRICE = Amount(1000, "NOK")


async def create(vipps: VippsClient, reference: str = REFERENCE, amount: Amount = PRICE) -> str:
    """Create a payment, and return its reference."""
    await vipps.epayment.create(amount=amount, reference=reference, return_url="https://shop.example/return")
    return reference


async def authorize(sandbox: Sandbox, vipps: VippsClient, reference: str = REFERENCE, amount: Amount = PRICE) -> str:
    """Create a payment that its user approves, and return its reference."""
    await create(vipps, reference, amount)
    await sandbox.approve(reference)
    return reference


def requests_of(sandbox: Sandbox, operation: str) -> list[RecordedRequest]:
    """The requests of one operation that the sandbox received, oldest first."""
    return [request for request in sandbox.requests if request.operation == operation]
