"""``listen`` on the command line, with a receiver made with this package."""

import asyncio
import json
import socket

import aiohttp
import pytest

from tests.support.cli import run, verified
from tests.support.running import command
from tests.support.sandbox.merchant import at, shop, until
from tests.support.vectors import document
from vipps_async.cli import main
from vipps_async.sandbox import Sandbox


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
