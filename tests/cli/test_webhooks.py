"""``trigger``, ``listen`` and ``verify`` on the command line, with a receiver made with this package."""

import asyncio
import io
import json
import re
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import attrs
import pytest
from aiohttp import web

from tests.support.running import command
from tests.support.sandbox.merchant import at, shop, until
from tests.support.vectors import body, document
from vipps_async import PaymentEvent
from vipps_async.cli import main
from vipps_async.sandbox import Sandbox
from vipps_async.sandbox._epayment.lifecycle import EVENT_TYPES
from vipps_async.sandbox._other_apis import OTHER_APIS
from vipps_async.webhooks import WebhookEvent, WebhookReceiver
from vipps_async.webhooks.signature import SignedUrl, sign, verify
from vipps_async.webhooks.stores.memory import MemoryStore

SECRET = "the-secret-of-this-webhook"
PATH = "/vipps/events?shop=1"
AGREEMENT = {"agreementId", "agreementUUID", "eventType", "occurred", "msn"}
# The beginning of event types -> the members of their bodies that are not optional: Webhooks API, events.
OTHER_EVENTS = [name for api in OTHER_APIS for name in api.event_types]
MEMBERS = {
    "recurring.agreement-stopped": AGREEMENT | {"actor"},
    "recurring.agreement": AGREEMENT,
    "recurring.charge": {
        "agreementId", "chargeId", "amount", "currency", "chargeType", "eventType", "occurred", "amountCaptured",
        "amountCanceled", "amountRefunded", "failureCode", "failureReason", "transactionId", "msn",
    },
    "user.checked-in": {"customerToken", "merchantQrId", "msn", "initiatedAt"},
    "login": {"auth_req_id"},
    "donations": {"agreementId", "eventType", "occurred", "msn"},
}  # fmt: skip


@attrs.define
class Receiver:
    """A receiver, and the events that took effect."""

    url: str
    events: list[PaymentEvent] = attrs.field(factory=list)
    types: list[str] = attrs.field(factory=list)


@asynccontextmanager
async def receiving(*, registered: str = "", secret: str | None = SECRET) -> AsyncIterator[Receiver]:
    """Open a receiver; *registered* is the URL that it is registered for, if that is not its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        receiver = WebhookReceiver(
            url=registered or url, secrets=[secret] if secret else [], store=MemoryStore(), allow_unsigned=not secret
        )
        opened = Receiver(url)
        app = web.Application()
        receiver.setup(app, PATH.partition("?")[0])

        @receiver.on_all
        async def note(event: WebhookEvent) -> None:
            opened.types.append(event.type)

        @receiver.on_failed(PaymentEvent)
        @receiver.on(PaymentEvent)
        async def book(event: PaymentEvent) -> None:
            await asyncio.sleep(0.02)
            opened.events.append(event)

        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield opened
        finally:
            await runner.cleanup()


async def run(*arguments: str) -> int:
    """Run a command to its end, in a thread with a loop of its own."""
    return await asyncio.to_thread(main, list(arguments))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment of this run says does not count."""
    monkeypatch.delenv("VIPPS_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("VIPPS_WEBHOOK_SECRET", raising=False)


class TestTrigger:
    """Signed events without a sandbox."""

    @pytest.mark.parametrize("dialect", ["current", "draft"])
    @pytest.mark.parametrize("event", ["CAPTURED", "captured", "epayments.payment.captured.v1", "CAPTURE"])
    async def test_an_event_arrives_signed(self, event: str, dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Any name of the event, in either dialect, is one that the receiver verifies and reads."""
        async with receiving() as receiver:
            arguments = ["--reference", "order-0042", "--amount", "4200", "--currency", "DKK", "--dialect", dialect]
            assert await run("trigger", event, "--url", receiver.url, "--secret", SECRET, *arguments) == 0
        (booked,) = receiver.events
        assert (booked.name, booked.reference, str(booked.amount)) == ("CAPTURED", "order-0042", "42.00 DKK")
        told = capsys.readouterr().out
        assert "delivery number=1 status=200" in told
        assert SECRET not in told

    async def test_many_at_once_take_effect_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Copies of one event that arrive together have one effect; who came too early is told so, with status 1."""
        async with receiving() as receiver:
            arguments = ["--count", "10", "--concurrent", "--log", "json"]
            assert await run("trigger", "AUTHORIZED", "--url", receiver.url, "--secret", SECRET, *arguments) == 1
            assert len(receiver.events) == 1
            assert await run("trigger", "AUTHORIZED", "--url", receiver.url, "--secret", SECRET, "--count", "3") == 0
            assert len(receiver.events) == 2
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()[:10]]
        assert sorted(each["number"] for each in told) == list(range(1, 11))
        assert sum(each["status"] == 200 for each in told) >= 1

    async def test_a_known_event_again(self) -> None:
        """The same pspReference is the same event."""
        async with receiving() as receiver:
            for _ in range(2):
                arguments = ["--psp-reference", "1234567890", "--url", receiver.url, "--secret", SECRET]
                assert await run("trigger", "REFUNDED", *arguments) == 0
            assert [event.psp_reference for event in receiver.events] == ["1234567890"]

    @pytest.mark.parametrize("dialect", ["current", "draft"])
    async def test_an_event_of_a_failed_operation(self, dialect: str) -> None:
        """It says so, for receivers that would ship on any event called CAPTURED."""
        async with receiving() as receiver:
            arguments = ["--failed", "--dialect", dialect, "--url", receiver.url, "--secret", SECRET]
            assert await run("trigger", "CAPTURED", *arguments) == 0
            assert [(event.name, event.success) for event in receiver.events] == [("CAPTURED", False)]

    @pytest.mark.parametrize("event", [*filter(None, EVENT_TYPES.values()), *OTHER_EVENTS])
    async def test_a_receiver_handles_every_type(self, event: str) -> None:
        """Whatever can be registered is answered 200 and handled, as what it says that it is."""
        async with receiving() as receiver:
            assert await run("trigger", event, "--url", receiver.url, "--secret", SECRET) == 0
        assert receiver.types == [event]

    @pytest.mark.parametrize("event", OTHER_EVENTS)
    async def test_an_event_of_another_api(self, event: str) -> None:
        """Its documented members, all of them, signed as any delivery is, with the id of a registration."""
        async with shop() as receiver:
            arguments = ["--amount", "4200", "--msn", "654321", "--url", receiver.url, "--secret", SECRET]
            assert await run("trigger", event, *arguments) == 0
        ((headers, sent, _),) = receiver.received
        told = json.loads(sent)
        assert set(told) == next(members for start, members in MEMBERS.items() if event.startswith(start))
        assert told.get("eventType", event) == event
        assert told.get("msn", "654321") == "654321"
        assert uuid.UUID(headers["Webhook-Id"])
        assert headers["X-Vipps-Authorization"] == headers["Authorization"]
        lower = {name.lower(): value for name, value in headers.items()}
        url, minute = SignedUrl.of(receiver.url), timedelta(minutes=1)
        verify(lower, sent, secrets=[SECRET], url=url, now=datetime.now(UTC), max_age=minute, leeway=minute)

    @pytest.mark.parametrize(
        ("event", "captured", "canceled", "refunded", "reason"),
        [
            ("reserved", 0, 0, 0, None),
            ("captured", 4200, 0, 0, None),
            ("canceled", 0, 4200, 0, None),
            ("refunded", 4200, 0, 4200, None),
            ("failed", 0, 0, 0, "user_action_required"),
        ],
    )
    async def test_the_amounts_of_a_charge(
        self, *, event: str, captured: int, canceled: int, refunded: int, reason: str | None
    ) -> None:
        """They are those of a charge after the event; its ids are the given ones."""
        async with shop() as receiver:
            arguments = ["--reference", "charge-42", "--psp-reference", "77", "--amount", "4200", "--currency", "DKK"]
            url = ["--url", receiver.url, "--secret", SECRET]
            assert await run("trigger", f"recurring.charge-{event}.v1", *arguments, *url) == 0
        (told,) = receiver.bodies
        assert (told["amountCaptured"], told["amountCanceled"], told["amountRefunded"]) == (
            captured,
            canceled,
            refunded,
        )
        assert (told["chargeId"], told["transactionId"], told["failureReason"]) == ("charge-42", "77", reason)
        assert (told["amount"], told["currency"], told["chargeType"]) == (4200, "DKK", "RECURRING")

    async def test_signed_for_another_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is registered for a public URL is sent to this machine; URL and secret come from the environment."""
        public = f"https://shop.example{PATH}"
        monkeypatch.setenv("VIPPS_WEBHOOK_URL", public)
        monkeypatch.setenv("VIPPS_WEBHOOK_SECRET", SECRET)
        async with receiving(registered=public) as receiver:
            assert await run("trigger", "CREATED", "--to", receiver.url) == 0
            assert len(receiver.events) == 1

    async def test_a_body_of_ones_own(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Any bytes are signed and sent as they are, and a refusal ends with status 1."""
        file = tmp_path / "event.json"
        file.write_bytes(body("current-webhook-epayment-captured"))
        async with receiving() as receiver:
            arguments = ["--url", receiver.url, "--secret", SECRET, "--body", str(file)]
            assert await run("trigger", *arguments) == 0
            assert receiver.events[0].name == "CAPTURED"
            assert await run("trigger", "--url", receiver.url, "--secret", "wrong", "--body", str(file)) == 1
        assert "status=401" in capsys.readouterr().out

    async def test_the_draft_goes_unsigned(self) -> None:
        """Without a secret, the draft's event carries no signature."""
        async with receiving(secret=None) as receiver:
            assert await run("trigger", "AUTHORISATION", "--dialect", "draft", "--url", receiver.url) == 0
            assert receiver.events[0].name == "AUTHORIZED"

    async def test_a_receiver_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It is told, and ends with status 1."""
        assert await run("trigger", "CREATED", "--url", "http://127.0.0.1:9/", "--secret", SECRET) == 1
        assert "ClientConnectorError" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["CREATED"], "no receiver: give --url"),
            (["CREATED", "--url", "http://127.0.0.1:9/"], "no secret: give --secret"),
            (["--url", "http://127.0.0.1:9/", "--secret", "x"], "either an EVENT or --body"),
            (["user.checked-in.v1", "--failed", "--url", "http://[::1]:9/", "--secret", "x"], "are for events of pay"),
            (["--url", "http://127.0.0.1:9/", "--secret", "x", "--body", "no-such-file"], "--body no-such-file"),
        ],
    )
    def test_what_is_missing_is_said(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Status 1, and what to give."""
        assert main(["trigger", *arguments]) == 1
        assert message in capsys.readouterr().err

    def test_an_event_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A name that no payment has is refused with those that there are."""
        with pytest.raises(SystemExit):
            main(["trigger", "PAID", "--url", "http://127.0.0.1:9/"])
        assert "'PAID' is none of CREATED, AUTHORIZED" in capsys.readouterr().err

    @pytest.mark.parametrize("amount", ["x", "0", "-1", "1.5", "²", "9" * 5000])
    def test_an_amount_that_is_none(self, amount: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The message names the rule."""
        with pytest.raises(SystemExit):
            main(["trigger", "CREATED", f"--amount={amount}"])
        assert f"argument --amount: '{amount}' must be a whole number, 1 to 1000000000" in capsys.readouterr().err


class TestListen:
    """Forwarding a sandbox's events."""

    async def test_events_are_forwarded_as_they_were_signed(self) -> None:
        """The receiver verifies them with the URL and the secret that the command prints; each is told in a line."""
        async with Sandbox(retry_delays=[0.02]) as sandbox, at(sandbox) as merchant, shop() as target:
            path = f"{target.url}?shop=1"
            arguments = ("--sandbox", sandbox.base_url, "--to", path, "--port", "0", "--log", "json")
            async with command("listen", *arguments, exports=2) as listening:
                registered = listening.environ["VIPPS_WEBHOOK_URL"].strip("'")
                assert registered.endswith("/hook?shop=1")
                target.statuses = [500]
                await merchant.authorized()
                await sandbox.settled()
                told = [json.loads(await listening.line()) for _ in range(3)]
                await listening.stop()
            await merchant.create(reference="another-payment")
            await sandbox.settled()
        assert [(each["event"], each["status"]) for each in told] == [
            ("epayments.payment.created.v1", 500),
            ("epayments.payment.created.v1", 200),
            ("epayments.payment.authorized.v1", 200),
        ]
        assert len(target.received) == 3
        headers, delivered, arrived_at = target.received[0]
        assert arrived_at == "/hook?shop=1"
        assert headers["X-Vipps-Authorization"] == headers["Authorization"]
        request = (
            f"POST {arrived_at} HTTP/1.1\r\n" + "".join(f"{name}: {headers[name]}\r\n" for name in headers) + "\r\n"
        )
        secret = listening.environ["VIPPS_WEBHOOK_SECRET"]
        assert await asyncio.to_thread(verified, request.encode() + delivered, secret, registered) == 0

    async def test_deliveries_go_on_when_nobody_reads_the_lines(self) -> None:
        """They are answered as the receiver answers, and the command still ends well."""
        async with Sandbox() as sandbox, at(sandbox) as merchant, shop() as target:
            arguments = ("--sandbox", sandbox.base_url, "--to", target.url, "--port", "0")
            async with command("listen", *arguments, exports=2) as listening:
                listening.close_output()
                for number in range(3):
                    await merchant.create(reference=f"order-000{number}")
                await sandbox.settled()
                _, errors = await listening.stop()
        assert [delivery.status for delivery in sandbox.deliveries] == [200, 200, 200]
        assert errors == ""

    async def test_a_reference_that_no_terminal_shows_is_forwarded_and_written_out(self) -> None:
        """No letter that the encoding lacks fails an answer; no line end and no escape sequence is obeyed."""
        event = document("current-webhook-epayment-captured") | {"reference": "ordre-å\x1b[2J\nforged"}
        async with Sandbox() as sandbox, shop() as target:
            arguments = ("--sandbox", sandbox.base_url, "--to", target.url, "--port", "0")
            async with command("listen", *arguments, exports=2, PYTHONIOENCODING="ascii") as listening:
                url = listening.environ["VIPPS_WEBHOOK_URL"]
                async with (
                    aiohttp.ClientSession() as http,
                    http.post(url, data=json.dumps(event)) as answer,
                ):
                    assert answer.status == 200
                assert r"subject=ordre-\xe5\x1b[2J\nforged status=" in await listening.line()
                await listening.stop()

    async def test_a_receiver_that_is_not_there_is_told(self) -> None:
        """The sandbox hears 502 and tries again; the line has the error."""
        async with Sandbox() as sandbox, at(sandbox) as merchant:
            arguments = ("--sandbox", sandbox.base_url, "--to", "http://127.0.0.1:9/", "--port", "0")
            async with command("listen", *arguments, exports=2) as listening:
                await merchant.create()
                assert "error=ClientConnectorError" in await listening.line()
                await until(lambda: sandbox.deliveries)
                assert sandbox.deliveries[0].status == 502
                await sandbox.stop()
                _, errors = await listening.stop()
        assert "gone before its webhook could be removed" in errors

    def test_no_sandbox(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Status 1, and where it was looked for."""
        arguments = ["--sandbox", "http://127.0.0.1:9", "--to", "http://127.0.0.1:9/", "--port", "0"]
        assert main(["listen", *arguments]) == 1
        assert "no sandbox answers at http://127.0.0.1:9/sandbox/webhooks" in capsys.readouterr().err

    async def test_an_event_type_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The sandbox's refusal is shown."""
        async with Sandbox() as sandbox:
            arguments = ["--sandbox", sandbox.base_url, "--to", "http://127.0.0.1:9/", "--port", "0", "--event", "paid"]
            assert await run("listen", *arguments) == 1
        assert "paid is no event type" in capsys.readouterr().err

    def test_a_taken_port(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Status 1, and which one."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = str(taken.getsockname()[1])
            assert main(["listen", "--to", "http://127.0.0.1:9/", "--port", number]) == 1
        assert f"cannot listen on 127.0.0.1:{number}" in capsys.readouterr().err


URL = "https://shop.example/vipps/events?shop=1"
BODY = json.dumps({"reference": "order-0001", "name": "BLÅBÆR"}, separators=(",", ":"), ensure_ascii=False).encode()


def captured(
    *,
    secret: str = SECRET,
    url: str = URL,
    body: bytes = BODY,
    sent: bytes | None = None,
    age: timedelta = timedelta(),
) -> bytes:
    """Return a captured request, signed over *body* so long ago, with *sent* as its body."""
    headers = sign(secret, SignedUrl.of(url), body, date=datetime.now(UTC) - age)
    lines = ["POST /vipps/events?shop=1 HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + (body if sent is None else sent)


def verified(request: bytes, secret: str = SECRET, url: str = URL) -> int:
    """Verify a captured request that comes from standard input."""
    standard_input, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(request))
    try:
        return main(["verify", "--url", url, "--secret", secret])
    finally:
        sys.stdin = standard_input


class TestVerify:
    """Explaining a captured request."""

    @pytest.mark.parametrize("prefix", ["", "> "])
    @pytest.mark.parametrize("end", ["\r\n", "\n"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_signature_that_holds(
        self, *, prefix: str, end: str, first: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With or without the first line, either line end, and as curl shows headers: it holds, with its date."""
        head, _, content = captured().partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[0 if first else 1 :]
        request = end.join([*(f"{prefix}{line}" for line in lines), "", ""]).encode() + content
        assert verified(request) == 0
        said = capsys.readouterr().out
        assert "The signature holds. It was signed at 20" in said

    @pytest.mark.parametrize(
        ("age", "status", "said"),
        [
            (timedelta(days=6, hours=23), 0, ""),
            (timedelta(days=7, hours=2), 3, "2:0.:.. beyond them: the delivery was signed at .* more than 7 days"),
            (timedelta(days=1000), 3, "993 days, 0:0.:.. beyond them: the delivery was signed at 20"),
            (timedelta(hours=-1), 3, "0:5.:.. beyond them: the delivery was signed at .* in the future"),
        ],
    )
    def test_a_date_that_a_receiver_refuses(
        self, age: timedelta, status: int, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The signature holds and the delivery is refused all the same: a status of its own, and by how much."""
        assert verified(captured(age=age)) == status
        told = capsys.readouterr().out
        assert "The signature holds. It was signed at" in told
        assert re.search(said, told)
        assert ("beyond" in told) is bool(status)

    @pytest.mark.parametrize(
        ("request_", "secret", "cause"),
        [
            (captured(secret="another-secret"), SECRET, "the secret is not that of this webhook's registration"),
            (captured(url="https://other.example/vipps/events?shop=1"), SECRET, "it is signed for host other.example"),
            (captured(sent=BODY + b"\n"), SECRET, "But it would hold without the line end after the body"),
            (captured(sent=json.dumps(json.loads(BODY)).encode()), SECRET, "But it would hold for compact JSON"),
            (captured(sent=b"{}"), SECRET, "the body is not the one that was signed"),
            (captured(), f'"{SECRET}"', "But it would hold with the secret as it is without the spaces or quotes"),
            (captured().replace(b"x-ms-date", b"x-date"), SECRET, "the delivery has no x-ms-date header"),
            (captured().replace(b"GMT", b"XYZ 99"), SECRET, "the signed date was altered"),
            (captured().partition(b"\r\n\r\n")[0], SECRET, "the body is not the one that was signed"),
        ],
    )
    def test_why_a_signature_does_not_hold(
        self, request_: bytes, secret: str, cause: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each cause is named, with status 1, and no secret is."""
        assert verified(request_, secret) == 1
        said = capsys.readouterr().out
        assert said.startswith("The signature does not hold: ")
        assert cause in said
        assert SECRET not in said

    def test_a_copy_that_a_proxy_took_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The signature holds by its second copy, and the proxy is named."""
        lines = captured().partition(b"\r\n\r\n")[0].split(b"\r\n")
        kept = [b"Authorization: Basic Og==" if line.startswith(b"Authorization") else line for line in lines]
        assert verified(b"\r\n".join([*kept, b"", BODY])) == 0
        said = capsys.readouterr().out
        assert "a proxy replaced Authorization on the way" in said
        assert "The signature holds." in said

    def test_a_content_length_ends_the_body(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What a file has after it was not sent."""
        file = tmp_path / "request.http"
        head = f"\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        file.write_bytes(captured().replace(b"\r\n\r\n", head, 1) + b"\n\n# a note\n")
        assert main(["verify", "--url", URL, "--secret", SECRET, str(file)]) == 0
        assert "The signature holds" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--url", URL], "verify needs --url and --secret"),
            (["--url", URL, "--secret", "x", "no-such-file"], "no-such-file"),
            (["--url", URL, "--secret", "x", __file__], "is no header"),
        ],
    )
    def test_what_cannot_be_verified(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Status 1, and what is wrong."""
        assert main(["verify", *arguments]) == 1
        assert message in capsys.readouterr().err
