"""The command line: arguments -> calls."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TextIO

from vipps_async import _demo
from vipps_async._version import __version__
from vipps_async.errors import VippsError
from vipps_async.sandbox import Sandbox

_DIALECTS = ("current", "draft")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 0 for success, 1 for a failure, 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], Coroutine[None, None, int]] = options.run
    try:
        return asyncio.run(run(options))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vipps-async", description="Vipps MobilePay for asyncio.")
    parser.add_argument("--version", action="version", version=f"vipps-async {__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    demo = commands.add_parser("demo", help="walk one payment's whole life against a sandbox on this machine")
    demo.add_argument("--dialect", choices=_DIALECTS, default="current", help="which API to speak (default: current)")
    demo.set_defaults(run=_run_demo)
    sandbox = commands.add_parser("sandbox", help="run Vipps MobilePay on this machine until Ctrl-C")
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    sandbox.add_argument("--port", type=_port, default=8090, help="port to listen on, 0 for a free one (default: 8090)")
    sandbox.add_argument("--dialect", choices=_DIALECTS, default="current", help="which API to speak")
    sandbox.add_argument("--copies", type=_count, default=1, help="how often each event is delivered (default: 1)")
    sandbox.set_defaults(run=_run_sandbox)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port, 0 to 65535")
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} is not 1 or more")
    return count


async def _run_demo(options: argparse.Namespace) -> int:
    try:
        await _demo.run(options.dialect, sys.stdout)
    except (_demo.DemoFailed, VippsError) as error:
        sys.stderr.write(f"The demo failed: {error}\n")
        return 1
    return 0


async def _run_sandbox(options: argparse.Namespace) -> int:
    sandbox = Sandbox(host=options.host, port=options.port, dialect=options.dialect, copies=options.copies)
    try:
        await sandbox.start()
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    try:
        _print_environment(sandbox, sys.stdout)
        await _interrupted()
    finally:
        await sandbox.stop()
    return 0


def _print_environment(sandbox: Sandbox, out: TextIO) -> None:
    keys = sandbox.credentials
    out.write(
        f"Vipps MobilePay is at {sandbox.base_url} until Ctrl-C. No money moves here.\n\n"
        f"export VIPPS_ENVIRONMENT={sandbox.base_url}\n"
        f"export VIPPS_CLIENT_ID={keys.client_id:s}\n"
        f"export VIPPS_CLIENT_SECRET={keys.client_secret:s}\n"
        f"export VIPPS_SUBSCRIPTION_KEY={keys.subscription_key:s}\n"
        f"export VIPPS_MERCHANT_SERIAL_NUMBER={keys.merchant_serial_number}\n"
    )
    out.flush()


async def _interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in its loop; Ctrl-C works there
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
