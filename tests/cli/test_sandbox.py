"""``sandbox`` on the command line: a webhook, faults with a seed, and a log."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import attrs
import pytest
from yarl import URL

from tests.support.running import Running, command
from tests.support.sandbox.merchant import Shop, shop, until
from vipps_async import Amount, Customer, RetryPolicy, VippsClient
from vipps_async.cli import main
from vipps_async.config import Credentials
from vipps_async.errors import BadRequest
from vipps_async.sandbox import DeliveryFault, Fault
from vipps_async.webhooks.signature import SignedUrl, sign

FAULTS = "get:status-503@0.3,deliveries:duplicate:times=1"


@pytest.fixture(name="shop")
async def opened_shop() -> AsyncIterator[Shop]:
    """A server that takes deliveries."""
    async with shop() as opened:
        yield opened


async def use(running: Running) -> None:
    """Create a payment, and read it ten times."""
    patience = RetryPolicy(initial_delay=0.001, max_delay=0.001)
    async with VippsClient.from_env(running.environ) as client:
        vipps = client.with_options(retry=patience)
        await vipps.epayment.create(
            amount=Amount(100, "NOK"), reference="order-0001", return_url="https://shop.example/"
        )
        for _ in range(10):
            await vipps.epayment.get("order-0001")


def facts(errors: str) -> list[dict[str, object]]:
    """What a log told, without what differs between two runs."""
    told = [json.loads(line) for line in errors.splitlines()]
    changing = {"time", "url", "seconds", "pspReference", "idempotencyKey"}
    return [{name: fact for name, fact in each.items() if name not in changing} for each in told]


async def test_a_faulted_run_can_be_repeated(shop: Shop, tmp_path: Path) -> None:
    """With one seed, two processes suffer the same; each request and delivery is a line of JSON without a secret."""
    orders = tmp_path / "faults.txt"
    orders.write_text("# what goes wrong here\n" + FAULTS.replace(",", "\n"))
    logs = []
    for faults in (FAULTS, str(orders)):
        shop.received.clear()
        arguments = ("--port", "0", "--seed", "7", "--faults", faults, "--webhook", shop.url, "--log", "json")
        async with command("sandbox", *arguments, exports=7) as running:
            await use(running)
            await until(lambda: len(shop.received) == 2)
            _, errors = await running.stop()
        logs.append(errors)
        assert running.environ["VIPPS_WEBHOOK_URL"] == shop.url
        keys = [value for name, value in running.environ.items() if "SECRET" in name or "KEY" in name]
        assert not any(secret in errors for secret in [*keys, "Bearer", "Signature"])
    first, second = (facts(errors) for errors in logs)
    requests = [fact for fact in first if fact["kind"] == "request"]
    assert requests == [fact for fact in second if fact["kind"] == "request"]
    assert {fact.get("fault") for fact in requests} == {None, Fault.STATUS_503}
    deliveries = [fact for fact in first if fact["kind"] == "delivery"]
    assert [(each["event"], each["fault"], each["status"]) for each in deliveries] == [
        ("CREATED", DeliveryFault.DUPLICATE, 200)
    ] * 2


async def test_the_log_for_people(shop: Shop) -> None:
    """A line has the time, the kind, and what is known; a failed delivery is told too."""
    shop.statuses = [500]
    async with command("sandbox", "--port", "0", "--webhook", f"{shop.url}?key=hidden", "--log", "text", exports=7) as (
        running
    ):
        await use(running)
        await until(lambda: len(shop.received) == 1)
        _, errors = await running.stop(signal.SIGTERM)
    assert "request operation=epayment.create method=POST path=/epayment/v1/payments" in errors
    assert "status=500" in errors
    assert "message level=INFO message=delivery of CREATED" in errors
    assert not any(secret in errors for secret in ("Signature", "hidden", running.environ["VIPPS_WEBHOOK_SECRET"]))


async def test_a_known_secret_outlives_a_restart(shop: Shop) -> None:
    """The webhook is signed with the secret of the environment, if there is one, which is not shown."""
    async with command(
        "sandbox", "--port", "0", "--webhook", shop.url, exports=6, VIPPS_WEBHOOK_SECRET="known-secret"
    ) as running:
        await use(running)
        await until(lambda: bool(shop.received))
        told, _ = await running.stop()
    (headers, body, path), *_ = shop.received
    url = attrs.evolve(SignedUrl.of(shop.url), path_and_query=path)
    date = datetime.strptime(headers["x-ms-date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert headers["Authorization"] == sign("known-secret", url, body, date=date)["Authorization"]
    assert "known-secret" not in told + str(running.environ)


@pytest.mark.parametrize("arguments", [("--log", "json"), ("--log", "text"), ()])
async def test_what_no_server_takes_is_told_in_a_line(arguments: tuple[str, ...]) -> None:
    """A path without end is answered 400, and is one more line of the log."""
    async with command("sandbox", "--port", "0", *arguments, exports=5) as running:
        address = URL(running.environ["VIPPS_ENVIRONMENT"])
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.0 400")
        writer.close()
        _, errors = await running.stop()
    (line,) = errors.splitlines()
    assert "Error handling request" in line
    assert "LineTooLong" in line


async def test_browsers_reach_it_elsewhere() -> None:
    """Behind a container's port, users are sent to the address that browsers know; calls go where they went before."""
    address = ("--host", "0.0.0.0", "--port", "0", "--public-url", "http://localhost:8090/")  # noqa: S104 - the point
    async with command("sandbox", *address, exports=5) as running, VippsClient.from_env(running.environ) as vipps:
        created = await vipps.epayment.create(
            amount=Amount(100, "NOK"), reference="order-0001", return_url="http://shop:8000/back"
        )
        assert str(created.redirect_url).startswith("http://localhost:8090/landing?token=")
        await vipps.webhooks.register("http://shop:8000/vipps/events", ["epayments.payment.captured.v1"])
        await running.stop()


async def test_rate_limits_can_be_left_out() -> None:
    """More writes for one reference than Vipps MobilePay takes within a minute, each answered by its rule."""
    async with (
        command("sandbox", "--port", "0", "--no-rate-limits", exports=5) as running,
        VippsClient.from_env(running.environ) as vipps,
    ):
        await vipps.epayment.create(
            amount=Amount(100, "NOK"), reference="order-0001", return_url="https://shop.example/"
        )
        for _ in range(6):
            with pytest.raises(BadRequest) as refused:
                await vipps.epayment.capture("order-0001", Amount(100, "NOK"))
            assert refused.value.code == "6080"
        await running.stop()


async def test_a_sales_unit_can_lack_a_permission() -> None:
    """What --deny names, with commas, is refused with its code; what it does not is not."""
    async with (
        command("sandbox", "--port", "0", "--deny", "express, partial-capture", exports=5) as running,
        VippsClient.from_env(running.environ) as vipps,
    ):
        await vipps.epayment.create(
            amount=Amount(200, "NOK"), reference="order-0001", return_url="https://shop.example/"
        )
        await vipps.epayment.force_approve("order-0001", customer=Customer(phone_number="4712345678"))
        with pytest.raises(BadRequest) as refused:
            await vipps.epayment.capture("order-0001", Amount(100, "NOK"))
        await vipps.epayment.capture("order-0001", Amount(200, "NOK"))
        assert refused.value.code == "6140"
        await running.stop()


async def test_the_market_and_the_token_can_be_chosen() -> None:
    """A currency of another market is 5040, and a token lives as long as was said."""
    async with (
        command("sandbox", "--port", "0", "--currency", "DKK", "--token-lifetime", "120", exports=5) as running,
        VippsClient.from_env(running.environ) as vipps,
    ):
        with pytest.raises(BadRequest) as refused:
            await vipps.epayment.create(
                amount=Amount(100, "NOK"), reference="order-0001", return_url="https://shop.example/"
            )
        assert refused.value.code == "5040"
        assert (await fetch_token(Credentials.from_env(running.environ), running))["expires_in"] == "120"
        await running.stop()


async def fetch_token(keys: Credentials, running: Running) -> dict[str, str]:
    """Ask for a token with nothing but aiohttp."""
    headers = {
        "client_id": str(keys.client_id),
        "client_secret": str(keys.client_secret),
        "Ocp-Apim-Subscription-Key": str(keys.subscription_key),
    }
    async with (
        aiohttp.ClientSession(running.environ["VIPPS_ENVIRONMENT"]) as session,
        session.post("/accesstoken/get", headers=headers) as response,
    ):
        answer: dict[str, str] = await response.json()
        return answer


OWN_KEYS = {
    "VIPPS_CLIENT_ID": "own-client",
    "VIPPS_CLIENT_SECRET": "own-client-secret",
    "VIPPS_SUBSCRIPTION_KEY": "own-subscription-key",
    "VIPPS_MERCHANT_SERIAL_NUMBER": "654321",
}


async def test_the_keys_of_the_environment_are_taken_and_not_shown() -> None:
    """A shop keeps the keys that it has; they may be real ones, so that nothing prints them, and others are refused."""
    async with command("sandbox", "--port", "0", "--log", "text", exports=1, **OWN_KEYS) as running:
        assert set(running.environ) == {"VIPPS_ENVIRONMENT"}
        await use(attrs.evolve(running, environ=running.environ | OWN_KEYS))
        stranger = Credentials.from_env({**OWN_KEYS, "VIPPS_CLIENT_SECRET": "another"})
        assert (await fetch_token(stranger, running))["error"] == "invalid_client"
        told = "\n".join([*running.said, *await running.stop()])
    assert "It takes the keys in VIPPS_CLIENT_ID, VIPPS_CLIENT_SECRET, VIPPS_SUBSCRIPTION_KEY" in told
    assert not any(key in told for key in OWN_KEYS.values())


async def test_keys_that_are_not_all_there_are_not_taken() -> None:
    """A sandbox with three of the four has its own keys, as with none."""
    some = {**OWN_KEYS, "VIPPS_CLIENT_SECRET": ""}
    async with command("sandbox", "--port", "0", exports=5, **some) as running:
        assert running.environ["VIPPS_CLIENT_ID"] != "own-client"
        await running.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--token-lifetime", "0"], "'0' must be a whole number, 1 to 1000000000"),
        (["--token-lifetime", "1h"], "'1h' must be a whole number, 1 to 1000000000"),
        (["--port", "http"], "'http' must be a port, 0 to 65535"),
        (["--currency", "SEK"], "invalid choice"),
        (["--deny", "express,push"], "'push' is none of payments, push-message, express, long-living"),
        (["--faults", "capture:rest-after"], "fault 'capture:rest-after': fault 'rest-after' is none of latency"),
        (["--faults", "no-such-file"], "No such file or directory: 'no-such-file'; a fault is written OPERATION:FAULT"),
        (["--webhook", "http://shop.example/"], "must be https://…, or http:// within a private network"),
        (["--seed", "x"], "invalid int value"),
        (["--log", "xml"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each ends with status 2, and says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        main(["sandbox", *arguments])
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_seed_out_of_range_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A number that is none ends with 1 and the rule."""
    assert main(["sandbox", "--seed", "-1"]) == 1
    assert "seed=-1 must be a whole number" in capsys.readouterr().err


def test_help_tells_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """--help has the whole table: names, amounts and meanings."""
    with pytest.raises(SystemExit):
        main(["sandbox", "--help"])
    told = capsys.readouterr().out
    for fault in (*Fault, *DeliveryFault):
        assert fault.spelling in told
        assert fault.meaning in told
    assert "7770429" in told
