"""A reply as a value: what is to be sent, before anything is sent. Performs no I/O."""

from collections.abc import Mapping
from typing import Any

import attrs

from vipps_async._wire.json import encode

HTML = "text/html"
JSON = "application/json"
PROBLEM = "application/problem+json"


@attrs.frozen(kw_only=True)
class Reply:
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
    """Raised at the gate, which answers in its own form and not with the API's problems."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"denied with {reply.status}")


def of_json(status: int, data: Any, *, media_type: str = JSON) -> Reply:
    """Return *data* as compact JSON."""
    return Reply(status=status, body=encode(data), media_type=media_type)


def of_gateway(status: int, message: str) -> Reply:
    """Return what the API gateway answers before an API is reached; knowledge base, errors."""
    return of_json(status, {"statusCode": status, "message": message})


def of_html(status: int, page: str) -> Reply:
    """Return an HTML document."""
    return Reply(status=status, body=page.encode(), media_type=HTML)
