"""The command line, as a user runs it."""

import asyncio
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

from tests.support.running import command
from tests.support.running import environ as environment
from vipps_async import Amount, PaymentEventName, VippsClient, __version__
from vipps_async._cli import demo as _demo
from vipps_async._cli.lines import Lines
from vipps_async._cli.steps import StepPrinter
from vipps_async.cli import main
from vipps_async.errors import NotFound


@pytest.mark.parametrize("dialect", ["current", "draft"])
def test_demo_tells_the_whole_job(dialect: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo walks to its end in either dialect, numbers its steps, and exits with 0."""
    assert main(["demo", "--dialect", dialect]) == 0
    told = capsys.readouterr().out
    assert "10 deliveries, 5 effects: each event once" in told
    assert "Everything is as it should be." in told
    assert re.findall(r"^ +(\d+)  ", told, flags=re.MULTILINE) == [str(number) for number in range(1, 13)]


def test_demo_walks_through_a_subscription(capsys: pytest.CaptureFixture[str]) -> None:
    """It walks to its end, with a charge that fails first, and refuses the draft, which has none."""
    assert main(["demo", "--api", "recurring"]) == 0
    told = capsys.readouterr().out
    assert "The member's card is empty" in told
    assert "Everything is as it should be." in told
    assert main(["demo", "--api", "recurring", "--dialect", "draft"]) == 1
    assert "the draft has payments alone" in capsys.readouterr().err


def test_demo_fails_when_something_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A result that differs from what it should be ends the demo with 1 and a sentence that names it."""
    monkeypatch.setitem(_demo._EXPECTED_EVENTS, PaymentEventName.REFUNDED, 2)
    assert main(["demo"]) == 1
    assert "The demo failed: the deliveries answered 200 should be 12, and is 10" in capsys.readouterr().err


def test_demo_fails_when_a_call_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A call that fails ends the demo with 1 and the error's own words."""
    too_much = attrs.evolve(_demo._SCRIPTS["current"], part=Amount(50000, "NOK"))
    monkeypatch.setitem(_demo._SCRIPTS, "current", too_much)
    assert main(["demo"]) == 1
    assert "error 6090" in capsys.readouterr().err


def test_demo_runs_as_a_module() -> None:
    """`python -m vipps_async demo` exits with 0."""
    run = subprocess.run([sys.executable, "-m", "vipps_async", "demo"], capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert "Everything is as it should be." in run.stdout.decode()


async def test_sandbox_prints_an_environment_that_works_and_stops_on_ctrl_c() -> None:
    """`sandbox` prints variables that lead a client to it, serves, and ends cleanly on SIGINT."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vipps_async", "sandbox", "--port", "0", "--copies", "2",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(7)]
    environ = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export "))
    async with VippsClient.from_env(environ) as vipps:
        created = await vipps.epayment.create(
            amount=Amount(100, "NOK"), reference="order-0001", return_url="https://shop.example/"
        )
    assert created.redirect_url.startswith(environ["VIPPS_ENVIRONMENT"])
    process.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert errors == b""


def test_taken_port_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken ends the sandbox with 1 and says which."""
    from socket import create_server  # noqa: PLC0415 - needed here alone

    with create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["sandbox", "--port", port]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["sandbox", "--port", "70000"], ["sandbox", "--copies", "0"], ["demo", "--dialect", "x"]],
)
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that cannot work are explained on standard error, with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the package's version."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during a command ends it with the status that shells expect."""

    async def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("vipps_async._cli.demo._run", interrupted)
    assert main(["demo"]) == 130


class Terminal(io.StringIO):
    """Text that passes for a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are coloured on a terminal, and plain elsewhere or with NO_COLOR set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain, refused = Terminal(), io.StringIO(), Terminal()
    StepPrinter(coloured).step("deed", "result")
    StepPrinter(plain).step("deed", "result")
    monkeypatch.setenv("NO_COLOR", "1")
    StepPrinter(refused).step("deed", "result")
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue() + refused.getvalue()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["trigger", "--help"], 0),
        (["--version"], 0),
        (["demo"], 0),
        (["trigger", "CREATED", "--url", "http://127.0.0.1:9/", "--secret", "x"], 1),
        (["verify", "--url", "https://shop.example/", "--secret", "x"], 1),
        (["inbox", "list", "--store", "events.db"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_end_as_they_do_when_nobody_reads(arguments: list[str], status: int, tmp_path: Path) -> None:
    """Whoever reads the output may have gone, as ``head`` has after ten lines: no traceback, and the same status."""
    sqlite3.connect(tmp_path / "events.db").close()
    (tmp_path / "events.db").touch()
    read, unread = os.pipe()
    os.close(read)
    run = subprocess.run(
        [sys.executable, "-m", "vipps_async", *arguments],
        stdin=subprocess.DEVNULL, stdout=unread, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    os.close(unread)
    assert run.returncode == status, run.stderr
    assert [word for word in ("Traceback", "Exception", "BrokenPipe") if word in run.stderr] == []


async def test_a_sandbox_runs_on_when_nobody_reads() -> None:
    """It serves until it is stopped, and ends well."""
    async with command("sandbox", "--port", "0", exports=5) as running:
        running.close_output()
        async with VippsClient.from_env(running.environ) as vipps:
            with pytest.raises(NotFound):
                await vipps.epayment.get("order-0001")
        await running.stop()


def test_what_is_told_of_a_delivery_may_be_lost() -> None:
    """A disk that is full fails no delivery that a command passes on."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with suppress(OSError), Path("/dev/full").open("w") as full:
        Lines("text", full).line("delivery", status=200)
        told = io.StringIO()
        Lines("text", told).line("delivery", status=200)
        assert told.getvalue().endswith(" delivery status=200\n")


def test_module_has_a_script_too() -> None:
    """The installed `vipps-async` is the same program."""
    script = Path(sys.executable).with_name("vipps-async" + (".exe" if os.name == "nt" else ""))
    run = subprocess.run([script, "--version"], capture_output=True, timeout=60, check=True)
    assert __version__ in run.stdout.decode()
