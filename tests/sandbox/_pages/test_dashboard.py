"""The dashboard's part on the server: the page, the feed that it follows, and deliveries that are made once more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.sandbox.merchant import REFERENCE, Merchant, Shop, at, until
from vipps_async.sandbox import Sandbox, UnknownDelivery

AUTHORIZED = "epayments.payment.authorized.v1"


class Follower:
    """Reads a feed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def news(self) -> Any:
        """Return what the feed tells next."""
        async with asyncio.timeout(5):
            while not (line := await self.response.content.readline()).startswith(b"data: "):
                assert line, "the feed has ended"
        return json.loads(line.removeprefix(b"data: "))


@asynccontextmanager
async def following(merchant: Merchant, reference: str = "", **filters: Any) -> AsyncIterator[Follower]:
    """Follow the feed of a merchant's sandbox."""
    async with merchant.session.get("/sandbox/feed", params={"reference": reference, **filters}) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Follower(response)


class TestPage:
    """What a browser gets."""

    async def test_the_page_and_its_files_are_strict(self, merchant: Merchant) -> None:
        """Nothing inline, nothing from elsewhere, nothing that is kept or can be framed."""
        for path, media_type in (
            ("/", "text/html"),
            ("/sandbox/dashboard.js", "text/javascript"),
            ("/sandbox/landing.js", "text/javascript"),
            ("/sandbox/style.css", "text/css"),
        ):
            got = await merchant.send("GET", path)
            assert (got.status, got.headers["Content-Type"]) == (200, f"{media_type}; charset=utf-8")
            assert got.headers["Cache-Control"] == "no-store"
            assert got.headers["X-Content-Type-Options"] == "nosniff"
            assert got.headers["Content-Security-Policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
            assert b"https://" not in got.body
            assert b"innerHTML" not in got.body

    async def test_no_other_file_is_served(self, merchant: Merchant) -> None:
        """Only the files of the pages, by their names."""
        for path in ("/sandbox/dashboard.html", "/sandbox/..%2F_dashboard.py", "/sandbox/"):
            assert (await merchant.send("GET", path)).status == 404


def list_in(news: Any, name: str) -> Any:
    """What a feed says of a list."""
    (found,) = (each for each in news["lists"] if each["name"] == name)
    return found


def payments_in(news: Any) -> Any:
    """What a feed says of payments."""
    return list_in(news, "payments")


def deliveries_in(news: Any) -> Any:
    """What a feed says of deliveries."""
    return list_in(news, "deliveries")


def without_key(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the control surface has it."""
    return {name: value for name, value in row.items() if name != "key"}


class TestFeed:
    """What the page is told."""

    async def test_begins_with_everything_and_goes_on_with_what_is_new(self, merchant: Merchant, shop: Shop) -> None:
        """Payments as cards, deliveries in the form of the control surface; each change once."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await merchant.authorized(reference="first-payment")
        await merchant.sandbox.settled()
        async with following(merchant) as feed:
            first = await feed.news()
            (card,) = payments_in(first)["rows"]
            (listed,) = (await merchant.send("GET", "/sandbox/payments")).json["payments"]
            assert [entry["at"] for entry in card["log"]] == [event["timestamp"] for event in listed["events"]]
            assert (card["reference"], card["state"], card["link"]) == (
                "first-payment",
                "AUTHORIZED",
                listed["redirectUrl"],
            )
            assert [without_key(row) for row in deliveries_in(first)["rows"]] == (
                await merchant.send("GET", "/sandbox/deliveries")
            ).json["deliveries"]
            await merchant.create()
            news = await feed.news()
            assert [payment["reference"] for payment in payments_in(news)["rows"]] == [REFERENCE]
            assert (deliveries_in(news)["rows"], payments_in(news)["gone"], deliveries_in(news)["gone"]) == ([], [], [])

    async def test_holds_so_many(self, merchant: Merchant) -> None:
        """The newest 25, or as many as are asked for; the next one makes the oldest go."""
        for number in range(31):
            await merchant.create(reference=f"payment-{number:03}")
        for limit, first in (("", 6), ("30", 1), ("many", 6)):
            async with following(merchant, limit=limit) as feed:
                payments = payments_in(await feed.news())
                shown = [payment["reference"] for payment in payments["rows"]]
                assert shown == [f"payment-{number:03}" for number in range(first, 31)]
                assert payments["more"]
        async with following(merchant, limit=31) as feed:
            assert not payments_in(await feed.news())["more"]
            await merchant.create()
            payments = payments_in(await feed.news())
            assert (payments["gone"], payments["more"]) == (["payment-000"], True)

    async def test_keeps_to_what_was_asked_for(self, merchant: Merchant, shop: Shop) -> None:
        """Payments whose reference contains the text, and their deliveries."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        for reference in ("socks-0001", "shoes-0001"):
            await merchant.authorized(reference=reference)
        await merchant.sandbox.settled()
        async with following(merchant, "ocks") as feed:
            news = await feed.news()
        assert [each["reference"] for each in payments_in(news)["rows"] + deliveries_in(news)["rows"]] == [
            "socks-0001"
        ] * 2

    async def test_tells_of_a_reset(self, merchant: Merchant, shop: Shop) -> None:
        """Everything is gone."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await merchant.authorized()
        await merchant.sandbox.settled()
        async with following(merchant) as feed:
            delivery = deliveries_in(await feed.news())["rows"][0]["id"]
            await merchant.sandbox.reset()
            news = await feed.news()
        assert (payments_in(news)["gone"], deliveries_in(news)["gone"]) == ([REFERENCE], [delivery])

    async def test_shows_signatures_and_no_secret(self, merchant: Merchant, shop: Shop) -> None:
        """A developer compares signatures; what signs them, and what authorizes calls, is told nowhere."""
        secret = (await merchant.register(shop.url, AUTHORIZED)).json["secret"]
        await merchant.authorized()
        await merchant.sandbox.settled()
        signature = merchant.sandbox.deliveries[0].request_headers["Authorization"]
        async with following(merchant) as feed:
            told = json.dumps(await feed.news())
        told += (await merchant.send("GET", "/sandbox/deliveries")).body.decode()
        requests = (await merchant.send("GET", "/sandbox/requests")).body.decode()
        assert told.count(json.dumps(signature)) == 2 * 2  # the signature is in two headers
        token = merchant.authorization["Authorization"].removeprefix("Bearer ")
        assert not any(each in told + requests for each in (secret, token, *merchant.token_headers.values()))

    async def test_filters(self, merchant: Merchant, shop: Shop) -> None:
        """By state, by API, and by what failed or met a fault."""
        shop.statuses = [500]
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await merchant.authorized(reference="payment-paid")
        await merchant.create(reference="payment-open")
        merchant.sandbox.fail("get", "STATUS_503")
        await merchant.get("payment-open")
        await merchant.get("payment-none")
        await merchant.sandbox.settled()
        found: dict[str, tuple[list[str], int, list[str]]] = {}
        for name, filters in {
            "state": {"state": "CREATED"},
            "api": {"api": "accesstoken"},
            "failed": {"only": "failed"},
            "faulted": {"only": "faulted"},
        }.items():
            async with following(merchant, **filters) as feed:
                news = await feed.news()
            references = [row["reference"] for row in payments_in(news)["rows"]]
            operations = [row["operation"] for row in list_in(news, "requests")["rows"]]
            found[name] = (references, len(deliveries_in(news)["rows"]), operations)
        both = ["payment-paid", "payment-open"]
        every = ["accesstoken.issue-token", "epayment.create", "epayment.create", "epayment.get", "epayment.get"]
        assert found == {
            "state": (["payment-open"], 2, every),
            "api": ([], 2, every[:1]),
            "failed": (both, 1, ["epayment.get", "epayment.get"]),
            "faulted": (both, 0, ["epayment.get"]),
        }

    async def test_tells_what_is_set_up(self, merchant: Merchant, shop: Shop) -> None:
        """Webhooks, faults to come and the clock, each as it is now."""
        async with following(merchant) as feed:
            first = await feed.news()
            assert (first["webhooks"], first["faults"], first["ahead"]) == ([], [], 0)
            await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
            merchant.sandbox.fail("capture", "STATUS_503")
            merchant.sandbox.clock.advance(timedelta(days=1))
            told = await feed.news()
            while not told["ahead"]:
                told = await feed.news()
        assert [webhook["url"] for webhook in told["webhooks"]] == [shop.url]
        assert [(fault["operation"], fault["number"]) for fault in told["faults"]] == [("capture", 1)]
        assert told["ahead"] == 86400

    async def test_tells_what_the_webhook_answered(self, merchant: Merchant, shop: Shop) -> None:
        """Its headers as well as status and body, over HTTP and as an object."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await merchant.authorized()
        await merchant.sandbox.settled()
        (delivery,) = merchant.sandbox.deliveries
        assert delivery.response_headers["Location"] == "/elsewhere"
        assert delivery.response_headers["Content-Type"] == "text/plain; charset=utf-8"
        assert delivery.response_headers["Set-Cookie"] == "a=1, b=2"
        (listed,) = (await merchant.send("GET", "/sandbox/deliveries")).json["deliveries"]
        assert listed["responseHeaders"] == delivery.response_headers

    async def test_a_webhook_that_is_not_there_answered_nothing(self, merchant: Merchant) -> None:
        """No header either."""
        await merchant.sandbox.add_webhook("http://127.0.0.1:9/", [AUTHORIZED])
        await merchant.authorized()
        await until(lambda: merchant.sandbox.deliveries)
        assert merchant.sandbox.deliveries[0].response_headers == {}

    async def test_ends_with_the_sandbox(self) -> None:
        """A page that is open does not hold a sandbox up, and no task of its feed is left."""
        before = asyncio.all_tasks()
        async with Sandbox() as sandbox, at(sandbox) as merchant, following(merchant) as feed:
            await feed.news()
            await sandbox.stop()
            with pytest.raises((AssertionError, aiohttp.ClientPayloadError)):
                await feed.news()
        assert asyncio.all_tasks() == before


class TestRedelivering:
    """Deliveries that are made once more, with or without a fault."""

    async def test_sends_the_same_bytes_to_the_same_webhook(self, merchant: Merchant, shop: Shop) -> None:
        """A body and a webhook are those of the delivery that is named; the signature is a new one."""
        await merchant.register(shop.url, AUTHORIZED)
        await merchant.sandbox.add_webhook(f"{shop.url}?other", [AUTHORIZED])
        await merchant.authorized()
        await merchant.sandbox.settled()
        first = next(delivery for delivery in merchant.sandbox.deliveries if delivery.url == shop.url)
        got = await merchant.send("POST", f"/sandbox/deliveries/{first.id}/redeliver", json={})
        assert (got.status, got.body) == (202, b"")
        await merchant.sandbox.settled()
        again = merchant.sandbox.deliveries[-1]
        assert (again.url, again.request_body, again.attempt) == (shop.url, first.request_body, 1)
        assert again.id != first.id
        assert "Authorization" in again.request_headers

    async def test_does_not_wait_for_the_next_try(self, shop: Shop) -> None:
        """What failed, and is tried again in an hour, is delivered at once; the next try comes all the same."""
        shop.statuses = [500]
        async with Sandbox(retry_delays=[3600]) as sandbox, at(sandbox) as merchant:
            await sandbox.add_webhook(shop.url, [AUTHORIZED])
            await merchant.authorized()
            await until(lambda: sandbox.deliveries)
            await merchant.send("POST", f"/sandbox/deliveries/{sandbox.deliveries[0].id}/redeliver", json={})
            await until(lambda: len(sandbox.deliveries) == 2)
            sandbox.clock.advance(timedelta(hours=1))
            await sandbox.settled()
            assert [(each.status, each.attempt) for each in sandbox.deliveries] == [(500, 1), (200, 1), (200, 2)]

    async def test_a_fault_is_suffered_by_what_was_asked_for(self, merchant: Merchant, shop: Shop) -> None:
        """A redelivery, or the event of an action; what follows is delivered as it should be."""
        await merchant.sandbox.add_webhook(shop.url)
        duplicate = {"fault": "DUPLICATE"}
        await merchant.create()
        await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/approve", json=duplicate)
        await merchant.modify("cancel")
        await merchant.sandbox.settled()
        seen = [(delivery.event, delivery.copy, delivery.fault) for delivery in merchant.sandbox.deliveries]
        assert seen == [
            ("CREATED", 1, None),
            ("AUTHORIZED", 1, "DUPLICATE"),
            ("AUTHORIZED", 2, "DUPLICATE"),
            ("CANCELLED", 1, None),
        ]
        first = merchant.sandbox.deliveries[0].id
        await merchant.send("POST", f"/sandbox/deliveries/{first}/redeliver", json=duplicate)
        await merchant.send("POST", f"/sandbox/deliveries/{first}/redeliver", json={"fault": None})
        await merchant.sandbox.settled()
        assert [delivery.copy for delivery in merchant.sandbox.deliveries[-3:]] == [1, 2, 1]

    async def test_a_fault_ends_with_an_action_that_is_refused(self, merchant: Merchant, shop: Shop) -> None:
        """It does not wait for the next event."""
        await merchant.sandbox.add_webhook(shop.url)
        await merchant.authorized()
        refused = await merchant.send("POST", f"/sandbox/payments/{REFERENCE}/reject", json={"fault": "DUPLICATE"})
        assert refused.status == 409
        await merchant.modify("cancel")
        await merchant.sandbox.settled()
        assert {delivery.fault for delivery in merchant.sandbox.deliveries} == {None}

    async def test_from_python(self, merchant: Merchant, shop: Shop) -> None:
        """`redeliver` does the same, and raises what can be caught as a LookupError or a ValueError."""
        await merchant.sandbox.add_webhook(shop.url, [AUTHORIZED])
        await merchant.authorized()
        await merchant.sandbox.settled()
        identifier = merchant.sandbox.deliveries[0].id
        await merchant.sandbox.redeliver(identifier)
        await merchant.sandbox.redeliver(identifier, "DUPLICATE")
        await merchant.sandbox.settled()
        assert [delivery.copy for delivery in merchant.sandbox.deliveries] == [1, 1, 1, 2]
        with pytest.raises(UnknownDelivery, match="no delivery 0"):
            await merchant.sandbox.redeliver(0)
        with pytest.raises(ValueError, match="TELEPORT"):
            await merchant.sandbox.redeliver(identifier, "TELEPORT")

    async def test_what_cannot_be_redelivered(self, merchant: Merchant, shop: Shop) -> None:
        """An unknown delivery, one whose webhook was deleted, an unknown fault, and a request that is not JSON."""
        webhook = (await merchant.register(shop.url, AUTHORIZED)).json["id"]
        await merchant.authorized()
        await merchant.sandbox.settled()
        path = f"/sandbox/deliveries/{merchant.sandbox.deliveries[0].id}/redeliver"
        assert (await merchant.send("POST", "/sandbox/deliveries/999999/redeliver", json={})).status == 404
        assert (await merchant.send("POST", "/sandbox/deliveries/x/redeliver", json={})).status == 404
        assert (await merchant.send("POST", path, json={"fault": "TELEPORT"})).status == 400
        assert (await merchant.send("POST", path)).status == 400
        await merchant.call("DELETE", f"/webhooks/v1/webhooks/{webhook}")
        gone = await merchant.send("POST", path, json={})
        assert (gone.status, "still registered" in gone.json["detail"]) == (404, True)
        await merchant.sandbox.settled()
        assert len(shop.received) == 1


class TestOtherSites:
    """Pages elsewhere, whose browsers do not all tell where they come from in the same way."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 204),
            ({"Sec-Fetch-Site": "same-origin"}, 204),
            ({"Sec-Fetch-Site": "none"}, 204),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Host": "sandbox:8090", "Origin": "http://sandbox:8090"}, 204),
            ({"Host": "sandbox:8090", "Origin": "http://sandbox:8091"}, 403),
            ({"Host": "sandbox:8090", "Origin": "https://shop.example"}, 403),
            ({"Host": "sandbox:8090", "Origin": "null"}, 403),
        ],
    )
    async def test_only_its_own_pages_act(self, merchant: Merchant, headers: dict[str, str], status: int) -> None:
        """By what browsers say of a request to loopback, and by its origin elsewhere; programs say neither."""
        assert (await merchant.send("POST", "/sandbox/reset", headers=headers)).status == status

    async def test_its_own_pages_tell_their_origin(self, merchant: Merchant) -> None:
        """A policy without referrers would have a browser hide it from the landing page's own form."""
        await merchant.create()
        landing = next(iter(merchant.sandbox.payments.values())).redirect_url
        assert landing
        for page in ("/", landing):
            assert (await merchant.send("GET", page)).headers["Referrer-Policy"] == "same-origin"
