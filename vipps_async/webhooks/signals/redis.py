"""A signal through Redis' publish and subscribe."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vipps_async._drivers import CallersRedis
from vipps_async.webhooks.signals._listening import ListeningSignal

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisSignal(ListeningSignal):
    """Carries the news of events between all processes that use one Redis server.

    Lost connections are made anew, after pauses that grow, and an outage is logged once; meanwhile waits still poll.

    Args:
        client: ``redis.asyncio.Redis``, which decides about password, TLS, timeouts and retries; it is not closed here.
            One connection of its pool is taken for listening, as long as the signal is entered. It is for one event
            loop. What is announced at one node of a cluster is heard at all.
        channel: shared by the processes that hear each other, whichever of the server's databases they use; a server
            with access lists has to allow it. The payload is the subject, such as a payment's reference, and after
            a space the merchant serial number where that is known, so that other programs can announce as well:
            ``PUBLISH vipps_events "acme-shop-123-order123abc 123456"``.
        heartbeat: how often, in seconds or as a timedelta, a connection on which nothing arrives is tried; one that
            stays silent for two of these is given up.

    Raises:
        ConfigurationError: *client* is not asyncio's or is a `RedisCluster`, the library is not installed, *channel* is
            no name, or *heartbeat* below a millisecond.

    ::

        async with RedisSignal(client) as signal:
            payment = await vipps.epayment.wait(reference, timeout=600, signal=signal)
    """

    def __init__(
        self, client: "Redis", *, channel: str = "vipps_events", heartbeat: float | timedelta = timedelta(seconds=15)
    ) -> None:
        self._client = CallersRedis(client, name="RedisSignal", extra="redis")
        super().__init__(channel=channel, heartbeat=heartbeat)

    async def _send(self, announcement: str) -> None:
        await self._client.here().publish(self._channel, announcement)

    async def _listen(self, is_alive: Callable[[], None]) -> None:
        async with self._client.here().pubsub() as subscription:
            await subscription.subscribe(self._channel)
            while True:
                message = await subscription.get_message(timeout=self._heartbeat)
                if message is None:
                    await subscription.ping()
                    continue
                is_alive()
                self._take(message)

    def _take(self, message: Mapping[str, Any]) -> None:
        # The client may connect again by itself, and then subscribes again.
        if message["type"] == "subscribe":
            self._subscribed()
        elif message["type"] == "message":
            data = message["data"]
            self._hear(data if isinstance(data, str) else data.decode(errors="replace"))
