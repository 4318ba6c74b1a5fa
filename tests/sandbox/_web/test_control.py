"""The Python surface, the control surface over HTTP, and the pages."""

import asyncio
import re
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, of, until
from vipps_async._wire.secret import described
from vipps_async.config import Credentials, Environment
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._epayment.lifecycle import State
from vipps_async.sandbox._platform.markets import money

CREATED = "epayments.payment.created.v1"


class TestPython:
    """`Sandbox` as an object."""

    async def test_starts_and_stops_quickly(self) -> None:
        """Both take well under a second, twice in a row on the same port, and a second stop does no harm."""
        began = time.monotonic()
        sandbox = Sandbox()
        await sandbox.start()
        address = sandbox.base_url
        await sandbox.stop()
        await sandbox.stop()
        await sandbox.start()
        assert sandbox.base_url == address
        await sandbox.stop()
        assert time.monotonic() - began < 1

    async def test_two_sandboxes_do_not_share(self) -> None:
        """Each has its port and its payments."""
        async with Sandbox() as one, Sandbox() as other, at(one) as merchant:
            await merchant.create()
            assert one.base_url != other.base_url
            assert (list(one.payments), list(other.payments)) == ([REFERENCE], [])

    async def test_cannot_start_twice_nor_on_a_taken_port(self, sandbox: Sandbox) -> None:
        """The first is a RuntimeError, the second an OSError that leaves nothing behind."""
        with pytest.raises(RuntimeError, match="already"):
            await sandbox.start()
        port = int(sandbox.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await Sandbox(port=port).start()

    async def test_has_no_address_before_it_starts(self) -> None:
        """Asking for it says what to do; going offline before that does nothing."""
        sandbox = Sandbox()
        with pytest.raises(RuntimeError, match="before it is started"):
            _ = sandbox.base_url
        async with sandbox.offline():
            pass

    async def test_listening_everywhere_is_reached_through_loopback(self) -> None:
        """The address is one that a client can use."""
        async with Sandbox(host="0.0.0.0") as sandbox:  # noqa: S104 - that is the claim
            assert sandbox.base_url.startswith("http://127.0.0.1:")
            assert sandbox.environment == Environment(sandbox.base_url)

    @pytest.mark.parametrize(
        ("name", "value", "rule"),
        [
            ("dialect", "klingon", "one of current, draft"),
            ("copies", 0, "a whole number, 1 or more"),
            ("copies", True, "a whole number, 1 or more"),
            ("retry_delays", [], "some seconds"),
            ("retry_delays", [1, -1], "some seconds"),
            ("token_lifetime", 0, "seconds, or a timedelta, from 0.001 seconds to"),
            ("token_lifetime", 1e12, "seconds, or a timedelta, from 0.001 seconds to"),
            ("token_lifetime", float("nan"), "seconds, or a timedelta, from 0.001 seconds to"),
            ("currency", "SEK", "NOK, DKK or EUR"),
            ("currency", "", "NOK, DKK or EUR"),
            ("denied", "refund", "a list of permissions"),
            ("public_url", "http://shop.example", "an address without a path"),
            ("public_url", "http://localhost:8090/vipps", "an address without a path"),
            ("public_url", "http://localhost:8090?a=1", "an address without a path"),
            ("seed", -1, "a whole number, 0 to"),
        ],
    )
    def test_arguments_that_cannot_work(self, name: str, value: Any, rule: str) -> None:
        """The message names the argument, what it is and the rule, before anything is started."""
        with pytest.raises(ConfigurationError, match=rf"^{name}={re.escape(described(value))} must be {rule}"):
            Sandbox(**{name: value})

    async def test_a_public_url_may_end_in_a_slash(self) -> None:
        """Landing pages are below it all the same."""
        async with Sandbox(public_url="http://localhost:8090/") as sandbox, at(sandbox) as merchant:
            redirect = (await merchant.create()).json["redirectUrl"]
        assert redirect.startswith("http://localhost:8090/landing?token=")

    async def test_own_credentials(self) -> None:
        """The keys that it was given are those that it accepts."""
        keys = Credentials(
            client_id="own-id", client_secret="own-secret", subscription_key="own-key", merchant_serial_number="7654321"
        )
        async with Sandbox(credentials=keys) as sandbox, at(sandbox) as merchant:
            assert sandbox.credentials is keys
            assert (await merchant.create()).status == 201

    async def test_the_clock_only_goes_forward(self, sandbox: Sandbox) -> None:
        """Backwards, or beyond a hundred years, it does not move."""
        before = sandbox.clock.now()
        sandbox.clock.advance(timedelta(days=1))
        assert timedelta(days=1) <= sandbox.clock.now() - before < timedelta(days=1, seconds=5)
        for wrong in (timedelta(seconds=-1), timedelta(days=40_000)):
            with pytest.raises(ValueError, match="clock"):
                sandbox.clock.advance(wrong)

    async def test_payments_expire_in_real_time(self, merchant: Merchant) -> None:
        """Nobody has to ask for it."""
        await merchant.create()
        merchant.sandbox.clock.advance(timedelta(minutes=9, seconds=59, milliseconds=900))
        assert merchant.sandbox.payments[REFERENCE].state is State.CREATED
        await until(lambda: merchant.sandbox.payments[REFERENCE].state is State.EXPIRED)

    async def test_reset_forgets_everything(self, merchant: Merchant, shop: Shop) -> None:
        """Payments, keys, webhooks, deliveries, requests, faults, tokens and the clock's lead."""
        sandbox = merchant.sandbox
        shop.statuses = [500] * 1000
        await sandbox.add_webhook(shop.url)
        first = await merchant.create(key="k")
        sandbox.fail("create", "STATUS_500", times=None)
        sandbox.clock.advance(timedelta(days=1))
        await asyncio.sleep(0.05)
        await sandbox.reset()
        await sandbox.settled(0.1)
        assert (dict(sandbox.payments), sandbox.deliveries, sandbox.requests) == ({}, [], [])
        assert sandbox.clock.offset == timedelta()
        assert (await merchant.get()).status == 401
        await merchant.sign_in()
        second = await merchant.create(key="k")
        assert (second.status, second.body != first.body) == (201, True)
        await sandbox.settled(0.1)

    async def test_payments_cannot_be_changed_from_outside(self, merchant: Merchant) -> None:
        """The mapping is a view, its values are frozen."""
        await merchant.create()
        payments: Any = merchant.sandbox.payments
        with pytest.raises(TypeError):
            payments[REFERENCE] = None
        with pytest.raises(AttributeError):
            payments[REFERENCE].amount = 1
        assert "token" not in repr(payments[REFERENCE])

    async def test_every_request_is_on_record(self, merchant: Merchant) -> None:
        """Operation by operation, with key, body, status and whether it took effect."""
        sandbox = merchant.sandbox
        await merchant.authorized(key="k1")
        await merchant.get()
        await merchant.events()
        await merchant.modify("capture", of(2), key="k2")
        await merchant.modify("refund", of(1), key="k3")
        await merchant.modify("cancel", key="k4")
        await merchant.modify("cancel", key="k5")
        webhook = (await merchant.register("http://127.0.0.1:9/", CREATED)).json["id"]
        await merchant.call("GET", "/webhooks/v1/webhooks")
        await merchant.call("DELETE", f"/webhooks/v1/webhooks/{webhook}")
        await merchant.call("POST", f"/epayment/v1/test/payments/{REFERENCE}/approve", {})
        seen = [(each.operation, each.idempotency_key, each.status, each.took_effect) for each in sandbox.requests]
        assert seen == [
            ("accesstoken.issue-token", None, 200, True),
            ("epayment.create", "k1", 201, True),
            ("epayment.get", None, 200, False),
            ("epayment.events", None, 200, False),
            ("epayment.capture", "k2", 200, True),
            ("epayment.refund", "k3", 200, True),
            ("epayment.cancel", "k4", 200, True),
            ("epayment.cancel", "k5", 400, False),
            ("webhooks.register", None, 201, True),
            ("webhooks.list", None, 200, False),
            ("webhooks.delete", None, 204, True),
            ("epayment.approve", None, 400, False),
        ]
        assert sandbox.requests[4].body == b'{"modificationAmount": {"currency": "NOK", "value": 2}}'


class TestControl:
    """The same over HTTP, for people and other languages."""

    @pytest.mark.parametrize(
        ("act", "state"),
        [("approve", "AUTHORIZED"), ("reject", "ABORTED"), ("go-back", "ABORTED"), ("expire", "EXPIRED")],
    )
    async def test_acting_on_a_payment(self, merchant: Merchant, act: str, state: str) -> None:
        """One POST acts as the user; a second one is refused; an unknown reference is not found."""
        await merchant.create()
        got = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/{act}")
        assert (got.status, got.json["state"]) == (200, state)
        again = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/{act}")
        assert again.status == 409
        assert state in again.json["detail"]
        unknown = await merchant.send("POST", f"/sandbox/payments/unknown-reference/{act}")
        assert (unknown.status, "no payment" in unknown.json["detail"]) == (404, True)

    async def test_listing(self, merchant: Merchant, shop: Shop) -> None:
        """Payments, deliveries and requests, and no secret anywhere."""
        secret = (await merchant.register(shop.url, CREATED)).json["secret"]
        await merchant.authorized()
        await merchant.sandbox.settled()
        payments = await merchant.send("GET", "/sandbox/payments")
        (payment,) = payments.json["payments"]
        assert (payment["reference"], payment["state"], payment["authorizedAmount"]) == (REFERENCE, "AUTHORIZED", 49900)
        assert [event["name"] for event in payment["events"]] == ["CREATED", "AUTHORIZED"]
        deliveries = await merchant.send("GET", "/sandbox/deliveries")
        (delivery,) = deliveries.json["deliveries"]
        assert (delivery["status"], delivery["attempt"], delivery["event"]) == (200, 1, "CREATED")
        assert deliveries.json["pending"] == []
        requests = await merchant.send("GET", "/sandbox/requests")
        assert [each["operation"] for each in requests.json["requests"]] == [
            "accesstoken.issue-token",
            "webhooks.register",
            "epayment.create",
        ]
        hidden = {secret, *merchant.token_headers.values(), merchant.authorization["Authorization"]}
        shown = b"".join(got.body for got in (payments, deliveries, requests)).decode()
        assert not any(each in shown for each in hidden)

    async def test_the_clock(self, merchant: Merchant) -> None:
        """It can be read and advanced, by any number of seconds that is not negative."""
        got = await merchant.send("POST", "/sandbox/clock", json={"advance": 660})
        assert (got.status, got.json["ahead"]) == (200, 660)
        assert set((await merchant.send("GET", "/sandbox/clock")).json) == {"now", "ahead"}
        for wrong in (-1, "1", True, None, 1e300, 4e9):
            got = await merchant.send("POST", "/sandbox/clock", json={"advance": wrong})
            assert "a number between 0 and 3153600000" in got.json["extraDetails"][0]["reason"]
            assert got.status == 400

    async def test_faults(self, merchant: Merchant) -> None:
        """They can be ordered and withdrawn."""
        order = {"operation": "get", "fault": "STATUS_429", "times": None, "retryAfter": 2}
        got = await merchant.send("POST", "/sandbox/faults", json=order)
        assert (got.status, got.json["faults"]) == (201, [{"number": 1, **order}])
        assert (await merchant.get()).headers["Retry-After"] == "2"
        assert (await merchant.send("DELETE", "/sandbox/faults")).status == 204
        assert (await merchant.get()).status == 404
        orders: tuple[Any, ...] = (
            {"operation": "x", "fault": "STATUS_429"},
            {"operation": "get", "fault": "x"},
            {"operation": "get", "fault": "STATUS_429", "times": 0},
            {"operation": "get", "fault": "STATUS_429", "retryAfter": -1},
            [],
        )
        for wrong in orders:
            assert (await merchant.send("POST", "/sandbox/faults", json=wrong)).status == 400

    async def test_webhooks(self, merchant: Merchant, shop: Shop) -> None:
        """An unsigned one for every event, or for some; a bad one is a problem."""
        got = await merchant.send("POST", "/sandbox/webhooks", json={"url": shop.url})
        assert (got.status, set(got.json), len(got.json["events"])) == (201, {"id", "url", "events"}, 18)
        got = await merchant.send("POST", "/sandbox/webhooks", json={"url": shop.url, "events": [CREATED]})
        assert got.json["events"] == [CREATED]
        assert (await merchant.send("POST", "/sandbox/webhooks", json={"url": "nowhere"})).status == 400
        await merchant.create()
        await merchant.sandbox.settled()
        assert len(shop.received) == 2

    async def test_reset(self, merchant: Merchant) -> None:
        """It empties the sandbox."""
        await merchant.create()
        assert (await merchant.send("POST", "/sandbox/reset")).status == 204
        assert not merchant.sandbox.payments

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nowhere", 404),
            ("GET", "/epayment/v1/payments", 405),
            ("HEAD", "/sandbox/payments", 405),
            ("PATCH", "/sandbox/clock", 405),
            ("POST", "/sandbox/payments/x/teleport", 404),
            ("GET", "/epayment/v1/payments/..%2F..%2Fetc", 401),
            ("GET", "/%ff%fe", 404),
        ],
    )
    async def test_what_is_not_served(self, merchant: Merchant, method: str, path: str, status: int) -> None:
        """Unknown paths are 404 and wrong methods 405, both as problems."""
        got = await merchant.send(method, path)
        assert got.status == status
        assert "json" in got.headers["Content-Type"]
        assert (status == 405) == ("Allow" in got.headers)


class TestPages:
    """What a person sees."""

    async def test_the_landing_page_shows_the_payment(self, merchant: Merchant) -> None:
        """Merchant, description and amount, escaped; two buttons; nothing inline, nothing to load from elsewhere."""
        created = await merchant.create(paymentDescription="Socks <script>alert(1)</script> & more")
        got = await merchant.send("GET", created.json["redirectUrl"])
        page = got.body.decode()
        assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert '<html lang="en">' in page
        assert 'name="viewport"' in page
        assert "no money moves" in page
        assert "Socks &lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
        assert "499.00\N{NO-BREAK SPACE}NOK" in page
        assert "123456" in page
        assert page.count("<button") == 2
        assert re.findall(r"<script|src=[^ >]*|https?://", page) == ["<script", 'src="/sandbox/landing.js"']
        assert got.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    @pytest.mark.parametrize(
        ("action", "state"), [("approve", "AUTHORIZED"), ("reject", "ABORTED"), ("go-back", "ABORTED")]
    )
    async def test_the_page_s_actions_lead_back(self, merchant: Merchant, action: str, state: str) -> None:
        """303 to the return URL as it was given; afterwards the page tells what happened, with a link back."""
        return_url = 'https://example.com/back?a=%2F&b="c"'
        created = await merchant.create(returnUrl=return_url)
        landing = created.json["redirectUrl"]
        got = await merchant.send("POST", landing, data={"action": action})
        assert (got.status, got.headers["Location"]) == (303, return_url)
        assert merchant.sandbox.payments[REFERENCE].state == state
        page = (await merchant.send("GET", landing)).body.decode()
        assert state in page
        assert "<button" not in page
        assert "<script" not in page
        assert 'href="https://example.com/back?a=%2F&amp;b=&quot;c&quot;"' in page
        again = await merchant.send("POST", landing, data={"action": action})
        assert (again.status, state in again.body.decode()) == (409, True)

    async def test_a_payment_without_a_return_url_stays_on_the_page(self, merchant: Merchant) -> None:
        """A QR payment has nowhere to go back to."""
        created = await merchant.create(userFlow="QR", returnUrl=None, qrFormat={"format": "TEXT/TARGETURL"})
        got = await merchant.send("POST", created.json["redirectUrl"], data={"action": "approve"})
        assert got.status == 303
        page = await merchant.send("GET", got.headers["Location"])
        assert (page.status, b"You approved" in page.body, b"Back to" in page.body) == (200, True, False)

    async def test_a_payment_that_expired_meanwhile(self, merchant: Merchant) -> None:
        """The page says so, and the button does not approve any more."""
        created = await merchant.create()
        merchant.sandbox.clock.advance(timedelta(minutes=11))
        got = await merchant.send("POST", created.json["redirectUrl"], data={"action": "approve"})
        assert (got.status, b"EXPIRED" in got.body) == (409, True)

    async def test_odd_requests_to_the_landing_page(self, merchant: Merchant) -> None:
        """An unknown token is 404, an unknown action 400, and an encoded form 415."""
        created = await merchant.create()
        assert (await merchant.send("GET", "/landing?token=nobody")).status == 404
        assert (await merchant.send("GET", "/landing")).status == 404
        assert (await merchant.send("POST", "/landing?token=nobody", data={"action": "approve"})).status == 404
        landing = created.json["redirectUrl"]
        assert (await merchant.send("POST", landing, data={"action": "steal"})).status == 400
        assert (await merchant.send("POST", landing, data=b"\xff\xfe")).status == 400
        got = await merchant.send("POST", landing, data=b"x", headers={"Content-Encoding": "gzip"})
        assert got.status == 415
        assert merchant.sandbox.payments[REFERENCE].state is State.CREATED


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "0.01 NOK"), (49900, "499.00 NOK"), (65_000_000, "650 000.00 NOK"), (123450, "1 234.50 NOK")],
)
def test_money_for_people(value: int, text: str) -> None:
    """Minor units become whole ones with two decimals and spaces that do not break."""
    assert money(value, "NOK").replace("\N{NO-BREAK SPACE}", " ") == text


async def test_no_task_is_left_behind() -> None:
    """After the block, the loop has no task but this one."""
    async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.base_url) as session:
        await session.get("/")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
