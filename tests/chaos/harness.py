"""Deliver signed events to receiver processes that are killed all the time, and count what took effect."""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from tests.chaos import worker
from tests.chaos.stores import INBOXES, SERVERS, STORES, Held, Written
from tests.support.webhooks.deliveries import event, key_of, signed
from vipps_async.webhooks import InboxPolicy

_PATIENCE = 20.0  # seconds that a delivery, or a start, may take
_DOWN = "down"  # the answer of a process that is not there; no delivery


@attrs.frozen(kw_only=True)
class Plan:
    """How much chaos.

    Two merchants have payments of the same references. The events of a payment are delivered in order, as Vipps
    MobilePay does: the next one once the one before was answered 200; copies of earlier ones come in between.

    Attributes:
        references: how many references there are, each of a payment of both merchants.
        length: how many events a payment has.
        copies: how often each is delivered at least.
        at_once: how many copies of an event are under way at once.
        in_flight: how many payments have events that are being delivered at once.
        processes: how many receiver processes there are.
        kills: how many of them are killed, at moments that are spread over the deliveries.
        pauses: how many are stopped for three leases, at such moments, and go on as if nothing had happened.
        crashes: how often the store's server crashes, at such moments, if it is one of `SERVERS`.
        before: seconds that a handler takes at most before its effect.
        after: seconds that it takes at most after its effect.
        lease: of the store; a claim whose process was killed is free after it.
        inbox: how events are handled after the answer, or ``None`` for before. The events of every fourth reference
            then fail until all have been delivered, so that there is something left to be handled.
        late_kills: how many more processes are killed while the inbox drains after the deliveries, at most.
    """

    references: int
    length: int
    copies: int
    kills: int
    processes: int
    pauses: int = 0
    crashes: int = 0
    at_once: int = 4
    in_flight: int = 24
    before: float = 0.01
    after: float = 0.005
    lease: timedelta = timedelta(seconds=1)
    inbox: InboxPolicy | None = None
    late_kills: int = 0

    @property
    def payments(self) -> list[tuple[str, str]]:
        """The merchant and the reference of each payment."""
        references = [f"acme-shop-{number:03}" for number in range(self.references)]
        return [(msn, reference) for reference in references for msn in ("100001", "100002")]

    @property
    def events(self) -> int:
        """How many events happen."""
        return len(self.payments) * self.length


@attrs.frozen(kw_only=True)
class Outcome:
    """What happened; printed when a promise was not kept, with the seed that chose the moments and targets."""

    store: str
    order: str
    seed: int
    events: int
    deliveries: int
    answers: Counter[str]
    kills: int
    pauses: int
    crashes: int
    interrupted: Counter[str] = attrs.field(repr=lambda killed: f"{killed.total()} handlers")
    effects: Counter[str] = attrs.field(repr=lambda effects: str(effects.total()))
    lost: list[str]
    doubled: list[str]
    out_of_order: list[str]
    backlog: int
    dead: list[str]
    seconds: float

    @property
    def is_excused(self) -> bool:
        """Whether every double belongs to a handler that was killed, or stood still for longer than its lease."""
        return all(self.effects[event] <= 1 + self.interrupted[event] for event in self.doubled)


@attrs.define
class _Slot:
    """A place for one receiver process after the other."""

    port: int | None = None
    process: ForkServerProcess | None = None
    pipe: Connection | None = None

    async def start(self, job: worker.Job) -> None:
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=worker.serve, args=(job, theirs), daemon=True)
        await asyncio.to_thread(self.process.start)
        theirs.close()
        if not await asyncio.to_thread(self.pipe.poll, _PATIENCE):
            raise TimeoutError("a receiver process does not start")
        self.port = self.pipe.recv()

    async def kill(self) -> None:
        assert self.process is not None
        self.port = None
        self.process.kill()
        await self.end()

    async def pause(self, seconds: float) -> None:
        """Stop the process for a while; meanwhile it may be killed."""
        assert self.process is not None
        process = self.process
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if self.process is process and self.port is not None:
            os.kill(process.pid, signal.SIGCONT)

    async def end(self) -> None:
        """Hang up, which ends a process that was not killed, and wait for it."""
        assert self.process is not None
        assert self.pipe is not None
        self.pipe.close()
        await asyncio.to_thread(self.process.join, _PATIENCE)
        self.process.close()


class Chaos:
    """One run; `run` it once.

    Args:
        store: a name in `STORES`.
        order: a name in `worker.ORDERS`.
        plan: how much of it.
        seed: what is killed when, and where deliveries go; the machine's pace is not under its control.
    """

    _tasks: asyncio.TaskGroup

    def __init__(self, store: str, order: str, plan: Plan, *, seed: int) -> None:
        self._store = store
        self._order = order
        self._plan = plan
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - chaos that can be repeated
        self._answers: Counter[str] = Counter()
        self._slots = [_Slot() for _ in range(plan.processes)]
        self._done: Counter[Callable[[worker.Job], Coroutine[Any, Any, None]]] = Counter()
        self._progress = 0
        self._held = Held({}, [])
        self._backlog = 0
        self._server_is_there = asyncio.Lock()
        strikes = [self._kill_one] * plan.kills + [self._pause_one] * plan.pauses
        if store in SERVERS:
            strikes += [self._crash] * plan.crashes
        moments = self._random.sample(range(1, plan.events * plan.copies), len(strikes))
        self._strikes = sorted(zip(moments, strikes, strict=True), key=lambda strike: -strike[0])

    async def run(self, folder: Path) -> Outcome:
        """Deliver all events until each was answered 200 and is handled, and return what took effect."""
        begun = time.monotonic()
        async with STORES[self._store].server(folder) as location:
            job = self._job(location, folder)
            async with self._processes(job), self._session() as session, asyncio.TaskGroup() as self._tasks:
                await self._deliver_all(session, job)
                if self._plan.inbox:
                    job.healed.touch()
                    await self._drain(job)
            effects = await STORES[self._store].effects(location)
        return self._outcome(effects, job.journal, time.monotonic() - begun)

    async def answered(self, folder: Path) -> tuple[dict[str, bytes], Held]:
        """Deliver every event, kill all processes amid that, and return what was answered 200, and what is held."""
        bodies = {key_of(body): body for body in map(_event, *zip(*_every_event(self._plan), strict=True))}
        async with STORES[self._store].server(folder) as location:
            async with self._processes(self._job(location, folder)), self._session() as session:
                answers = await self._post_until_killed(session, bodies)
            held = await INBOXES[self._store].held(location)
        return {key: bodies[key] for key, answer in answers.items() if answer == "200"}, held

    async def _post_until_killed(self, session: aiohttp.ClientSession, bodies: Mapping[str, bytes]) -> dict[str, str]:
        answers: dict[str, str] = {}
        turns = asyncio.Semaphore(self._plan.in_flight)

        async def post(key: str, body: bytes) -> None:
            async with turns:
                answers[key] = await self._post(session, self._random.choice(self._slots).port, body)

        async with asyncio.TaskGroup() as posts:
            for key, body in bodies.items():
                posts.create_task(post(key, body))
            while len(answers) < self._plan.events / 2:
                await asyncio.sleep(0.001)
            await asyncio.gather(*(slot.kill() for slot in self._slots))
        return answers

    def _job(self, location: str, folder: Path) -> worker.Job:
        return worker.Job(
            store=self._store,
            location=location,
            order=self._order,
            lease=self._plan.lease,
            inbox=self._plan.inbox,
            healed=folder / "healed",
            journal=folder / "journal",
            before=self._plan.before,
            after=self._plan.after,
        )

    @asynccontextmanager
    async def _processes(self, job: worker.Job) -> AsyncIterator[None]:
        multiprocessing.get_context("forkserver").set_forkserver_preload([worker.__name__])
        try:
            async with asyncio.TaskGroup() as starts:
                for slot in self._slots:
                    starts.create_task(slot.start(job))
            yield
        finally:
            await asyncio.gather(*(slot.end() for slot in self._slots), return_exceptions=True)

    @staticmethod
    def _session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_PATIENCE)
        )

    async def _deliver_all(self, session: aiohttp.ClientSession, job: worker.Job) -> None:
        turns = asyncio.Semaphore(self._plan.in_flight)
        async with asyncio.TaskGroup() as deliveries:
            for msn, reference in self._plan.payments:
                await turns.acquire()
                task = deliveries.create_task(self._deliver_payment(session, job, msn, reference))
                task.add_done_callback(lambda _: turns.release())

    async def _deliver_payment(self, session: aiohttp.ClientSession, job: worker.Job, msn: str, reference: str) -> None:
        bodies = [_event(msn, reference, number) for number in range(self._plan.length)]
        for number in range(self._plan.length):
            await self._deliver(session, job, bodies[: number + 1])

    async def _deliver(self, session: aiohttp.ClientSession, job: worker.Job, bodies: Sequence[bytes]) -> None:
        """Deliver the last of *bodies* until it was answered 200, as often as planned, with copies of the others."""
        missing, was_handled = self._plan.copies, False
        while missing > 0 or not was_handled:
            copies = [bodies[-1]] * (self._plan.at_once - 1) if len(bodies) > 1 else [bodies[0]] * self._plan.at_once
            earlier = [self._random.choice(bodies[:-1])] if len(bodies) > 1 else []
            posts = (self._post(session, self._random.choice(self._slots).port, body) for body in copies + earlier)
            answers = await asyncio.gather(*posts)
            self._answers += Counter(answers)
            was_handled = was_handled or "200" in answers[: len(copies)]
            arrived = min(missing, sum(answer != _DOWN for answer in answers))
            missing -= arrived
            self._advance(arrived, job)
            if "200" not in answers:
                await asyncio.sleep(self._random.uniform(0.02, 0.1))

    def _advance(self, deliveries: int, job: worker.Job) -> None:
        self._progress += deliveries
        while self._strikes and self._strikes[-1][0] <= self._progress:
            _, strike = self._strikes.pop()
            self._tasks.create_task(strike(job))

    @staticmethod
    async def _post(session: aiohttp.ClientSession, port: int | None, body: bytes) -> str:
        if port is None:
            return _DOWN
        url, headers = f"http://127.0.0.1:{port}/vipps/events", signed(body, date=datetime.now(UTC))
        try:
            async with session.post(url, data=body, headers=headers) as response:
                return str(response.status)
        except aiohttp.ClientConnectorError:
            return _DOWN
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__

    async def _drain(self, job: worker.Job) -> None:
        """Kill on while the events that are held are handled, until none is left but dead letters."""
        self._held = await self._look(job)
        self._backlog = len(self._held.waiting)
        marks = range(1, self._backlog + 1)
        kills_at = sorted(self._random.sample(marks, min(self._plan.late_kills, self._backlog)))
        while self._held.waiting:
            while kills_at and len(self._held.waiting) <= kills_at[-1]:
                kills_at.pop()
                self._tasks.create_task(self._kill_one(job))
            await asyncio.sleep(0.1)
            self._held = await self._look(job)

    async def _look(self, job: worker.Job) -> Held:
        async with self._server_is_there:
            return await INBOXES[self._store].held(job.location)

    async def _kill_one(self, job: worker.Job) -> None:
        slot = await self._running_slot()
        await slot.kill()
        self._done[self._kill_one] += 1
        await slot.start(job)

    async def _pause_one(self, _: worker.Job) -> None:
        slot = await self._running_slot()
        self._done[self._pause_one] += 1
        await slot.pause(3 * self._plan.lease.total_seconds())

    async def _crash(self, _: worker.Job) -> None:
        async with self._server_is_there:
            await SERVERS[self._store].crash()
        self._done[self._crash] += 1

    async def _running_slot(self) -> _Slot:
        while not (running := [slot for slot in self._slots if slot.port is not None]):
            await asyncio.sleep(0.01)
        return self._random.choice(running)

    def _outcome(self, written: Sequence[Written], journal: Path, seconds: float) -> Outcome:
        labels = {key_of(_event(*event)): _label(*event) for event in _every_event(self._plan)}
        effects = Counter(one.event for one in written)
        assert set(effects) <= set(labels.values())
        return Outcome(
            store=self._store,
            order=self._order,
            seed=self._seed,
            events=self._plan.events,
            deliveries=self._answers.total() - self._answers[_DOWN],
            answers=self._answers,
            kills=self._done[self._kill_one],
            pauses=self._done[self._pause_one],
            crashes=self._done[self._crash],
            interrupted=_interrupted(journal, labels),
            effects=effects,
            lost=[label for label in labels.values() if not effects[label]],
            doubled=[label for label in labels.values() if effects[label] > 1],
            out_of_order=out_of_order(written),
            backlog=self._backlog,
            dead=self._held.dead,
            seconds=round(seconds, 1),
        )


def _every_event(plan: Plan) -> list[tuple[str, str, int]]:
    return [(*payment, number) for payment in plan.payments for number in range(plan.length)]


def _label(msn: str, reference: str, number: int) -> str:
    return f"{msn}/{reference}/{number:03}"


def _event(msn: str, reference: str, number: int) -> bytes:
    return event(msn=msn, reference=reference, pspReference=_label(msn, reference, number))


def out_of_order(written: Sequence[Written]) -> list[str]:
    """What took effect after a later event of its payment, or without having seen each earlier one's effect."""
    reached: dict[str, int] = {}
    wrong: list[str] = []
    for one in written:
        payment, _, number = one.event.rpartition("/")
        expected = reached.get(payment, -1) + 1
        if int(number) > expected or one.seen not in {None, int(number)}:
            wrong.append(one.event)
        reached[payment] = max(expected - 1, int(number))
    return wrong


def _interrupted(journal: Path, labels: Mapping[str, str]) -> Counter[str]:
    """How often an event's handler began without an end: each of these was killed, or lost its lease."""
    notes: Counter[str] = Counter()
    for line in journal.read_text("utf-8").splitlines():
        notes[labels[line[1:]]] += 1 if line[0] == "+" else -1
    return +notes
