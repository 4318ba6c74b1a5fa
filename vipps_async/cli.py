"""The command line: arguments -> calls."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from io import TextIOWrapper

from vipps_async import __version__
from vipps_async._cli import demo, inbox, listen, sandbox, trigger, verify
from vipps_async._cli.process import write
from vipps_async.errors import VippsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 0 for success, 1 for a failure, 2 for wrong arguments.

    Only `verify` has one more, 3: the signature holds, and a receiver refuses its date.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what it cannot write must not end a command
    try:
        options = _parser().parse_args(arguments)
        run: Callable[[argparse.Namespace], Coroutine[None, None, int]] = options.run
        return asyncio.run(run(options))
    except VippsError as error:
        write(sys.stderr, f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        write(sys.stdout, "")  # what is buffered, while a pipe that closed can still be told from a fault


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vipps-async", description="Vipps MobilePay for asyncio.")
    parser.add_argument("--version", action="version", version=f"vipps-async {__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    for command in (demo, sandbox, listen, trigger, verify, inbox):
        command.add_to(commands)
    return parser
