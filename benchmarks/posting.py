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
    left = iter(requests)
    async with asyncio.TaskGroup() as group:
        for _ in range(WIDTH):
            group.create_task(_post_on(port, f"POST {path} HTTP/1.1\r\n".encode(), left))


async def _post_on(port: int, first_line: bytes, left: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in left:
        writer.write(first_line + request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not (head.startswith(b"HTTP/1.1 200") and b"Content-Length: 0\r\n" in head):
            raise ChildProcessError(head.decode())
    writer.close()
    await writer.wait_closed()


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
