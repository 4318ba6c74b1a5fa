"""Take a payment against a local sandbox: create, wait, capture, refund.

Run it with ``python examples/quickstart.py``. Against Vipps MobilePay itself, replace the sandbox's credentials by your
own (``VippsClient.from_env()`` reads them), and leave out ``sandbox.approve``: there the user approves in the app.
"""

import asyncio
from uuid import uuid4

from vipps_async import Amount, PaymentState, VippsClient
from vipps_async.sandbox import Sandbox


async def main() -> None:
    """Take one payment."""
    async with (
        Sandbox() as sandbox,
        VippsClient(sandbox.credentials, environment=sandbox.environment) as vipps,
    ):
        created = await vipps.epayment.create(
            amount=Amount(49900, "NOK"),
            reference=f"acme-shop-{uuid4()}",
            return_url="https://shop.example/return",
            payment_description="One pair of socks",
        )
        print(f"Send the user to {created.redirect_url}")

        await sandbox.approve(created.reference)

        payment = await vipps.epayment.wait(created.reference, timeout=600)
        if payment.state is not PaymentState.AUTHORIZED:
            print(f"No sale: the payment is {payment.state}")
            return

        captured = await vipps.epayment.capture(payment.reference)
        print(f"Captured {captured.aggregate.captured_amount}")

        refunded = await vipps.epayment.refund(payment.reference, Amount(9900, "NOK"))
        print(f"Refunded {refunded.aggregate.refunded_amount}")


if __name__ == "__main__":
    asyncio.run(main())
