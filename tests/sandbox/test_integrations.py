"""Requests as integrations in production send them: taken by default, with notes, and refused by a strict sandbox."""

from typing import Any

import attrs
import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, of
from tests.support.sandbox.shipping import HOME, callback, express
from vipps_async.sandbox import ActionRefused

WEBHOOKS = "/webhooks/v1/webhooks"
RETURN = "https://shop.example/checkout/return"
MINIMAL = {
    "amount": {"currency": "NOK", "value": 49900},
    "paymentMethod": {"type": "WALLET"},
    "reference": REFERENCE,
    "userFlow": "WEB_REDIRECT",
    "returnUrl": RETURN,
}
CUSTOMER = {"phoneNumber": "4712345678", "customerInteraction": "CUSTOMER_NOT_PRESENT"}


@attrs.frozen
class Step:
    """One request of an integration."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str | None] = attrs.field(factory=dict)
    status: int = 200


# As a shop's plugin for WordPress sends them: with keys of its orders, what is interactive inside the customer, a long
# name, a registration by a library whose JSON is called a form, and a body on a cancellation.
WORDPRESS = [
    Step("POST", WEBHOOKS, {"url": "https://shop.example/wc-api/", "events": ["epayments.payment.authorized.v1"]},
         {"Content-Type": "application/x-www-form-urlencoded"}, 201),
    Step("POST", PAYMENTS, {**MINIMAL, "customer": CUSTOMER, "metadata": {"orderId": 1234}},
         {"Idempotency-Key": "0:wc_order_abc", "Vipps-System-Name": "A shop system with a very long name"}, 201),
    Step("POST", f"{PAYMENTS}/{REFERENCE}/cancel", {"cancelTransactionOnly": False, "modificationReference": None},
         {"Idempotency-Key": "1"}),
]  # fmt: skip
# As a plugin that is made with a generator for .NET sends them: every member that its class has, most of them null.
DOTNET = [
    Step("POST", PAYMENTS, {
        **MINIMAL,
        **dict.fromkeys(("customer", "customerInteraction", "receipt", "industryData", "profile")),
        "paymentMethod": {"type": "WALLET", "blockedSources": None},
    }, {"Idempotency-Key": "5f3f6c7e-50f5-4c36-9b0c-0a8e7c6b2a11"}, 201),
]  # fmt: skip
# As a plugin for a large shop system sends them: a reference of its own with every change, numbers for digits.
MAGENTO = [
    Step("POST", PAYMENTS, {**MINIMAL, "customer": {"phoneNumber": 4712345678}}, {"Idempotency-Key": "m-1"}, 201),
    Step("POST", f"{PAYMENTS}/{REFERENCE}/capture", {**of(100), "modificationReference": "000000123"},
         {"Idempotency-Key": "m-2"}),
    Step("POST", f"{PAYMENTS}/{REFERENCE}/refund", {**of(100), "modificationReference": "000000124"},
         {"Idempotency-Key": "m-3"}),
]  # fmt: skip
# As an app's backend sends them: the customer is not known yet, and the app is where the user returns to.
SHOPWARE = [
    Step("POST", f"{PAYMENTS}/", {**MINIMAL, "customer": {}, "userFlow": "NATIVE_REDIRECT", "returnUrl": "shop://done"},
         {"Idempotency-Key": "s-1", "Merchant-Serial-Number": None}, 201),
    Step("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", {}),
]  # fmt: skip
INTEGRATIONS = {"WordPress": WORDPRESS, ".NET": DOTNET, "Magento": MAGENTO, "Shopware": SHOPWARE}


async def play(merchant: Merchant, steps: list[Step]) -> list[int]:
    """Send the requests of an integration, whose user approves once there is a payment; return the statuses."""
    statuses = []
    for step in steps:
        got = await merchant.call(step.method, step.path, step.body, headers=step.headers)
        statuses.append(got.status)
        if REFERENCE in merchant.sandbox.payments and step.path == PAYMENTS:
            await merchant.sandbox.approve(REFERENCE)
    return statuses


@pytest.mark.parametrize("steps", INTEGRATIONS.values(), ids=INTEGRATIONS)
async def test_it_works(merchant: Merchant, steps: list[Step]) -> None:
    """Each request is answered as at the service, and says in its record what it is not documented with."""
    assert await play(merchant, steps) == [step.status for step in steps]
    assert all(record.notes for record in merchant.sandbox.requests[1:])


@pytest.mark.strict
@pytest.mark.parametrize("steps", INTEGRATIONS.values(), ids=INTEGRATIONS)
async def test_a_strict_sandbox_refuses_it(merchant: Merchant, steps: list[Step]) -> None:
    """Each request."""
    assert all(status >= 400 for status in await play(merchant, steps))
    assert not merchant.sandbox.payments


@pytest.mark.parametrize("mode", [pytest.param("lenient"), pytest.param("strict", marks=pytest.mark.strict)])
async def test_express_with_a_group_for_each_method(mode: str, merchant: Merchant) -> None:
    """A shop that makes a group of each of its methods answers with two of one brand."""
    async with callback() as shop:
        shop.say({"groups": [HOME, {**HOME, "extra": 1}]})
        await merchant.create(**express(shop.url))
        if mode == "lenient":
            assert (await merchant.sandbox.approve(REFERENCE)).state == "AUTHORIZED"
        else:
            with pytest.raises(ActionRefused):
                await merchant.sandbox.approve(REFERENCE)
