"""Commands run to their ends, and a receiver for those that send to one."""

import asyncio
import io
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from aiohttp import web

from vipps_async import PaymentEvent
from vipps_async.cli import main
from vipps_async.webhooks import WebhookEvent, WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore

SECRET = "the-secret-of-this-webhook"
PATH = "/vipps/events?shop=1"
URL = f"https://shop.example{PATH}"


@attrs.define
class Receiver:
    """A receiver, and the events that took effect."""

    url: str
    events: list[PaymentEvent] = attrs.field(factory=list)
    types: list[str] = attrs.field(factory=list)


@asynccontextmanager
async def receiving(*, registered: str = "", secret: str | None = SECRET) -> AsyncIterator[Receiver]:
    """Open a receiver; *registered* is the URL that it is registered for, if that is not its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        receiver = WebhookReceiver(
            url=registered or url, secrets=[secret] if secret else [], store=MemoryStore(), allow_unsigned=not secret
        )
        opened = Receiver(url)
        app = web.Application()
        receiver.setup(app, PATH.partition("?")[0])

        @receiver.on_all
        async def note(event: WebhookEvent) -> None:
            opened.types.append(event.type)

        @receiver.on_failed(PaymentEvent)
        @receiver.on(PaymentEvent)
        async def book(event: PaymentEvent) -> None:
            await asyncio.sleep(0.02)
            opened.events.append(event)

        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield opened
        finally:
            await runner.cleanup()


async def run(*arguments: str) -> int:
    """Run a command to its end, in a thread with a loop of its own."""
    return await asyncio.to_thread(main, list(arguments))


def verified(request: bytes, secret: str = SECRET, url: str = URL) -> int:
    """Verify a captured request that comes from standard input."""
    standard_input, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(request))
    try:
        return main(["verify", "--url", url, "--secret", secret])
    finally:
        sys.stdin = standard_input
