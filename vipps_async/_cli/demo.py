"""``demo``: walk one payment's whole life against a sandbox on this machine."""

import argparse
import sys
from typing import TYPE_CHECKING

from vipps_async._cli import demo_script as _demo
from vipps_async._cli.arguments import DIALECTS
from vipps_async._cli.output import write
from vipps_async.errors import VippsError

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands


def add_to(commands: "Commands") -> None:
    """Add the command."""
    demo = commands.add_parser("demo", help="walk one payment's whole life against a sandbox on this machine")
    demo.add_argument("--dialect", choices=DIALECTS, default="current", help="which API to speak (default: current)")
    demo.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    try:
        await _demo.run(options.dialect, sys.stdout)
    except (_demo.DemoFailed, VippsError) as error:
        write(sys.stderr, f"The demo failed: {error}\n")
        return 1
    return 0
