"""A delivery and the answer to it as values, for any web framework. Performs no I/O."""

from collections.abc import Mapping
from typing import Protocol

import attrs


def _lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@attrs.frozen
class IncomingRequest:
    """A delivery as it arrived.

    Args:
        method: the HTTP method.
        target: path and query as they arrived; informative only, since the signed ones are the registered URL's.
        headers: names in any case.
        body: the raw bytes, neither decoded nor decompressed.
    """

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(converter=_lower_names, repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Reply:
    """An answer to a delivery.

    Attributes:
        status: the HTTP status.
        headers: such as ``Retry-After``.
        body: a line for whoever reads the sender's log; tells nothing that helps to forge a delivery.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""


CLOSE = {"Connection": "close"}
TOO_LARGE = Reply(413, CLOSE, b"the body is too large")
TOO_SLOW = Reply(408, CLOSE, b"the body took too long")
REDIRECTED = Reply(500, body=b"mounted where deliveries are redirected")
BROKEN = Reply(400, CLOSE, b"the body is broken")
SHUTTING_DOWN = Reply(503, {"Retry-After": "2"}, b"shutting down")
WRONG_LOOP = Reply(503, {"Retry-After": "2"}, b"another event loop has this receiver")
BEING_HANDLED = Reply(503, {"Retry-After": "2"}, b"being handled")
# Seconds. Webhooks API: an answer is awaited for 10. A body that takes longer is lost anyway, and an answer that comes
# later is heard by nobody, while servers wait for it before they end.
ANSWER_TIMEOUT = READ_TIMEOUT = 10.0


def refusal_by_form(method: str, headers: Mapping[str, str], *, max_body: int) -> Reply | None:
    """Return the answer to what is not posted, compressed or too large by its own account; ``None`` for the rest.

    Args:
        method: the HTTP method.
        headers: names in lower case.
        max_body: bytes that a body may have.
    """
    if method != "POST":
        return Reply(405, {"Allow": "POST"}, b"deliveries are posted")
    if headers.get("content-encoding", "identity").lower() != "identity":
        return Reply(415, CLOSE, b"deliveries are not compressed")
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_body:
        return TOO_LARGE
    return None


class DeliveryHandler(Protocol):
    """The interface of a receiver to a web framework's adapter."""

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        ...

    @property
    def path(self) -> str | None:
        """The registered URL's path, if there is a URL."""
        ...

    def start(self) -> None:
        """Begin what runs in the background."""
        ...

    def refuse(self, reply: Reply) -> Reply:
        """Take note of a delivery that is not handled, and return the answer to it."""
        ...

    def refusal(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer to a delivery whose body need not be read; names of *headers* are asked in lower case."""
        ...

    async def handle(self, request: IncomingRequest) -> Reply:
        """Handle a delivery."""
        ...

    async def close(self) -> None:
        """Refuse what arrives from now on, and finish what runs."""
        ...
