"""A genuine delivery takes effect once in every server that merchants run, and none of them hangs at its end."""

import asyncio
import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from tests.support.servers.shops import HANGS
from tests.support.servers.web import WebServer, nginx, python
from vipps_async.testing.events import EventSource, SignedDelivery

EVENTS, COPIES = 10, 3
TWO = ("--workers", "2")
SHOPS = "tests.support.servers.shops"
GUNICORN = ("--bind", "127.0.0.1:PORT", *TWO)
UVICORN = ("--factory", "--port", "PORT", "--log-level", "warning")
DEPLOYMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "aiohttp": (SHOPS, ("PORT",)),
    "aiohttp in gunicorn": ("gunicorn", (*GUNICORN, "-k", "aiohttp.GunicornWebWorker", f"{SHOPS}:aiohttp_shop()")),
    "uvicorn": ("uvicorn", (*UVICORN, f"{SHOPS}:asgi_shop")),
    "uvicorn, two workers": ("uvicorn", (*UVICORN, *TWO, f"{SHOPS}:fastapi_shop")),
    "uvicorn in gunicorn": ("gunicorn", (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", f"{SHOPS}:fastapi_shop()")),
    "Flask": ("gunicorn", (*GUNICORN, f"{SHOPS}:flask_shop()")),
    "Flask, threads": ("gunicorn", (*GUNICORN, "--threads", "4", f"{SHOPS}:flask_shop()")),
    "Flask, loaded before the fork": ("gunicorn", (*GUNICORN, "--preload", f"{SHOPS}:flask_shop()")),
    "Django, ASGI": ("uvicorn", (*UVICORN, *TWO, f"{SHOPS}:django_asgi_shop")),
    "beside Django, ASGI": ("uvicorn", (*UVICORN, f"{SHOPS}:django_beside_shop")),
    "Django, WSGI": ("gunicorn", (*GUNICORN, "--threads", "4", f"{SHOPS}:django_wsgi_shop()")),
}
# Django's own application is not told of the shutdown, so that nothing ends the handler of a view.
ENDING = [name for name in DEPLOYMENTS if name != "Django, ASGI"]
PROXIED = ["uvicorn, two workers", "Flask, threads"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The shop's file, with a table for effects."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE effects (psp_reference TEXT)")
    return path


def started(name: str, file: Path) -> AbstractAsyncContextManager[WebServer]:
    """Start one of the deployments."""
    module, arguments = DEPLOYMENTS[name]
    return python(module, arguments, file=file)


async def deliver(delivery: SignedDelivery, server: WebServer) -> None:
    """Deliver until it is answered 200, as Vipps MobilePay does."""
    while (reply := await delivery.post(server.url)).status != 200:
        assert reply.status == 503, (reply.body, server.output.decode())
        await asyncio.sleep(0.1)


async def take_effect_once(server: WebServer, file: Path) -> None:
    """Deliver a few events, several times at once each, and look for their effects."""
    source = EventSource()
    deliveries = [
        source("AUTHORIZED", reference=f"order-{number:04}", psp_reference=f"psp-{number}") for number in range(EVENTS)
    ]
    async with asyncio.TaskGroup() as group:
        for delivery in deliveries * COPIES:
            group.create_task(deliver(delivery, server))
    with closing(sqlite3.connect(file)) as connection:
        effects = [row[0] for row in connection.execute("SELECT psp_reference FROM effects")]
    assert sorted(effects) == sorted(f"psp-{number}" for number in range(EVENTS))


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_deliveries_take_effect_once(name: str, file: Path) -> None:
    """Whatever loops, threads and processes the server has."""
    async with started(name, file) as server:
        await take_effect_once(server, file)


@pytest.mark.parametrize("name", PROXIED)
async def test_deliveries_take_effect_once_behind_nginx(name: str, file: Path) -> None:
    """Although it changes the host and the path, and puts credentials of its own in the place of the signature."""
    async with started(name, file) as server, nginx(server) as proxy:
        await take_effect_once(proxy, file)
        await server.has_said("a delivery is authentic, but a proxy replaced Authorization on the way")


@pytest.mark.parametrize("name", ENDING)
async def test_a_server_ends_although_a_handler_hangs(name: str, file: Path) -> None:
    """On SIGTERM, although whoever made the delivery still waits for its answer."""
    async with started(name, file) as server:
        call = asyncio.create_task(EventSource()(HANGS).post(server.url))
        await server.has_said("hanging")
        await server.terminate()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
