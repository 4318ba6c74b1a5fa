"""A signal through PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from vipps_async._drivers import CallersPool
from vipps_async.webhooks.signals._listening import ANNOUNCE_TIMEOUT, ListeningSignal

if TYPE_CHECKING:
    from asyncpg import Pool  # type: ignore[import-untyped]  # asyncpg ships no marker of types

_logger = logging.getLogger("vipps_async.webhooks")


class PostgresSignal(ListeningSignal):
    """Carries the news of events between all processes that use one database.

    Lost connections are made anew, after pauses that grow, and an outage is logged once; meanwhile waits still poll.

    Args:
        pool: the caller's ``asyncpg.Pool``, which stays open. One connection is taken from it for listening, as long as
            the signal is entered, so close the pool after it; an announcement takes another one for a moment.
            LISTEN needs a session of its own: not PgBouncer's transaction pooling, in which nothing is heard. The log
            warns of a pooler. Announcing works through one, if the pool was made with ``statement_cache_size=0``.
        channel: shared by the processes that hear each other. The payload is the subject, such as a payment's
            reference, and after a space the merchant serial number where that is known, so that other programs can
            announce as well:
            ``SELECT pg_notify('vipps_events', 'acme-shop-123-order123abc 123456')``.
        heartbeat: how often, in seconds or as a timedelta, the connection is tried; one that stays silent for two of
            these is given up.

    Raises:
        ConfigurationError: *pool* is no pool, *channel* no name, or *heartbeat* below a millisecond.

    ::

        async with PostgresSignal(pool) as signal:
            payment = await vipps.epayment.wait(reference, timeout=600, signal=signal)
    """

    def __init__(
        self, pool: "Pool", *, channel: str = "vipps_events", heartbeat: float | timedelta = timedelta(seconds=15)
    ) -> None:
        self._pool = CallersPool(pool, name="PostgresSignal")
        self._has_warned = False
        super().__init__(channel=channel, heartbeat=heartbeat)

    async def _send(self, announcement: str) -> None:
        # The pool applies the timeout to the release too, which would wait without end for a server that is silent.
        async with self._pool.connection(ANNOUNCE_TIMEOUT) as connection:
            await connection.execute("SELECT pg_notify($1, $2)", self._channel, announcement)

    async def _listen(self, is_alive: Callable[[], None]) -> None:
        lost = asyncio.get_running_loop().create_future()
        connection = await self._pool.acquire(None)
        self._warn_of_a_pooler()
        try:
            connection.add_termination_listener(lambda _: lost.set_result(None))
            await connection.add_listener(self._channel, lambda *heard: self._hear(heard[-1]))
            self._subscribed()
            is_alive()
            while not (await asyncio.wait({lost}, timeout=self._heartbeat))[0]:
                await connection.execute("SELECT 1")
                is_alive()
        finally:
            # Not released, which would talk to a server that may be silent: the pool replaces it when it needs one.
            with suppress(Exception):  # it is closed already
                connection.terminate()
        raise ConnectionResetError("the connection that listens was closed")

    def _warn_of_a_pooler(self) -> None:
        if not self._pool.is_direct and not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "PostgresSignal listens through a pooler such as PgBouncer: unless it pools sessions, nothing is heard "
                "and waits only poll; give the signal a pool that connects to PostgreSQL itself"
            )
