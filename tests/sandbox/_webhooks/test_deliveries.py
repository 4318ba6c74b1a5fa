"""Webhooks: registering them, and delivering to them."""

import asyncio
import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.sandbox.merchant import PAYMENTS, REFERENCE, Merchant, Shop, at, of, until
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._epayment.lifecycle import EventName
from vipps_async.sandbox._webhooks.schedules import CURRENT, DRAFT
from vipps_async.webhooks.signature import SignedUrl, verify

WEBHOOKS = "/webhooks/v1/webhooks"
CREATED = "epayments.payment.created.v1"
AUTHORIZED = "epayments.payment.authorized.v1"
CAPTURED = "epayments.payment.captured.v1"


class TestRegistering:
    """The registration API."""

    async def test_register_list_delete(self, merchant: Merchant) -> None:
        """The secret is shown once, as 88 characters of Base64; a list has none; a deletion answers 204."""
        got = await merchant.register("https://example.com/hooks/vipps", AUTHORIZED, CAPTURED)
        assert (got.status, set(got.json)) == (201, {"id", "secret"})
        assert len(got.json["secret"]) == 88
        assert len(base64.b64decode(got.json["secret"])) == 64
        identifier = str(uuid.UUID(got.json["id"]))
        expected = {"id": identifier, "url": "https://example.com/hooks/vipps", "events": [AUTHORIZED, CAPTURED]}
        assert (await merchant.call("GET", WEBHOOKS)).json == {"webhooks": [expected]}
        deleted = await merchant.call("DELETE", f"{WEBHOOKS}/{identifier}")
        assert (deleted.status, deleted.body) == (204, b"")
        assert (await merchant.call("GET", WEBHOOKS)).json == {"webhooks": []}
        assert (await merchant.call("DELETE", f"{WEBHOOKS}/{identifier}")).status == 404
        assert (await merchant.call("DELETE", f"{WEBHOOKS}/no-uuid")).status == 400

    @pytest.mark.strict
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"url": "http://example.com/", "events": [CREATED]}, "url"),
            ({"url": "https://user:pass@example.com/", "events": [CREATED]}, "url"),
            ({"url": "https://example.com:8443/", "events": [CREATED]}, "url"),
            ({"url": "https://example..com/", "events": [CREATED]}, "url"),
            ({"url": "myapp://hook", "events": [CREATED]}, "url"),
            ({"url": 5, "events": [CREATED]}, "url"),
            ({"events": [CREATED]}, "url"),
            ({"url": "https://example.com/", "events": []}, "events"),
            ({"url": "https://example.com/", "events": ["epayments.payment.invented.v1"]}, "events"),
            ({"url": "https://example.com/", "events": [1]}, "events[0]"),
            ({"url": "https://example.com/"}, "events"),
            ({"url": "https://example.com/", "events": [CREATED], "name": "x"}, "name"),
        ],
    )
    async def test_bad_registrations_are_problems(self, merchant: Merchant, body: dict[str, Any], field: str) -> None:
        """A bad URL, no events, an unknown event type or an unknown field: 400, by name."""
        got = await merchant.call("POST", WEBHOOKS, body)
        assert (got.status, got.json["instance"]) == (400, "/v1/webhooks")
        assert field in got.fields

    @pytest.mark.parametrize("port", [80, 443, 8080])
    async def test_the_common_ports_are_called(self, merchant: Merchant, port: int) -> None:
        """Those that the documentation names; towards loopback it may be any."""
        assert (await merchant.register(f"https://example.com:{port}/hook", CREATED)).status == 201
        assert (await merchant.register("https://localhost:12345/hook", CREATED)).status == 201

    async def test_types_of_other_apis_are_known(self, merchant: Merchant) -> None:
        """They can be registered, though nothing here sends them."""
        types = ("recurring.charge-captured.v1", "login.merchant-initiated.ping.v1", "recurring.agreement-stopped.v1")
        assert (await merchant.register("https://example.com/", *types)).status == 201

    async def test_an_event_type_has_25_webhooks_at_most(self, merchant: Merchant) -> None:
        """The 26th is refused, another type is not, and the QR type takes one only."""
        for _ in range(25):
            assert (await merchant.register("http://127.0.0.1:9/", CREATED)).status == 201
        assert "events" in (await merchant.register("http://127.0.0.1:9/", CREATED, CAPTURED)).fields
        assert (await merchant.register("http://127.0.0.1:9/", CAPTURED)).status == 201
        assert (await merchant.register("http://127.0.0.1:9/", "user.checked-in.v1")).status == 201
        assert (await merchant.register("http://127.0.0.1:9/", "user.checked-in.v1")).status == 400

    async def test_the_portal_registers_what_it_is_told(self, sandbox: Sandbox) -> None:
        """`add_webhook` keeps a given secret, hides it, and refuses what cannot work."""
        webhook = await sandbox.add_webhook("http://localhost:9/hook", [CREATED], secret="s3cret-s3cret")
        assert (webhook.events, str(webhook.secret)) == ((CREATED,), "s3cret-s3cret")
        assert "s3cret" not in repr(webhook)
        for url, events in (("ftp://localhost/", None), ("http://localhost/", []), ("http://localhost/", ["x"])):
            with pytest.raises(ValueError, match="cannot be registered"):
                await sandbox.add_webhook(url, events)


class TestDelivering:
    """What arrives at a webhook."""

    async def test_a_delivery_has_the_documented_shape(self, merchant: Merchant, shop: Shop) -> None:
        """Compact JSON with exactly the documented members in their order, the headers, and a true signature."""
        registered = (await merchant.register(f"{shop.url}?a=%2F&b=c", CAPTURED)).json
        await merchant.authorized()
        await merchant.modify("capture", of(10000), key="the-key")
        await merchant.sandbox.settled()
        ((headers, body, target),) = shop.received
        assert target == "/hook?a=%2F&b=c"
        assert headers["Content-Type"] == "application/json"
        assert headers["Webhook-Id"] == registered["id"]
        assert headers["X-Vipps-Authorization"] == headers["Authorization"]
        assert b" " not in body
        event = shop.bodies[0]
        logged = (await merchant.events())[-1]
        assert list(event) == [
            "msn",
            "reference",
            "pspReference",
            "name",
            "amount",
            "timestamp",
            "idempotencyKey",
            "success",
        ]
        assert event == {"msn": "123456", **logged}
        assert (event["name"], event["amount"]["value"], event["idempotencyKey"]) == ("CAPTURED", 10000, "the-key")
        verify(
            {name.lower(): value for name, value in headers.items()},
            body,
            secrets=[registered["secret"]],
            url=SignedUrl.of(f"{shop.url}?a=%2F&b=c"),
            now=datetime.now(UTC),
            max_age=timedelta(seconds=30),
            leeway=timedelta(seconds=2),
        )

    @pytest.mark.parametrize("host", ["LocalHost", "localhost.", "127.0.0.1"])
    async def test_a_url_has_one_form_however_it_is_spelt(self, merchant: Merchant, shop: Shop, host: str) -> None:
        """Case, a final dot and letters such as ø are signed as they go over the wire, as a receiver computes it."""
        port = shop.url.rpartition(":")[2].partition("/")[0]
        spelt = f"http://{host}:{port}/hook?kø=1"
        registered = (await merchant.register(spelt, CREATED)).json
        await merchant.create()
        await merchant.sandbox.settled()
        ((headers, body, target),) = shop.received
        assert (headers["Host"], target) == (f"{host.lower().rstrip('.')}:{port}", "/hook?k%C3%B8=1")
        verify(
            {name.lower(): value for name, value in headers.items()},
            body,
            secrets=[registered["secret"]],
            url=SignedUrl.of(spelt),
            now=datetime.now(UTC),
            max_age=timedelta(seconds=30),
            leeway=timedelta(seconds=2),
        )
        (listed,) = (await merchant.call("GET", WEBHOOKS)).json["webhooks"]
        assert listed["url"] == spelt

    async def test_signatures_go_by_the_real_time(self, merchant: Merchant, shop: Shop) -> None:
        """Moving the sandbox's clock does not make signatures stale or early for the receiver's own clock."""
        await merchant.register(shop.url, CREATED)
        merchant.sandbox.clock.advance(timedelta(days=30))
        await merchant.sign_in()
        await merchant.create()
        await merchant.sandbox.settled()
        signed = datetime.strptime(shop.received[0][0]["x-ms-date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - signed) < timedelta(seconds=10)

    async def test_unsigned_without_a_secret(self, merchant: Merchant, shop: Shop) -> None:
        """The portal's webhook hears of everything and carries no signature."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized()
        await merchant.modify("capture", of(1))
        await merchant.modify("refund", of(1))
        await merchant.modify("cancel")
        await merchant.sandbox.settled()
        names = [body["name"] for body in shop.bodies]
        assert names == ["CREATED", "AUTHORIZED", "CAPTURED", "REFUNDED", "CANCELLED"]
        assert not any("Authorization" in headers for headers, _, _ in shop.received)

    async def test_only_what_was_asked_for(self, merchant: Merchant, shop: Shop) -> None:
        """A webhook hears of its event types only."""
        await merchant.register(shop.url, AUTHORIZED)
        await merchant.authorized()
        await merchant.sandbox.settled()
        assert [body["name"] for body in shop.bodies] == ["AUTHORIZED"]

    async def test_an_approval_discloses_the_profile(self, merchant: Merchant, shop: Shop) -> None:
        """Profile and user details, and until when a capture is sure, travel with AUTHORIZED, and with nothing else."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized(profile={"scope": "name"})
        await merchant.modify("capture", of(1))
        await merchant.sandbox.settled()
        created, authorized, captured = shop.bodies
        assert set(authorized) - set(created) == {"sub", "userDetails", "captureGuaranteedUntil"}
        assert authorized["sub"] == (await merchant.get()).json["profile"]["sub"]
        assert authorized["captureGuaranteedUntil"] == (await merchant.get()).json["captureGuaranteedUntil"]
        assert set(captured) == set(created)

    async def test_a_failing_delivery_is_tried_again(self, merchant: Merchant, shop: Shop) -> None:
        """Redirects and errors count as failures, any 2xx as success; each attempt is on record."""
        shop.statuses = [500, 404, 302, 202]
        webhook = await merchant.sandbox.add_webhook(shop.url, [CREATED])
        await merchant.create()
        await merchant.sandbox.settled()
        records = merchant.sandbox.deliveries
        assert [(record.attempt, record.status, record.is_success) for record in records] == [
            (1, 500, False),
            (2, 404, False),
            (3, 302, False),
            (4, 202, True),
        ]
        assert len({body["pspReference"] for body in shop.bodies}) == 1
        last = records[-1]
        assert (last.registration_id, last.url, last.event, last.reference, last.copy, last.error) == (
            webhook.id,
            shop.url,
            EventName.CREATED,
            REFERENCE,
            1,
            None,
        )
        assert last.psp_reference == shop.bodies[0]["pspReference"]
        assert (last.request_body, last.response_body) == (shop.received[-1][1], b"thank you")
        assert last.request_headers["Webhook-Id"] == webhook.id
        assert len({record.id for record in records}) == 4
        assert timedelta() < last.duration < timedelta(seconds=5)

    async def test_each_attempt_is_signed_anew(self, merchant: Merchant, shop: Shop) -> None:
        """A repetition carries the date of its own attempt."""
        shop.statuses = [500] * 60
        await merchant.register(shop.url, CREATED)
        await merchant.create()
        await merchant.sandbox.settled()
        assert len({headers["x-ms-date"] for headers, _, _ in shop.received}) >= 2

    async def test_a_failing_event_blocks_its_payment_only(self, merchant: Merchant, shop: Shop) -> None:
        """Later events of the payment wait in order, those of another payment do not."""
        shop.refused_references.add(REFERENCE)
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized()
        await merchant.authorized(reference="second-payment")
        await until(lambda: len(shop.received) >= 6)
        assert {body["name"] for body in shop.bodies if body["reference"] == REFERENCE} == {"CREATED"}
        assert [body["name"] for body in shop.bodies if body["reference"] != REFERENCE] == ["CREATED", "AUTHORIZED"]
        with pytest.raises(TimeoutError, match=f"CREATED of {REFERENCE}.*AUTHORIZED of {REFERENCE}"):
            await merchant.sandbox.settled(0.05)
        shop.refused_references.clear()
        await merchant.sandbox.settled()
        arrived = [record.event for record in merchant.sandbox.deliveries if record.reference == REFERENCE]
        assert arrived[-2:] == [EventName.CREATED, EventName.AUTHORIZED]

    async def test_two_webhooks_do_not_wait_for_each_other(self, merchant: Merchant, shop: Shop) -> None:
        """One that cannot be reached leaves the other alone."""
        await merchant.sandbox.add_webhook("http://127.0.0.1:9/")
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized()
        await until(lambda: len(shop.received) >= 2)
        failed = next(record for record in merchant.sandbox.deliveries if record.url == "http://127.0.0.1:9/")
        assert (failed.status, failed.is_success) == (None, False)
        assert failed.error is not None
        assert "ClientConnectorError" in failed.error

    async def test_copies(self, shop: Shop) -> None:
        """`copies=2` delivers each event twice, with one pspReference, in order."""
        async with Sandbox(copies=2, retry_delays=[0.01]) as sandbox, at(sandbox) as merchant:
            shop.statuses = [200, 500]
            await sandbox.add_webhook(shop.url)
            await merchant.authorized()
            await sandbox.settled()
            assert [(record.event, record.copy, record.attempt) for record in sandbox.deliveries] == [
                ("CREATED", 1, 1),
                ("CREATED", 2, 1),
                ("CREATED", 2, 2),
                ("AUTHORIZED", 1, 1),
                ("AUTHORIZED", 2, 1),
            ]

    async def test_waits_go_by_the_clock(self, shop: Shop) -> None:
        """With the documented schedule, advancing the clock makes the due retries happen at once."""
        async with Sandbox() as sandbox, at(sandbox) as merchant:
            shop.statuses = [500] * 5
            await sandbox.add_webhook(shop.url, [CREATED])
            await merchant.create()
            for attempt, ahead in enumerate([2, 2, 2, 2, 60], start=1):
                await until(lambda: len(sandbox.deliveries) >= attempt)  # noqa: B023 - awaited at once
                sandbox.clock.advance(timedelta(seconds=ahead - 1))
                await asyncio.sleep(0.02)
                assert len(shop.received) == attempt
                sandbox.clock.advance(timedelta(seconds=1))
            await sandbox.settled()
            assert len(shop.received) == 6

    async def test_gives_up_after_a_week(self, shop: Shop) -> None:
        """A webhook that never answers ends the attempts, and the next event gets its own."""
        async with Sandbox(retry_delays=[3600 * 80]) as sandbox, at(sandbox) as merchant:
            shop.statuses = [500] * 3
            await sandbox.add_webhook(shop.url)
            await merchant.authorized()
            for _ in range(3):
                await asyncio.sleep(0.05)
                sandbox.clock.advance(timedelta(hours=80))
            await sandbox.settled()
            assert [(record.event, record.status) for record in sandbox.deliveries] == [
                ("CREATED", 500),
                ("CREATED", 500),
                ("CREATED", 500),
                ("AUTHORIZED", 200),
            ]

    async def test_a_deleted_webhook_hears_nothing_more(self, merchant: Merchant, shop: Shop) -> None:
        """Deleting it ends the attempts that were under way."""
        shop.statuses = [500] * 1000
        identifier = (await merchant.register(shop.url, CREATED)).json["id"]
        await merchant.sandbox.add_webhook("http://127.0.0.1:9/", [CAPTURED])
        await merchant.create()
        await asyncio.sleep(0.05)
        assert (await merchant.call("DELETE", f"{WEBHOOKS}/{identifier}")).status == 204
        await merchant.sandbox.settled(0.5)

    async def test_expiry_is_delivered(self, merchant: Merchant, shop: Shop) -> None:
        """Time that runs out is an event like any other."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.create()
        merchant.sandbox.clock.advance(timedelta(minutes=11))
        await merchant.sandbox.settled()
        assert [body["name"] for body in shop.bodies] == ["CREATED", "EXPIRED"]

    async def test_silence_is_a_failure(self, merchant: Merchant, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """A webhook that does not answer in time is tried again."""
        monkeypatch.setattr("vipps_async.sandbox._webhooks.sender._ANSWER_WITHIN", 0.05)
        shop.gate.clear()
        await merchant.sandbox.add_webhook(shop.url, [CREATED])
        await merchant.create()
        await until(lambda: merchant.sandbox.deliveries)
        assert merchant.sandbox.deliveries[0].error == "no answer within 0.05 s"
        shop.gate.set()
        await merchant.sandbox.settled()

    async def test_what_is_under_way_ends_with_the_sandbox(self, shop: Shop) -> None:
        """Stopping neither waits for a webhook nor leaves a task behind."""
        async with Sandbox() as sandbox, at(sandbox) as merchant:
            shop.gate.clear()
            await sandbox.add_webhook(shop.url)
            await merchant.authorized()
            await asyncio.sleep(0.02)
        tasks = {task for task in asyncio.all_tasks() if "_carry" in repr(task) or "_keep_time" in repr(task)}
        assert not tasks

    async def test_nothing_is_delivered_by_a_stopped_sandbox(self, shop: Shop) -> None:
        """Acting on a payment of a sandbox that is not running says so."""
        async with Sandbox() as sandbox, at(sandbox) as merchant:
            await merchant.create()
            await sandbox.add_webhook(shop.url)
        with pytest.raises(RuntimeError, match="not running"):
            await sandbox.approve(REFERENCE)

    async def test_a_repeated_request_is_no_new_event(self, merchant: Merchant, shop: Shop) -> None:
        """Neither repetitions nor refusals are delivered."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.create(key="k")
        await merchant.create(key="k")
        await merchant.create(key="other")
        await merchant.call("GET", f"{PAYMENTS}/{REFERENCE}")
        await merchant.sandbox.settled()
        assert len(shop.received) == 1


def test_the_documented_schedules() -> None:
    """Seconds before the next attempt, as far as they are documented."""
    current, draft = (schedule.retry_delays for schedule in (CURRENT, DRAFT))
    assert current[:7] == (2, 2, 2, 2, 60, 120, 3600)
    assert current[-2:] == (3600, 86400)
    assert len(current) == 30
    assert [draft[attempt - 1] for attempt in (1, 5, 6, 10, 11, 20, 21, 50, 51)] == [
        2,
        2,
        15,
        15,
        60,
        60,
        900,
        900,
        3600,
    ]
