"""``trigger`` on the command line, with a receiver made with this package."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cli import PATH, SECRET, receiving, run
from tests.support.sandbox.merchant import shop
from tests.support.vectors import body
from vipps_async.cli import main
from vipps_async.sandbox._epayment.lifecycle import EVENT_TYPES
from vipps_async.sandbox._other_apis import OTHER_APIS
from vipps_async.webhooks.signature import SignedUrl, verify

AGREEMENT = {"agreementId", "agreementUUID", "eventType", "occurred", "msn"}
# The beginning of event types -> the members of their bodies that are not optional: Webhooks API, events.
OTHER_EVENTS = [name for api in OTHER_APIS for name in api.event_types]
MEMBERS = {
    "recurring.agreement-stopped": AGREEMENT | {"actor"},
    "recurring.agreement": AGREEMENT,
    "recurring.charge": {
        "agreementId", "chargeId", "amount", "currency", "chargeType", "eventType", "occurred", "amountCaptured",
        "amountCanceled", "amountRefunded", "transactionId", "msn",
    },
    "user.checked-in": {"customerToken", "merchantQrId", "msn", "initiatedAt"},
    "login": {"auth_req_id"},
    "donations": {"agreementId", "eventType", "occurred", "msn"},
}  # fmt: skip


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
        documented = next(members for start, members in MEMBERS.items() if event.startswith(start))
        # A reason is there where something failed, and left out otherwise.
        assert set(told) == documented | ({"failureReason"} if "failed" in event else set())
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
        assert (told["chargeId"], told["transactionId"], told.get("failureReason")) == ("charge-42", "77", reason)
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
