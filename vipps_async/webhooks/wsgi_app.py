"""The receiver in a WSGI server: Flask, Django, or none of them. Needs no framework itself.

WSGI has no event loop, and its servers call an application in many threads. A receiver, its store and its handlers
belong to one loop, so that they run in a thread of their own, one for each process, and the server's threads wait for
their answers.

Source of the protocol: PEP 3333.
"""

import atexit
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import attrs

from vipps_async._loops.thread import LoopStopped, LoopThread
from vipps_async.webhooks._requests import (
    ANSWER_TIMEOUT,
    BEING_HANDLED,
    BROKEN,
    SHUTTING_DOWN,
    TOO_LARGE,
    DeliveryHandler,
    IncomingRequest,
    Reply,
)

_logger = logging.getLogger("vipps_async.webhooks")


StartResponse = Callable[[str, list[tuple[str, str]]], object]


class WsgiApp:
    """A WSGI application that routes every path to a receiver.

    It can be used from any thread, and before or after a fork. Make one for a receiver: that belongs to its loop.

    Args:
        receiver: what handles the deliveries.
    """

    def __init__(self, receiver: DeliveryHandler) -> None:
        self._receiver = receiver
        self._thread = LoopThread("vipps_async receiver", self._begin)

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        headers = _headers(environ)
        body = _read(environ, headers.get("content-length", ""), self._receiver.max_body)
        if isinstance(body, Reply):
            reply = self._run(self._refuse(body))
        else:
            reply = self.handle(IncomingRequest(environ["REQUEST_METHOD"], _target(environ), headers, body))
        status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
        start_response(status, [("Content-Length", str(len(reply.body))), *reply.headers.items()])
        return [reply.body]

    def handle(self, request: IncomingRequest) -> Reply:
        """Handle a delivery, and return what to answer, as `WebhookReceiver.handle` does; for a view of a framework.

        Waits for up to 10 seconds, as Vipps MobilePay does. What takes longer goes on, is answered 503 here, and is a
        duplicate once it comes again.

        Args:
            request: the delivery, its body raw.
        """
        return self._run(self._receiver.handle(request))

    def start(self) -> None:
        """Begin what runs in the background, such as an inbox, in this process; the first delivery does it too."""
        self._thread.start()

    def close(self) -> None:
        """Refuse what arrives from now on, and wait for the handlers that run; called at the process's exit too."""
        atexit.unregister(self.close)
        if self._thread.is_running:
            self._thread.submit(self._receiver.close()).result()
        self._thread.stop()

    def _begin(self) -> None:
        self._receiver.start()
        atexit.register(self.close)

    async def _refuse(self, reply: Reply) -> Reply:
        return self._receiver.refuse(reply)

    def _run(self, work: Coroutine[Any, Any, Reply]) -> Reply:
        """Run *work* in the loop, where the receiver's counts are too."""
        try:
            reply = self._thread.submit(work).result(ANSWER_TIMEOUT)
        except LoopStopped:
            return SHUTTING_DOWN
        except TimeoutError:
            _logger.warning("a delivery takes longer than %g s to handle: it has to come again", ANSWER_TIMEOUT)
            return BEING_HANDLED
        # PEP 3333: no field of the connection is the application's; some servers fail by one.
        return attrs.evolve(reply, headers={name: text for name, text in reply.headers.items() if name != "Connection"})


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = {name: name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    names |= {name: name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {short.lower().replace("_", "-"): environ[name] for name, short in names.items()}


def _target(environ: Mapping[str, Any]) -> str:
    # Quoted again, since the path arrives decoded and goes into a line of the log.
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1", "replace")
    query = quote(environ.get("QUERY_STRING", ""), safe="%&=", errors="replace")
    return quote(path) + (f"?{query}" if query else "")


def _read(environ: Mapping[str, Any], length: str, limit: int) -> bytes | Reply:
    is_chunked = not length and environ.get("wsgi.input_terminated", False)
    size = int(length[:20]) if length.isascii() and length.isdigit() else 0
    if size > limit:
        return b""  # which the receiver refuses by its length
    try:
        body: bytes = environ["wsgi.input"].read(limit + 1 if is_chunked else size)
    except (OSError, ValueError) as error:
        _logger.warning("a delivery broke off while its body was read: %r", error)
        return BROKEN
    if not is_chunked and len(body) < size:
        _logger.warning("%d bytes came of a delivery of %d: it broke off, or a middleware read them", len(body), size)
        return BROKEN
    return TOO_LARGE if len(body) > limit else body
