"""``sandbox``: run Vipps MobilePay on this machine until Ctrl-C."""

import argparse
import logging
import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from yarl import URL

from vipps_async._cli.arguments import (
    DIALECTS,
    SECRET_VARIABLE,
    count,
    denied,
    export,
    export_webhook,
    faults,
    port,
    state,
    url,
    webhook_secret,
)
from vipps_async._cli.lines import STYLES, Lines, SandboxLog
from vipps_async._cli.process import stop_signal, write
from vipps_async._cli.tls import explained, server_context
from vipps_async.config import Credentials
from vipps_async.sandbox import UNKNOWN_PHONE_NUMBER, Permission, Sandbox, faults_help

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands


_KEYS = {field.name: f"VIPPS_{field.name.upper()}" for field in attrs.fields(Credentials)}
_ABOUT = f"""\
keys:
  Where VIPPS_CLIENT_ID, VIPPS_CLIENT_SECRET, VIPPS_SUBSCRIPTION_KEY and VIPPS_MERCHANT_SERIAL_NUMBER are all set, those
  are the keys that the sandbox takes, and it does not show them. Otherwise it has keys of its own, and shows them.

customers:
  Any phone number is a customer's, but {UNKNOWN_PHONE_NUMBER}: a payment for it is refused with 7010
"""


def add_to(commands: "Commands") -> None:
    """Add the command."""
    sandbox = commands.add_parser(
        "sandbox",
        help="run Vipps MobilePay on this machine until Ctrl-C",
        epilog=f"{_ABOUT}\n{faults_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    sandbox.add_argument("--port", type=port, default=8090, help="port to listen on, 0 for a free one (default: 8090)")
    sandbox.add_argument("--public-url", type=url, metavar="URL", help="what browsers reach it by, if that is another")
    sandbox.add_argument("--dialect", choices=DIALECTS, default="current", help="which API to speak")
    sandbox.add_argument("--copies", type=count, default=1, help="how often each event is delivered (default: 1)")
    sandbox.add_argument(
        "--currency",
        choices=("NOK", "DKK", "EUR"),
        help="the sales unit's; others are refused with 5040 (default: it takes all)",
    )
    sandbox.add_argument(
        "--token-lifetime",
        type=count,
        default=3599,
        metavar="SECONDS",
        help="how long an access token is valid (default: 3599)",
    )
    sandbox.add_argument(
        "--deny",
        type=denied,
        default=(),
        metavar="PERMISSIONS",
        help=f"what the sales unit may not do, as in production before approval: {', '.join(Permission)}",
    )
    sandbox.add_argument("--faults", type=faults, metavar="FAULTS", help="faults to inject; see below")
    sandbox.add_argument("--seed", type=int, help="seed of random faults: the same one affects the same requests")
    sandbox.add_argument(
        "--webhook",
        type=url,
        metavar="URL",
        help=f"register a webhook for every event, signed with {SECRET_VARIABLE}, or a fresh secret that is printed",
    )
    sandbox.add_argument(
        "--no-rate-limits",
        dest="rate_limits",
        action="store_false",
        help="never answer 429 to too many calls",
    )
    sandbox.add_argument(
        "--load",
        type=state,
        metavar="FILE",
        help="begin with what another sandbox saved: GET /sandbox/state, or the page's link",
    )
    sandbox.add_argument(
        "--tls",
        action="store_true",
        help="serve https, vouched for by an authority of this machine's own, for clients that know no other host",
    )
    sandbox.add_argument(
        "--strict",
        action="store_true",
        help="refuse what the documents do not allow, also where clients in production send it",
    )
    sandbox.add_argument("--log", choices=STYLES, help="tell each request and delivery on standard error")
    sandbox.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    credentials = _known_credentials()
    context, certificate = _tls(options) if options.tls else (None, None)
    sandbox = Sandbox(
        host=options.host,
        port=options.port,
        public_url=options.public_url,
        ssl_context=context,
        dialect=options.dialect,
        credentials=credentials,
        token_lifetime=options.token_lifetime,
        currency=options.currency,
        copies=options.copies,
        denied=options.deny,
        seed=options.seed,
        rate_limits=options.rate_limits,
        strict=options.strict,
    )
    if options.faults:
        sandbox.add_faults(options.faults)
    lines = Lines(options.log or "text", sys.stderr)
    with _logged(lines, logging.DEBUG if options.log else logging.WARNING):
        try:
            await sandbox.start()
        except OSError as error:
            write(sys.stderr, f"The sandbox cannot listen on {options.host}:{options.port}: {error}\n")
            return 1
        try:
            if options.load is not None:
                sandbox.load(options.load)
            stopped = stop_signal()
            write(sys.stdout, _environment(sandbox, keys_are_known=credentials is not None))
            if certificate is not None:
                write(sys.stdout, explained(certificate, URL(sandbox.base_url).port or 443))
            if options.webhook:
                write(sys.stdout, await _register(sandbox, options.webhook))
            await stopped.wait()
        finally:
            await sandbox.stop()
    return 0


def _tls(options: argparse.Namespace) -> tuple[ssl.SSLContext, Path]:
    public = URL(options.public_url).host if options.public_url else None
    return server_context([public] if public else [])


@contextmanager
def _logged(lines: Lines, level: int) -> Iterator[None]:
    """Print the sandbox's log as *lines*, and nowhere else."""
    logger = logging.getLogger("vipps_async.sandbox")
    handler = SandboxLog(lines)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _known_credentials() -> Credentials | None:
    """Return the keys that the environment names, if it names them all."""
    return Credentials.from_env() if all(map(os.environ.get, _KEYS.values())) else None


def _environment(sandbox: Sandbox, *, keys_are_known: bool) -> str:
    place = f"Vipps MobilePay is at {sandbox.base_url} until Ctrl-C. No money moves here. Seed: {sandbox.seed}.\n"
    address = "\n" + export("VIPPS_ENVIRONMENT", sandbox.base_url)
    if keys_are_known:
        return f"{place}It takes the keys in {', '.join(_KEYS.values())}, which are not shown.\n{address}"
    keys = (export(variable, getattr(sandbox.credentials, name)) for name, variable in _KEYS.items())
    return place + address + "".join(keys)


async def _register(sandbox: Sandbox, webhook: str) -> str:
    secret = webhook_secret()
    await sandbox.add_webhook(webhook, secret=secret)
    return export_webhook(webhook, secret)
