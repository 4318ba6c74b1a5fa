"""The PostgreSQL pool that a caller passes in: asyncpg's."""

from vipps_async.errors import ConfigurationError


def check_pool(pool: object) -> None:
    """Return if *pool* is one.

    Raises:
        ConfigurationError: it is something else.
    """
    if not hasattr(pool, "acquire"):
        raise ConfigurationError(
            f"pool is a {type(pool).__name__}, and must be what `await asyncpg.create_pool(…)` returns; "
            "asyncpg comes with pip install 'vipps-async[postgres]'"
        )
