"""Scripts that Redis runs, those of all claims that wait at the same time in one go."""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.asyncio import Redis

_Call = tuple[Any, ...]


class Batches:
    """Sends one batch of scripts while the next one gathers: alone a script goes at once, many take little more time.

    Args:
        client: whose timeouts and retries a batch has; with those a script can run twice.
        patience: seconds until a batch fails, whatever the client does.
    """

    def __init__(self, client: "Redis", patience: float) -> None:
        self._client = client
        self._patience = patience
        self._gathered: list[tuple[_Call, asyncio.Future[int]]] = []
        self._sender: asyncio.Task[None] | None = None

    def run(self, script: str, key: bytes, *values: object) -> asyncio.Future[int]:
        """Have *script* run; return what will be its answer, or a RedisError or TimeoutError."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # In full, since a server that was restarted does not know its hash.
        self._gathered.append(((script, 1, key, *values), answer))
        if self._sender is None:
            self._begin()
        return answer

    def _begin(self) -> None:
        self._sender = asyncio.create_task(self._send(), name="vipps_async claims")
        self._sender.add_done_callback(self._go_on)

    def _go_on(self, _: object) -> None:
        # Also after a sender that was cancelled before it began: claims wait for their answers even if cancelled.
        self._sender = None
        if self._gathered:
            self._begin()

    async def _send(self) -> None:
        batch, self._gathered = self._gathered, []
        replies = await self._replies([call for call, _ in batch])
        for (_, answer), reply in zip(batch, replies, strict=True):
            _settle(answer, reply)

    async def _replies(self, calls: list[_Call]) -> list[Any]:
        try:
            async with asyncio.timeout(self._patience), self._client.pipeline(transaction=False) as pipe:
                for call in calls:
                    pipe.eval(*call)
                return await pipe.execute(raise_on_error=False)
        except BaseException as error:  # noqa: BLE001 - each who waits is told, whatever it is
            return [error] * len(calls)


def _settle(answer: asyncio.Future[int], reply: int | BaseException) -> None:
    if answer.done():
        return  # nobody waits any more
    if isinstance(reply, BaseException):
        answer.set_exception(reply)
    else:
        answer.set_result(reply)
