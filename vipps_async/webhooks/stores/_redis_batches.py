"""Scripts that Redis runs, those of many claims that wait at the same time in one go."""

import asyncio
from collections import deque
from typing import Any

import attrs

from vipps_async._drivers import CallersRedis

# Scripts in a batch: enough to share a round trip, few enough that packing them and reading their answers, which
# nothing else of the event loop can interrupt, takes a few milliseconds.
_LARGEST_BATCH = 100


@attrs.frozen(eq=False)
class _Call:
    arguments: tuple[Any, ...]
    answer: "asyncio.Future[int]"
    deadline: float  # of the event loop's clock


class Batches:
    """Sends one batch of scripts while the next one gathers: alone a script goes at once, many take little more time.

    Args:
        client: whose timeouts and retries a batch has; with those a script can run twice.
        timeout: seconds until a script fails, whatever the client does; the time that it waits for others included.
    """

    def __init__(self, client: CallersRedis, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._gathered: deque[_Call] = deque()
        self._sender: asyncio.Task[None] | None = None

    def run(self, script: str, key: bytes, *values: object) -> "asyncio.Future[int]":
        """Have *script* run; return what will be its answer, or a RedisError, ConfigurationError or TimeoutError.

        Raises:
            WrongEventLoop: the client is another event loop's.
        """
        self._client.here()
        loop = asyncio.get_running_loop()
        # In full, since a server that was restarted does not know its hash.
        call = _Call((script, 1, key, *values), loop.create_future(), loop.time() + self._timeout)
        self._gathered.append(call)
        if self._sender is None:
            self._begin()
        return call.answer

    def _begin(self) -> None:
        self._sender = asyncio.create_task(self._send(), name="vipps_async claims")
        self._sender.add_done_callback(self._go_on)

    def _go_on(self, _: object) -> None:
        # Also after a sender that was cancelled before it began: claims wait for their answers even if cancelled.
        self._sender = None
        if self._gathered:
            self._begin()

    async def _send(self) -> None:
        batch = [self._gathered.popleft() for _ in range(min(len(self._gathered), _LARGEST_BATCH))]
        for call, reply in zip(batch, await self._replies(batch), strict=True):
            _settle(call.answer, reply)

    async def _replies(self, batch: list[_Call]) -> list[Any]:
        # The last one's, whose turn may come late: those behind it are not to wait for each batch's time in turn.
        deadline = batch[-1].deadline
        # What is begun shortly before its end would be cut off while the client connects, which not all bear well.
        if asyncio.get_running_loop().time() > deadline - self._timeout / 5:
            return [TimeoutError("Redis did not answer the scripts before these in time")] * len(batch)
        try:
            async with asyncio.timeout_at(deadline):
                client = await self._client.of_one_server()
                async with client.pipeline(transaction=False) as pipe:
                    for call in batch:
                        pipe.eval(*call.arguments)
                    return await pipe.execute(raise_on_error=False)
        except BaseException as error:  # noqa: BLE001 - each who waits is told, whatever it is
            return [error] * len(batch)


def _settle(answer: "asyncio.Future[int]", reply: int | BaseException) -> None:
    if answer.done():
        return  # nobody waits any more
    if isinstance(reply, BaseException):
        answer.set_exception(reply)
    else:
        answer.set_result(reply)
