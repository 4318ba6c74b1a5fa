"""``listen``: forward a running sandbox's events to a receiver, and tell what it answers.

The command registers a webhook of its own and passes on what arrives there, byte for byte. So a delivery stays signed
for the command's URL, whatever the address of the receiver, and the receiver is to be given that URL and its secret.
"""

import argparse
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
from aiohttp import web
from yarl import URL

from vipps_async._cli.arguments import export_webhook, port, url, webhook_secret
from vipps_async._cli.lines import STYLES, Lines
from vipps_async._cli.process import stop_signal, write
from vipps_async.errors import ConfigurationError, NotAnEvent
from vipps_async.webhooks._events import read_event

if TYPE_CHECKING:
    from vipps_async._cli.arguments import Commands

_HOST = "127.0.0.1"  # where a sandbox may reach what does not have https
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=10)  # Webhooks API, responses
_SHUTDOWN = 1.0  # seconds that a delivery in progress has left at the end
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


def add_to(commands: "Commands") -> None:
    """Add the command."""
    listen = commands.add_parser("listen", help="forward a running sandbox's events to a receiver")
    listen.add_argument("--to", type=url, required=True, metavar="URL", help="the receiver")
    listen.add_argument(
        "--sandbox", type=url, default="http://127.0.0.1:8090", help="the sandbox (default: http://127.0.0.1:8090)"
    )
    listen.add_argument("--port", type=port, default=8091, help="port to listen on, 0 for a free one (default: 8091)")
    listen.add_argument("--event", action="append", metavar="TYPE", help="an event type; several times for several")
    listen.add_argument("--log", choices=STYLES, default="text", help="how to tell each delivery (default: text)")
    listen.set_defaults(run=_run)


async def _run(options: argparse.Namespace) -> int:
    async with aiohttp.ClientSession(timeout=_ANSWER_WITHIN) as session:
        forwarder = _Forwarder(session=session, to=URL(options.to, encoded=True), lines=Lines(options.log, sys.stdout))
        secret = webhook_secret()
        async with _listening(options, forwarder) as address, _registered(session, options, address, secret):
            stopped = stop_signal()
            write(
                sys.stdout,
                f"Forwarding the events of {options.sandbox} to {options.to} until Ctrl-C. Give the receiver:\n\n"
                + export_webhook(address, secret),
            )
            await stopped.wait()
    return 0


@attrs.frozen(kw_only=True)
class _Forwarder:
    session: aiohttp.ClientSession
    to: URL
    lines: Lines

    async def forward(self, request: web.Request) -> web.Response:
        """Pass a delivery on, and its answer back."""
        body, began = await request.read(), time.monotonic()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        try:
            async with self.session.post(self.to, data=body, headers=headers, allow_redirects=False) as response:
                answer = web.Response(status=response.status, body=await response.read())
        except (aiohttp.ClientError, OSError) as error:
            self.lines.line("delivery", **_facts(body), error=f"{type(error).__name__}: {error}")
            return web.Response(status=502, text="the receiver does not answer")
        seconds = round(time.monotonic() - began, 3)
        self.lines.line("delivery", **_facts(body), status=answer.status, seconds=seconds)
        return answer


def _facts(body: bytes) -> Mapping[str, str]:
    try:
        event = read_event(body)
    except NotAnEvent:
        return {}
    return {"event": event.type, "subject": event.subject}


@asynccontextmanager
async def _listening(options: argparse.Namespace, forwarder: _Forwarder) -> AsyncIterator[str]:
    """Listen, and yield the URL to register, which has the receiver's own path."""
    app = web.Application()
    app.router.add_post("/{path:.*}", forwarder.forward)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    try:
        await _start(runner, options.port)
        yield str(URL.build(scheme="http", host=_HOST, port=runner.addresses[0][1]).join(forwarder.to.relative()))
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, number: int) -> None:
    try:
        await web.TCPSite(runner, _HOST, number).start()
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {_HOST}:{number}: {error}") from error


@asynccontextmanager
async def _registered(
    session: aiohttp.ClientSession, options: argparse.Namespace, address: str, secret: str
) -> AsyncIterator[None]:
    """Have a webhook at the sandbox."""
    webhooks = f"{options.sandbox.rstrip('/')}/sandbox/webhooks"
    webhook = await _post(session, webhooks, {"url": address, "secret": str(secret), "events": options.event})
    try:
        yield
    finally:
        await _delete(session, f"{webhooks}/{webhook['id']}")


async def _post(session: aiohttp.ClientSession, to: str, body: Mapping[str, Any]) -> Any:
    try:
        async with session.post(to, json=body) as response:
            answer = await response.json()
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ConfigurationError(f"no sandbox answers at {to}: {type(error).__name__}: {error}") from error
    if response.status != 201:
        raise ConfigurationError(f"the sandbox takes no webhook at {body['url']}: {answer}")
    return answer


async def _delete(session: aiohttp.ClientSession, webhook: str) -> None:
    try:
        async with session.delete(webhook):
            pass
    except (aiohttp.ClientError, OSError):
        write(sys.stderr, "The sandbox was gone before its webhook could be removed.\n")
