"""A reply as a value: what is to be sent, before anything is sent. Performs no I/O."""

from collections.abc import Mapping
from typing import Any

import attrs

from vipps_async._wire.json import encode
from vipps_async.sandbox._platform.markup import Markup

HTML = "text/html"
JSON = "application/json"
PROBLEM = "application/problem+json"


@attrs.frozen(kw_only=True)
class HttpReply:
    """A whole HTTP reply.

    Attributes:
        status: the HTTP status.
        body: the bytes to send.
        media_type: what they are.
        headers: further headers.
    """

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)


class GatewayRefusal(Exception):
    """Raised by the checks before an API, which are answered in the gateway's own form."""

    def __init__(self, reply: HttpReply) -> None:
        self.reply = reply
        super().__init__(f"denied with {reply.status}")


def of_json(status: int, data: Any, *, media_type: str = JSON) -> HttpReply:
    """Return *data* as compact JSON."""
    return HttpReply(status=status, body=encode(data), media_type=media_type)


def of_gateway(status: int, message: str) -> HttpReply:
    """Return what the API gateway answers before an API is reached; knowledge base, errors."""
    return of_json(status, {"statusCode": status, "message": message})


def of_html(status: int, page: Markup) -> HttpReply:
    """Return an HTML document."""
    return HttpReply(status=status, body=str(page).encode(), media_type=HTML)
