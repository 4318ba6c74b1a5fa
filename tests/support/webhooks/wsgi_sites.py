"""The receiver in WSGI applications as merchants have them, and a threaded server to serve them."""

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

import attrs
from flask import Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from vipps_async.webhooks import IncomingRequest
from vipps_async.webhooks.wsgi_app import WsgiApp

Application = Callable[..., Any]
PATH = "/vipps/events"


def alone(events: WsgiApp) -> Application:
    """The receiver, and nothing around it."""
    return events


def beside_flask(events: WsgiApp) -> Application:
    """Beside Flask, at one path."""
    return DispatcherMiddleware(Flask(__name__).wsgi_app, {PATH: events})


def in_a_view_of_flask(events: WsgiApp) -> Application:
    """Called by a view of Flask, after something that has read the body."""
    app = Flask(__name__)

    @app.before_request
    def log() -> None:
        request.get_data()

    @app.post(PATH)
    def receive() -> Response:
        reply = events.handle(
            IncomingRequest(request.method, request.full_path, dict(request.headers), request.get_data())
        )
        return Response(reply.body, reply.status, dict(reply.headers))

    return app


@attrs.frozen
class WsgiServer:
    """A running server."""

    port: int

    def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Deliver; return status and body of the answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("POST", PATH, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()


@contextmanager
def serving_wsgi(app: Application) -> Iterator[WsgiServer]:
    """Serve *app*, each request in a thread of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield WsgiServer(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
