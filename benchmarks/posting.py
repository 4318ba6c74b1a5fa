"""A process that posts deliveries, 20 at a time: ``prepare <count> <port>`` gets ready, ``post <path>`` posts."""

import asyncio
import sys
from collections.abc import Iterable, Iterator

import attrs

from vipps_async.testing.events import EventSource

WIDTH = 20
SOURCE = EventSource()


def new_requests(count: int) -> list[bytes]:
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


class Connection(asyncio.Protocol):
    """Posts one request after the other; without streams, since the receiver must not wait for this process."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def post(self, requests: Iterator[bytes]) -> asyncio.Future[None]:
        """Post while there are *requests*; return what is done with the answer to the last."""
        self._left, self._reply = requests, b""
        self._has_ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post_one()
        return self._has_ended

    def data_received(self, data: bytes) -> None:
        """Post the next once the reply is complete."""
        self._reply += data
        if not self._reply.endswith(b"\r\n\r\n"):
            return
        if self._reply.startswith(b"HTTP/1.1 200") and b"Content-Length: 0\r\n" in self._reply:
            self._reply = b""
            self._post_one()
        else:
            self._has_ended.set_exception(ChildProcessError(self._reply.decode()))

    def _post_one(self) -> None:
        request = next(self._left, None)
        if request is None:
            self._has_ended.set_result(None)
        else:
            self.transport.write(request)


@attrs.define
class Poster:
    """Does what standard input says, line by line."""

    _connections: list[Connection] = attrs.field(factory=list)
    _requests: list[bytes] = attrs.field(factory=list)

    async def obey(self, lines: Iterable[str]) -> None:
        """Do it, and print when each is done."""
        for line in lines:
            match line.split():
                case ["prepare", count, port]:
                    await self._prepare(int(count), int(port))
                case ["post", path]:
                    await self._post(path)
            print("done", flush=True)

    async def _prepare(self, count: int, port: int) -> None:
        for connection in self._connections:
            connection.transport.close()
        loop = asyncio.get_running_loop()
        opened = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(WIDTH)]
        self._connections = [connection for _, connection in opened]
        self._requests = new_requests(count)

    async def _post(self, path: str) -> None:
        left = (f"POST {path} HTTP/1.1\r\n".encode() + request for request in self._requests)
        await asyncio.gather(*(connection.post(left) for connection in self._connections))


if __name__ == "__main__":
    asyncio.run(Poster().obey(sys.stdin))
