"""``sandbox``: run Vipps MobilePay on this machine until Ctrl-C."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING, TextIO

from vipps_async._commands.arguments import (
    DIALECTS,
    SECRET_VARIABLE,
    URL_VARIABLE,
    count,
    export,
    faults,
    port,
    url,
    webhook_secret,
)
from vipps_async._commands.faults_help import faults_help
from vipps_async._commands.lines import STYLES, Lines, SandboxLog
from vipps_async._commands.running import stop_signal
from vipps_async.sandbox import Sandbox

if TYPE_CHECKING:
    from vipps_async._commands.arguments import Commands


def add_to(commands: "Commands") -> None:
    """Add the command."""
    sandbox = commands.add_parser(
        "sandbox",
        help="run Vipps MobilePay on this machine until Ctrl-C",
        epilog=faults_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    sandbox.add_argument("--port", type=port, default=8090, help="port to listen on, 0 for a free one (default: 8090)")
    sandbox.add_argument("--public-url", type=url, metavar="URL", help="what browsers reach it by, if that is another")
    sandbox.add_argument("--dialect", choices=DIALECTS, default="current", help="which API to speak")
    sandbox.add_argument("--copies", type=count, default=1, help="how often each event is delivered (default: 1)")
    sandbox.add_argument("--faults", type=faults, metavar="FAULTS", help="what is to go wrong; see below")
    sandbox.add_argument("--seed", type=int, help="what chance goes by: the same one strikes the same requests")
    sandbox.add_argument(
        "--webhook",
        type=url,
        metavar="URL",
        help=f"register a webhook for every event, signed with {SECRET_VARIABLE} or a fresh secret, which is printed",
    )
    sandbox.add_argument(
        "--no-rate-limits",
        dest="rate_limits",
        action="store_false",
        help="never answer 429 to too many calls",
    )
    sandbox.add_argument("--log", choices=STYLES, help="tell each request and delivery on standard error")
    sandbox.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    sandbox = Sandbox(
        host=options.host,
        port=options.port,
        public_url=options.public_url,
        dialect=options.dialect,
        copies=options.copies,
        seed=options.seed,
        rate_limits=options.rate_limits,
    )
    if options.faults:
        sandbox.order_faults(options.faults)
    _log(Lines(options.log or "text", sys.stderr), logging.DEBUG if options.log else logging.WARNING)
    try:
        await sandbox.start()
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    try:
        stopped = stop_signal()
        _print_environment(sandbox, sys.stdout)
        if options.webhook:
            await _register(sandbox, options.webhook, sys.stdout)
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await sandbox.stop()
    return 0


def _log(lines: Lines, level: int) -> None:
    logger = logging.getLogger("vipps_async.sandbox")
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(SandboxLog(lines))


def _print_environment(sandbox: Sandbox, out: TextIO) -> None:
    keys = sandbox.credentials
    out.write(
        f"Vipps MobilePay is at {sandbox.base_url} until Ctrl-C. No money moves here. Seed: {sandbox.seed}.\n\n"
        + export("VIPPS_ENVIRONMENT", sandbox.base_url)
        + export("VIPPS_CLIENT_ID", keys.client_id)
        + export("VIPPS_CLIENT_SECRET", keys.client_secret)
        + export("VIPPS_SUBSCRIPTION_KEY", keys.subscription_key)
        + export("VIPPS_MERCHANT_SERIAL_NUMBER", keys.merchant_serial_number)
    )


async def _register(sandbox: Sandbox, webhook: str, out: TextIO) -> None:
    secret = webhook_secret()
    await sandbox.add_webhook(webhook, secret=secret)
    out.write(export(URL_VARIABLE, webhook) + export(SECRET_VARIABLE, secret))
