"""A process is killed between two lines: what does the merchant's ledger hold after it ran again?"""

import asyncio
import os
import sys

import pytest

from tests.support.payments import REFERENCE, requests_of
from vipps_async.sandbox import Fault, Sandbox
from vipps_async.sandbox._epayment.lifecycle import State

SELL = """
import asyncio
from vipps_async import Amount, PaymentState, VippsClient

async def sell():
    async with VippsClient.from_env() as vipps:
        created = await vipps.epayment.create(
            amount=Amount(1000, "NOK"), reference="acme-shop-123-order123abc", return_url="https://shop.example/"
        )
        while (await vipps.epayment.get(created.reference)).state is PaymentState.CREATED:
            await asyncio.sleep(0.05)
        await vipps.epayment.capture(created.reference, Amount(400, "NOK"), idempotency_key="shipment-17")
        await vipps.epayment.refund(created.reference, Amount(100, "NOK"), idempotency_key="return-3")
        await vipps.epayment.cancel(created.reference, idempotency_key="end-of-order")

asyncio.run(sell())
"""


async def approve_what_comes(sandbox: Sandbox) -> None:
    """The user approves every payment."""
    while True:
        for reference, payment in list(sandbox.payments.items()):
            if payment.state is State.CREATED:
                await sandbox.approve(reference)
        await asyncio.sleep(0.01)


async def start_selling(sandbox: Sandbox) -> asyncio.subprocess.Process:
    """Start a process that sells."""
    keys = sandbox.credentials
    environ = {
        "VIPPS_ENVIRONMENT": sandbox.base_url,
        "VIPPS_CLIENT_ID": str(keys.client_id),
        "VIPPS_CLIENT_SECRET": str(keys.client_secret),
        "VIPPS_SUBSCRIPTION_KEY": str(keys.subscription_key),
        "VIPPS_MERCHANT_SERIAL_NUMBER": keys.merchant_serial_number,
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-c", SELL, env={**os.environ, **environ})


@pytest.mark.parametrize("fault", [Fault.STALLED, Fault.RESET_BEFORE])
@pytest.mark.parametrize("step", ["create", "capture", "refund", "cancel"])
async def test_process_killed_in_a_write_runs_again_without_a_second_effect(
    sandbox: Sandbox, step: str, fault: Fault
) -> None:
    """A process killed in a write runs again from its start, and each of its writes has one effect in all.

    The creation's key comes from its arguments; the other keys are the shop's own names for what it does.
    """
    shopper = asyncio.create_task(approve_what_comes(sandbox))
    sandbox.fail(step, fault, times=None)
    doomed = await start_selling(sandbox)
    async with asyncio.timeout(20):
        while not requests_of(sandbox, step):
            await asyncio.sleep(0.01)
    doomed.kill()
    await doomed.wait()
    sandbox.clear_faults()
    again = await start_selling(sandbox)
    assert await again.wait() == 0
    shopper.cancel()
    payment = sandbox.payments[REFERENCE]
    assert [(str(event.name), event.amount) for event in payment.events] == [
        ("CREATED", 1000),
        ("AUTHORIZED", 1000),
        ("CAPTURED", 400),
        ("REFUNDED", 100),
        ("CANCELLED", 600),
    ]
