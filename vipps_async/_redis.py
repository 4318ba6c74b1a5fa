"""The Redis client that a caller passes in: asyncio's, of one server, used in one event loop."""

import logging
from typing import TYPE_CHECKING

from vipps_async._loops import OneLoop
from vipps_async.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_logger = logging.getLogger("vipps_async")

_WHY_NO_CLUSTER = (
    "a Redis cluster keeps each key on one of its nodes, and this class asks one server for all; "
    "use a server without cluster mode, with replicas and Sentinel if need be"
)


class CallersRedis:
    """A caller's client, looked at before it is used.

    Args:
        client: what the caller passed.
        name: the class that was given it.
        extra: the extra of this package that installs the library.

    Raises:
        ConfigurationError: *client* is no ``redis.asyncio.Redis``, or the library is not installed.
    """

    def __init__(self, client: "Redis", *, name: str, extra: str) -> None:
        _check_type(client, name, extra)
        self._client = client
        self._name = name
        self._loop = OneLoop(owner=f"the Redis client of this {name}")
        self._is_one_server: bool | None = None

    def here(self) -> "Redis":
        """Return the client, for a use that any server of a cluster can serve.

        Raises:
            WrongEventLoop: it is another event loop's.
        """
        self._loop.check()
        return self._client

    async def of_one_server(self) -> "Redis":
        """Return the client, once its server has told that it has all keys.

        Raises:
            WrongEventLoop: as `here`.
            ConfigurationError: the server is a node of a cluster.
            redis.exceptions.RedisError: the server does not answer.
        """
        client = self.here()
        refusal = f"{self._name} was given a client of a cluster's node: {_WHY_NO_CLUSTER}"
        if self._is_one_server is None:
            self._is_one_server = not await _is_in_cluster(client)
            if not self._is_one_server:
                # Once, by its name: what fails by it may tell the traceback only.
                _logger.error("%s", refusal)
        if not self._is_one_server:
            raise ConfigurationError(refusal)
        return client


def _check_type(client: object, name: str, extra: str) -> None:
    try:
        from redis import asyncio as library  # noqa: PLC0415 - an extra: only who passes a client needs it
    except ImportError as error:
        raise ConfigurationError(f"{name} needs the redis library: pip install 'vipps-async[{extra}]'") from error
    if isinstance(client, library.RedisCluster):
        raise ConfigurationError(f"{name} takes a redis.asyncio.Redis, not a RedisCluster: {_WHY_NO_CLUSTER}")
    if not isinstance(client, library.Redis):
        raise ConfigurationError(f"{name} takes a redis.asyncio.Redis, not {type(client).__module__}'s")


async def _is_in_cluster(client: "Redis") -> bool:
    from redis.exceptions import ResponseError  # noqa: PLC0415 - as above

    try:
        return bool((await client.info("cluster")).get("cluster_enabled"))
    except ResponseError:
        return False  # an access list forbids to ask: then each key that is elsewhere is an error of its own
