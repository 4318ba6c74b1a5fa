"""The receiver in threaded WSGI servers: one effect however the deliveries come, and never a hang."""

import asyncio
import io
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.support.webhooks.deliveries import delivery, event, receiver_of, signed
from tests.support.webhooks.wsgi_sites import (
    PATH,
    Application,
    WsgiServer,
    alone,
    beside_flask,
    in_a_view_of_flask,
    serving_wsgi,
)
from vipps_async import PaymentEvent
from vipps_async.errors import ConfigurationError
from vipps_async.webhooks import InboxPolicy, wsgi_app
from vipps_async.webhooks.stores.sqlite import SQLiteStore
from vipps_async.webhooks.wsgi_app import WsgiApp

ALL_AT_ONCE = 20


class ThreadedShop:
    """A shop whose handler waits, in its loop, until any thread lets it go."""

    def __init__(self, **settings: Any) -> None:
        self.receiver = receiver_of(**settings)
        self.notes: list[str] = []
        self.begun, self.let_go, self.ended = Event(), Event(), Event()
        self.receiver.on(PaymentEvent)(self.handle)

    async def handle(self, event: PaymentEvent) -> None:
        """Handle an event slowly."""
        self.notes.append(f"{event.name} begins")
        self.begun.set()
        await asyncio.to_thread(self.let_go.wait)
        self.notes.append(f"{event.name} ends")
        self.ended.set()


@pytest.fixture
def shop() -> Iterator[ThreadedShop]:
    """A shop, which lets its handlers go in the end."""
    shop = ThreadedShop()
    yield shop
    shop.let_go.set()


@pytest.fixture
def events(shop: ThreadedShop) -> Iterator[WsgiApp]:
    """The shop's receiver as an application."""
    with closing(shop.receiver.wsgi_app()) as events:
        yield events
        shop.let_go.set()


@pytest.fixture
def server(events: WsgiApp) -> Iterator[WsgiServer]:
    """A server of it."""
    with serving_wsgi(events) as server:
        yield server


def deliver(server: WsgiServer, name: str = "CAPTURED") -> int:
    """Deliver an event; return the status."""
    return server.post(event(name), signed(event(name)))[0]


@pytest.mark.parametrize("make", [alone, beside_flask, in_a_view_of_flask], ids=lambda make: make.__name__)
def test_duplicates_in_many_threads_take_effect_once(shop: ThreadedShop, events: WsgiApp, make: Any) -> None:
    """Of twenty deliveries at once one runs the handler; the others are told to come again, and then it is done."""
    with serving_wsgi(make(events)) as server, ThreadPoolExecutor(ALL_AT_ONCE) as pool:
        answers = [pool.submit(deliver, server) for _ in range(ALL_AT_ONCE)]
        while sum(answer.done() for answer in answers) < ALL_AT_ONCE - 1:
            shop.begun.wait(0.01)
        shop.let_go.set()
        assert sorted(answer.result() for answer in answers) == [200] + [503] * (ALL_AT_ONCE - 1)
        assert deliver(server) == 200
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


def test_what_is_no_delivery_is_refused(shop: ThreadedShop, server: WsgiServer) -> None:
    """401 and 400 come as from the receiver."""
    assert server.post(event(), {}) == (401, b"NotAuthentic")
    assert server.post(b"{}", signed(b"{}")) == (400, b"NotAnEvent")
    assert server.post(b"", signed(b"")) == (400, b"NotAnEvent")
    assert shop.notes == []


def call(app: Application, body: bytes, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    """Call an application as a server does; return status, headers and body of its answer."""
    said: list[Any] = []
    names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed(body).items()}
    given = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "CONTENT_TYPE": names.pop("HTTP_CONTENT_TYPE"),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **names,
        **environ,
    }
    parts = app(given, lambda status, headers: said.extend([status, dict(headers)]))
    return said[0], said[1], b"".join(parts)


def test_the_connection_is_left_to_the_server(events: WsgiApp) -> None:
    """No field of the connection is in an answer, since WSGI forbids it and wsgiref fails by it."""
    status, headers, body = call(events, b"", CONTENT_LENGTH="999999999")
    assert (status[:4], headers, body) == ("413 ", {"Content-Length": "21"}, b"the body is too large")
    assert "Connection" not in events.handle(delivery(b"x" * 1_000_000)).headers


@pytest.mark.parametrize("length", ["", "-1", "x", "²", None])
def test_a_body_without_a_length_is_empty(events: WsgiApp, length: str | None) -> None:
    """WSGI says nothing of where it ends, so that nothing is read which might never come."""
    assert call(events, event(), CONTENT_LENGTH=length or "")[0].startswith("401")


def test_a_body_that_ends_by_itself_is_read(shop: ThreadedShop, events: WsgiApp) -> None:
    """Servers that decode chunks say so, and then the end can be read."""
    shop.let_go.set()
    assert call(events, event(), CONTENT_LENGTH="", **{"wsgi.input_terminated": True})[0] == "200 OK"


class Broken(io.BytesIO):
    """A body whose connection breaks."""

    def read(self, _: int | None = -1) -> bytes:
        """Fail."""
        raise ConnectionResetError("gone")


@pytest.mark.parametrize("body", [Broken(), io.BytesIO(), io.BytesIO(event()[:-1])])
def test_a_body_that_breaks_off_or_was_read_before_is_refused(
    shop: ThreadedShop, events: WsgiApp, body: io.BytesIO, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered 400, and the log says how much came."""
    assert call(events, event(), **{"wsgi.input": body})[0].startswith("400")
    assert "broke off" in caplog.text
    assert shop.notes == []


def test_no_bytes_in_a_path_break_a_line(events: WsgiApp, caplog: pytest.LogCaptureFixture) -> None:
    """Every byte may be in the path and the query, and the log stays in its line."""
    every_byte = bytes(range(256)).decode("latin-1")
    assert call(events, b"", PATH_INFO=every_byte, QUERY_STRING=every_byte)[0].startswith("400")
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_slow_handler_does_not_keep_the_server_s_thread(
    shop: ThreadedShop, server: WsgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that an answer is awaited the thread is free; the handler goes on, once."""
    monkeypatch.setattr(wsgi_app, "ANSWER_TIMEOUT", 0.05)
    assert deliver(server) == 503
    shop.let_go.set()
    assert shop.ended.wait(10)
    while deliver(server) != 200:
        pass
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


def test_closing_waits_for_the_handler(shop: ThreadedShop, events: WsgiApp, server: WsgiServer) -> None:
    """The application is closed when its handler has ended, and refuses what comes then; once more does nothing."""
    answer: list[int] = []
    first = Thread(target=lambda: answer.append(deliver(server)))
    first.start()
    assert shop.begun.wait(10)
    closing_ = Thread(target=events.close)
    closing_.start()
    closing_.join(0.05)
    assert closing_.is_alive()
    shop.let_go.set()
    closing_.join(10)
    first.join(10)
    assert answer == [200]
    assert deliver(server, "REFUNDED") == 503
    events.close()
    assert shop.notes == ["CAPTURED begins", "CAPTURED ends"]


def test_an_inbox_works_before_the_first_delivery(tmp_path: Path) -> None:
    """What an earlier process left is handled once the application is told to start."""
    path = tmp_path / "events.db"
    left = ThreadedShop(store=SQLiteStore(path), inbox=InboxPolicy(workers=1))
    left.let_go.set()

    async def leave() -> None:
        await left.receiver.handle(delivery(event()))
        await left.receiver.close()

    asyncio.run(leave())
    shop = ThreadedShop(store=SQLiteStore(path), inbox=InboxPolicy(workers=1))
    shop.let_go.set()
    with closing(shop.receiver.wsgi_app()) as events:
        events.start()
        assert shop.ended.wait(10)


def test_a_start_that_fails_is_told_and_tried_again(shop: ThreadedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts the application, or delivers first, is told why it cannot start."""
    failures = [ConfigurationError("no database"), ConfigurationError("no database")]
    monkeypatch.setattr(shop.receiver, "start", lambda: _raise(failures))
    shop.let_go.set()
    with closing(shop.receiver.wsgi_app()) as events:
        with pytest.raises(ConfigurationError, match="no database"):
            events.start()
        with pytest.raises(ConfigurationError, match="no database"):
            events.handle(delivery(event()))
        assert events.handle(delivery(event())).status == 200
    while any(thread.name == "vipps_async receiver" for thread in threading.enumerate()):
        time.sleep(0.01)  # a failed start leaves no loop behind


def _raise(failures: list[ConfigurationError]) -> None:
    if failures:
        raise failures.pop()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_an_application_that_was_used_before_a_fork_works_in_the_child(shop: ThreadedShop, events: WsgiApp) -> None:
    """Servers load an application, and may use it, before they fork: the child has a loop of its own."""
    shop.let_go.set()
    assert events.handle(delivery(event("AUTHORIZED"))).status == 200
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(events.handle(delivery(event("CAPTURED"))).status))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert answers.get() == 200
    assert events.handle(delivery(event("REFUNDED"))).status == 200


EXIT = """
import asyncio
from threading import Event, Thread
from tests.support.webhooks.deliveries import delivery, event, receiver_of

begun = Event()
receiver = receiver_of()

@receiver.on_all
async def handle(event):
    begun.set()
    await asyncio.sleep(0.3)
    print("handled", flush=True)

events = receiver.wsgi_app()
Thread(target=events.handle, args=(delivery(event()),), daemon=True).start()
begun.wait(10)
"""


def test_a_process_that_ends_waits_for_its_handlers() -> None:
    """A server's process closes the application at its exit, without being told to."""
    ended = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=30, check=True)
    assert (ended.stdout, ended.stderr) == ("handled\n", "")


def test_handlers_run_in_one_loop(shop: ThreadedShop, events: WsgiApp) -> None:
    """However many threads the server has, the handlers' tasks and connections belong together."""
    loops = set()
    shop.let_go.set()

    @shop.receiver.on(PaymentEvent)
    async def note(_: PaymentEvent) -> None:
        loops.add(asyncio.get_running_loop())

    with serving_wsgi(events) as server:
        assert {deliver(server, name) for name in ("CREATED", "AUTHORIZED", "CAPTURED")} == {200}
    assert len(loops) == 1
