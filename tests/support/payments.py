"""A payment to work on, and what the sandbox saw of it."""

import asyncio

from vipps_async import Amount, VippsClient
from vipps_async._http.polling import Polls, PollSchedule
from vipps_async.epayment import EPayment
from vipps_async.sandbox import RecordedRequest, Sandbox
from vipps_async.sandbox._platform.routes import is_named

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


def polling(vipps: VippsClient, **schedule: float) -> EPayment:
    """The client's payments, of which those that are waited for are read after other pauses than the API asks for."""
    return EPayment(vipps, Polls(PollSchedule(**schedule)))


async def reads_of(sandbox: Sandbox, count: int) -> None:
    """Return once the sandbox has answered so many reads of payments."""
    while len(requests_of(sandbox, "get")) < count:
        await asyncio.sleep(0.005)


def requests_of(sandbox: Sandbox, operation: str) -> list[RecordedRequest]:
    """The requests of one operation that the sandbox received, oldest first."""
    return [request for request in sandbox.requests if is_named(request.operation, operation)]
