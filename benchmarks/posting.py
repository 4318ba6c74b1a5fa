"""A process that posts deliveries: ``prepare <count>`` makes them, ``post <port> <path>`` sends them, 20 at a time."""

import asyncio
import sys
from collections.abc import Iterator

from vipps_async.testing.events import EventSource

WIDTH = 20
SOURCE = EventSource()


def prepare(count: int) -> list[bytes]:
    """Return as many requests, of new events of different payments, without their first line."""
    deliveries = [SOURCE("AUTHORIZED", reference=f"acme-shop-123-{number}") for number in range(count)]
    return [
        "".join(
            [
                *(f"{name}: {value}\r\n" for name, value in {"Host": "shop.example", **delivery.headers}.items()),
                f"Content-Length: {len(delivery.body)}\r\n\r\n",
            ]
        ).encode()
        + delivery.body
        for delivery in deliveries
    ]


async def post(port: int, path: str, requests: list[bytes]) -> None:
    """Send *requests* over as many connections as are to be in flight."""
    left = (f"POST {path} HTTP/1.1\r\n".encode() + request for request in requests)
    loop = asyncio.get_running_loop()
    connections = [await loop.create_connection(lambda: _Connection(left), "127.0.0.1", port) for _ in range(WIDTH)]
    await asyncio.gather(*(connection.ended for _, connection in connections))


class _Connection(asyncio.Protocol):
    """Posts one request after the other; without streams, since this process must not be what the other waits for."""

    def __init__(self, left: Iterator[bytes]) -> None:
        self._left = left
        self._reply = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        self._reply += data
        if self._reply.endswith(b"\r\n\r\n"):
            self._check()
            self._post()

    def _check(self) -> None:
        if not (self._reply.startswith(b"HTTP/1.1 200") and b"Content-Length: 0\r\n" in self._reply):
            raise ChildProcessError(self._reply.decode())
        self._reply = b""

    def _post(self) -> None:
        request = next(self._left, None)
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(exc)


def main() -> None:
    """Do what standard input says, line by line."""
    requests: list[bytes] = []
    for line in sys.stdin:
        match line.split():
            case ["prepare", count]:
                requests = prepare(int(count))
            case ["post", port, path]:
                asyncio.run(post(int(port), path, requests))
        print("done", flush=True)


if __name__ == "__main__":
    main()
