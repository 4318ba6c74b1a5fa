"""``sandbox``: run Vipps MobilePay on this machine until Ctrl-C."""

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, TextIO

from vipps_async._commands.arguments import DIALECTS, count, port
from vipps_async.sandbox import Sandbox

if TYPE_CHECKING:
    from vipps_async._commands.arguments import Commands


def add_to(commands: "Commands") -> None:
    """Add the command."""
    sandbox = commands.add_parser("sandbox", help="run Vipps MobilePay on this machine until Ctrl-C")
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    sandbox.add_argument("--port", type=port, default=8090, help="port to listen on, 0 for a free one (default: 8090)")
    sandbox.add_argument("--dialect", choices=DIALECTS, default="current", help="which API to speak")
    sandbox.add_argument("--copies", type=count, default=1, help="how often each event is delivered (default: 1)")
    sandbox.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
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
