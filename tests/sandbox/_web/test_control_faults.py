"""Faults over HTTP: everything that Python can order, from any language."""

from typing import Any

import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop
from vipps_async.sandbox import DeliveryFault, InjectedFault

FAULTS = "/sandbox/faults"


async def order(merchant: Merchant, **said: Any) -> Any:
    """Order a fault, and return what is on order."""
    got = await merchant.send("POST", FAULTS, json=said)
    assert got.status == 201, got.body
    return got.json["faults"]


async def test_orders_are_shown_with_their_options(merchant: Merchant) -> None:
    """What was left out has its usual value: once, or always by chance, and the fault's own defaults; no secret."""
    await order(merchant, operation="capture", fault="reset-after", reference=REFERENCE)
    await order(merchant, operation="*", fault="LATENCY", probability=0.1)
    await order(merchant, operation="deliveries", fault="RE_SIGN", event="CAPTURED", secret="hidden-secret")
    shown = await order(merchant, operation="deliveries", fault="duplicate", copies=5, times=None)
    assert shown == [
        {"number": 1, "operation": "capture", "fault": "RESET_AFTER", "times": 1, "reference": REFERENCE},
        {"number": 2, "operation": "*", "fault": "LATENCY", "times": None, "probability": 0.1, "seconds": 1.0},
        {"number": 3, "operation": "deliveries", "fault": "RE_SIGN", "times": 1, "event": "CAPTURED"},
        {"number": 4, "operation": "deliveries", "fault": "DUPLICATE", "times": None, "copies": 5},
    ]


async def test_what_struck_is_listed(merchant: Merchant, shop: Shop) -> None:
    """The list has the seed, what is still on order and what struck, in order."""
    await merchant.sandbox.add_webhook(shop.url)
    await order(merchant, operation="create", fault="STATUS_503", retryAfter=1.5)
    await order(merchant, operation="deliveries", fault="DROP")
    refused = await merchant.create(key="k")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1.5")
    await merchant.create(key="k")
    listed = (await merchant.send("GET", FAULTS)).json
    assert listed == {
        "seed": merchant.sandbox.seed,
        "faults": [],
        "done": [
            {"operation": "epayment.create", "fault": "STATUS_503", "reference": REFERENCE, "event": None},
            {"operation": "deliveries", "fault": "DROP", "reference": REFERENCE, "event": "CREATED"},
        ],
    }
    assert isinstance(merchant.sandbox.injected_faults[1], InjectedFault)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"operation": "get"}, "Fault"),
        ({"operation": "get", "fault": "STATUS_418"}, "none of latency"),
        ({"operation": "get", "fault": "STATUS_500", "retry_after": 1}, "not known"),
        ({"operation": "get", "fault": "STATUS_500", "probability": "high"}, "probability='high' must be"),
        ({"operation": "get", "fault": "STATUS_500", "times": 1.5}, "times=1.5 must be"),
        ({"operation": "get", "fault": "STATUS_500", "retryAfter": "x"}, "retryAfter='x' must be seconds"),
        ({"operation": "deliveries", "fault": "DROP", "retryAfter": 1}, "DROP takes no retryAfter"),
        (
            {"operation": "get", "fault": "STATUS_500", "reference": ["x"]},
            "must be what the requests or events are about",
        ),
        ({"operation": "deliveries", "fault": "DROP", "event": {}}, "must be the name or the type of an event"),
    ],
)
async def test_orders_that_make_no_sense_are_problems(merchant: Merchant, said: Any, reason: str) -> None:
    """400, with the part and its rule."""
    got = await merchant.send("POST", FAULTS, json=said)
    assert got.status == 400
    assert reason in got.body.decode()
    assert (await merchant.send("GET", FAULTS)).json["faults"] == []


async def test_tokens_can_be_revoked(merchant: Merchant) -> None:
    """Every token that was issued is answered with 401 from then on."""
    assert (await merchant.send("DELETE", "/sandbox/tokens")).status == 204
    assert (await merchant.get()).status == 401
    await merchant.sign_in()
    assert (await merchant.get()).status == 404


async def test_redelivering(merchant: Merchant, shop: Shop) -> None:
    """A delivery is sent again, as it was or with a fault; an unknown one is 404, an unknown fault 400."""
    await merchant.register(shop.url, "epayments.payment.created.v1")
    await merchant.create()
    await merchant.sandbox.settled()
    path = f"/sandbox/deliveries/{merchant.sandbox.deliveries[0].id}/redeliver"
    assert (await merchant.send("POST", path, json={})).status == 202
    assert (await merchant.send("POST", path, json={"fault": "duplicate"})).status == 202
    await merchant.sandbox.settled()
    assert len(shop.received) == 4
    assert merchant.sandbox.deliveries[-1].fault is DeliveryFault.DUPLICATE
    assert (await merchant.send("POST", path, json={"fault": "RESET_AFTER"})).status == 400
    assert (await merchant.send("POST", "/sandbox/deliveries/99/redeliver", json={})).status == 404
    listed = (await merchant.send("GET", "/sandbox/deliveries")).json["deliveries"]
    assert [each["fault"] for each in listed] == [None, None, "DUPLICATE", "DUPLICATE"]


async def test_a_webhook_with_a_known_secret(merchant: Merchant, shop: Shop) -> None:
    """It can be registered with the secret that a receiver has already, which no list shows, and be removed again."""
    got = await merchant.send("POST", "/sandbox/webhooks", json={"url": shop.url, "secret": "known-secret"})
    assert got.status == 201
    assert b"known-secret" not in got.body
    await merchant.create()
    await merchant.sandbox.settled()
    assert shop.received[0][0]["Authorization"].startswith("HMAC-SHA256")
    path = f"/sandbox/webhooks/{got.json['id']}"
    assert [(await merchant.send("DELETE", path)).status for _ in range(2)] == [204, 404]
    await merchant.authorized(reference="another-payment")
    await merchant.sandbox.settled()
    assert len(shop.received) == 1


async def test_one_fault_is_removed(merchant: Merchant) -> None:
    """By its number, and the others stay."""
    for operation in ("capture", "refund"):
        merchant.sandbox.fail(operation, "STATUS_503")
    assert (await merchant.send("DELETE", "/sandbox/faults/1")).status == 204
    (left,) = (await merchant.send("GET", "/sandbox/faults")).json["faults"]
    assert (left["number"], left["operation"]) == (2, "refund")
    assert (await merchant.send("DELETE", "/sandbox/faults/1")).status == 404
