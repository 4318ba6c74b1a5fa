"""Listens to other processes in a task that goes on through all outages, and wakes those who wait."""

import asyncio
import logging
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Self

from vipps_async._wire.durations import checked_duration
from vipps_async.errors import ConfigurationError, WrongEventLoop
from vipps_async.webhooks._watch import Watchers, can_be_waited_for

_logger = logging.getLogger("vipps_async.webhooks")

ANNOUNCE_TIMEOUT = 2.0  # seconds that an announcement may take
_FIRST_PAUSE = 0.1  # seconds at most before the first attempt to listen again; doubled before each other
_LONGEST_PAUSE = 30.0
_STEADY = 30.0  # seconds that a connection lasts for the pauses to begin anew

# What both PostgreSQL (an identifier of 63 bytes) and Redis take, and logs and shells show as it is.
_CHANNEL = re.compile(r"[A-Za-z0-9_.:-]{1,63}")


class _Outage:
    """Says once that something does not work, and once that it does again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_known = False

    def goes_on(self, error: Exception) -> None:
        if not self._is_known:
            _logger.warning("cannot %s", self._what, exc_info=error)
        self._is_known = True

    def is_over(self) -> None:
        if self._is_known:
            _logger.info("can %s again", self._what)
        self._is_known = False


class ListeningSignal(ABC):
    """A signal over a server: announcements of every process reach every process that listens.

    `PostgresSignal` and `RedisSignal` describe the arguments.
    """

    def __init__(self, *, channel: str, heartbeat: float | timedelta) -> None:
        if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
            raise ConfigurationError(f"channel={channel!r} must be 1 to 63 letters, digits and _ . : - characters")
        self._channel = channel
        self._heartbeat = checked_duration("heartbeat", heartbeat).total_seconds()
        self._watchers = Watchers()
        self._listener: asyncio.Task[None] | None = None
        self._listening = _Outage(f"hear what other processes announce on {channel}")
        self._announcing = _Outage(f"announce events to other processes on {channel}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to listen, in a task that goes on until `close`; the server need not be there yet.

        Raises:
            RuntimeError: it listens already.
        """
        if self._listener is not None:
            raise RuntimeError("the signal listens already")
        self._listener = asyncio.create_task(self._keep_listening(), name=f"vipps_async signal {self._channel}")

    async def close(self) -> None:
        """Stop listening and give the connection back; closing twice does no harm. Announcing still works."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait({listener})

    def watch(self, subject: str, *, msn: str | None = None) -> AbstractContextManager[asyncio.Event]:
        """Return a context whose event is set whenever a process announces the subject; `Signal.watch` says more.

        It is set too whenever the connection that listens was made anew, since something may have been missed.

        Raises:
            RuntimeError: the signal was not started, so that nothing would be heard.
            WrongEventLoop: it listens in another event loop.
        """
        if self._listener is None:
            raise RuntimeError("the signal does not listen: use it with `async with`, or await start()")
        if self._listener.get_loop() is not asyncio.get_running_loop():
            raise WrongEventLoop(f"this {type(self).__name__}")
        return self._watchers.watch(subject, msn)

    async def announce(self, subject: str, *, msn: str | None = None) -> None:
        """Tell every process that something happened to the subject; this one even if the server is away.

        Takes a few seconds at most. A failure is logged, once for all of an outage, and not raised: a delivery must not
        fail by it, and those who wait still poll.

        Args:
            subject: such as a payment's reference. What cannot be one is not announced.
            msn: its merchant serial number, where that is known.
        """
        if not can_be_waited_for(subject):
            return
        self._watchers.notify(subject, msn)
        try:
            async with asyncio.timeout(ANNOUNCE_TIMEOUT):
                await self._send(subject if msn is None else f"{subject} {msn}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
            self._announcing.goes_on(error)
        else:
            self._announcing.is_over()

    @abstractmethod
    async def _send(self, announcement: str) -> None:
        """Send *announcement* to all who listen."""

    @abstractmethod
    async def _listen(self, is_alive: Callable[[], None]) -> None:
        """Subscribe, call `_subscribed`, then notify the watchers of what is heard, until it fails, which raises.

        Whatever takes longer than two heartbeats is cancelled: *is_alive* has to be called at each sign of life.
        """

    def _hear(self, announcement: str) -> None:
        """Wake who waits for the subject of an announcement, and its merchant serial number if that is known."""
        # An id has no space in it.
        subject, _, msn = announcement.partition(" ")
        self._watchers.notify(subject, msn or None)

    def _subscribed(self) -> None:
        self._listening.is_over()
        # Of what was announced before, nothing was heard.
        self._watchers.notify_all()

    async def _keep_listening(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            await self._listen_until_it_fails()
            if time.monotonic() - began > _STEADY:
                pause = _FIRST_PAUSE
            # Random, so that not all processes come back to a server at once.
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _listen_until_it_fails(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(2 * self._heartbeat) as silence:
                await self._listen(lambda: silence.reschedule(clock() + 2 * self._heartbeat))
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A driver whose connection fails while it is cancelled raises that failure instead.
                raise asyncio.CancelledError from error
            self._listening.goes_on(error)
