"""The Redis client that a caller passes in: asyncio's, with its library installed."""

from vipps_async.errors import ConfigurationError


def check_client(client: object, *, name: str, extra: str) -> None:
    """Return if *client* is a ``redis.asyncio.Redis``.

    Args:
        client: what the caller passed.
        name: the class that needs it.
        extra: the extra of this package that installs the library.

    Raises:
        ConfigurationError: it is something else, or the library is not installed.
    """
    try:
        from redis import asyncio as library  # noqa: PLC0415 - an extra: only who passes a client needs it
    except ImportError as error:
        raise ConfigurationError(f"{name} needs the redis library: pip install 'vipps-async[{extra}]'") from error
    if not isinstance(client, library.Redis):
        raise ConfigurationError(f"{name} takes a redis.asyncio.Redis, not {type(client).__module__}'s")
