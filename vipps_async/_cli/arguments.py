"""Arguments that several commands have."""

import argparse
import json
import os
import secrets
import shlex
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from vipps_async._wire.secret import Secret
from vipps_async._wire.urls import is_web, normal_url, shown
from vipps_async.errors import ConfigurationError
from vipps_async.sandbox import Permission, Sandbox

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

DIALECTS = ("current", "draft")
URL_VARIABLE = "VIPPS_WEBHOOK_URL"
SECRET_VARIABLE = "VIPPS_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
_MOST = 1_000_000_000
_SECRET_BYTES = 64  # as the Webhooks API's are


def port(text: str) -> int:
    """Return the port that *text* names."""
    return _number(text, "a port", range(65_536))


def count(text: str) -> int:
    """Return the number, 1 or more, that *text* is."""
    return _number(text, "a whole number", range(1, _MOST + 1))


def _number(text: str, kind: str, allowed: range) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) else -1
    if number not in allowed:
        raise argparse.ArgumentTypeError(f"{text!r} must be {kind}, {allowed[0]} to {allowed[-1]}")
    return number


def url(text: str) -> str:
    """Return the URL that *text* is, in its one form, if deliveries may go there."""
    if not is_web(text):
        raise argparse.ArgumentTypeError(f"{shown(text)} must be https://…, or http:// within a private network")
    return normal_url(text)


def state(text: str) -> object:
    """Return what the file called *text* holds, if that is JSON."""
    try:
        return json.loads(Path(text).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} holds no state of a sandbox: {error}") from error


def faults(text: str) -> str:
    """Return the notation of faults that *text* is, or that the file called so holds."""
    try:
        notation = Path(text).read_text("utf-8") if ":" not in text else text
        Sandbox().add_faults(notation)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{error}; a fault is written OPERATION:FAULT") from error
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return notation


def denied(text: str) -> frozenset[Permission]:
    """Return the permissions that *text* names, with commas."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in list(Permission)]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(Permission)}")
    return frozenset(map(Permission, names))


def add_webhook_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the URL that a webhook is registered for, and its secret."""
    parser.add_argument(
        "--url",
        type=url,
        default=os.environ.get(URL_VARIABLE),
        help=f"the URL that the receiver is registered for, which is signed (default: {URL_VARIABLE})",
    )
    parser.add_argument(
        "--secret",
        type=Secret,
        default=known_secret(),
        help=f"the webhook's secret (default: {SECRET_VARIABLE}, which keeps it off the command line)",
    )


def known_secret() -> Secret | None:
    """Return the secret that the environment names, if it does."""
    return Secret(os.environ[SECRET_VARIABLE]) if os.environ.get(SECRET_VARIABLE) else None


def webhook_secret() -> Secret:
    """Return the secret that the environment names, so that a restart keeps it, or a fresh one."""
    return known_secret() or Secret(b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())


def export_webhook(url: str, secret: Secret) -> str:
    """Return the lines that set a webhook's variables, but for a secret that the environment has already."""
    return export(URL_VARIABLE, url) + ("" if known_secret() else export(SECRET_VARIABLE, secret))


def export(name: str, value: str) -> str:
    """Return the line that sets a variable in a shell."""
    return f"export {name}={shlex.quote(value)}\n"
