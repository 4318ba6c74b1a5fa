"""Deliver signed events to receiver processes that are killed all the time, and count what took effect."""

import asyncio
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import aiohttp
import attrs

from tests.chaos import worker
from tests.chaos.stores import INBOXES, STORES, Held
from tests.webhooks.deliveries import event, key_of, signed
from vipps_async.webhooks import InboxPolicy

_PATIENCE = 20.0  # seconds that a delivery, or a start, may take
_DOWN = "down"  # the answer of a process that is not there; no delivery


@attrs.frozen(kw_only=True)
class Plan:
    """How much chaos.

    Attributes:
        events: how many events happen.
        copies: how often each is delivered at least.
        at_once: how many copies of an event are under way at once.
        in_flight: how many events are being delivered at once.
        processes: how many receiver processes there are.
        kills: how many of them are killed, at moments that are spread over the deliveries.
        before: seconds that a handler takes at most before its effect.
        after: seconds that it takes at most after its effect.
        lease: of the store; a claim whose process was killed is free after it.
        inbox: how events are handled after the answer, or ``None`` for before. Every fourth event then fails until all
            have been delivered, so that there is something left to be handled.
        late_kills: how many more processes are killed while the inbox drains after the deliveries, at most.
    """

    events: int
    copies: int
    kills: int
    processes: int
    at_once: int = 4
    in_flight: int = 24
    before: float = 0.01
    after: float = 0.005
    lease: timedelta = timedelta(seconds=1)
    inbox: InboxPolicy | None = None
    late_kills: int = 0


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
    interrupted: Counter[str] = attrs.field(repr=lambda killed: f"{killed.total()} handlers")
    effects: Counter[str] = attrs.field(repr=lambda effects: str(effects.total()))
    lost: list[str]
    doubled: list[str]
    backlog: int
    dead: list[str]
    seconds: float

    @property
    def is_excused(self) -> bool:
        """Whether every double belongs to a handler that was killed."""
        return all(self.effects[reference] <= 1 + self.interrupted[reference] for reference in self.doubled)


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

    _start_kill: Callable[[], object]

    def __init__(self, store: str, order: str, plan: Plan, *, seed: int) -> None:
        self._store = store
        self._order = order
        self._plan = plan
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - chaos that can be repeated
        self._answers: Counter[str] = Counter()
        self._slots = [_Slot() for _ in range(plan.processes)]
        self._kills = 0
        self._progress = 0
        self._held = Held({}, [])
        self._backlog = 0
        self._kills_at = sorted(self._random.sample(range(1, plan.events * plan.copies), plan.kills), reverse=True)

    async def run(self, folder: Path) -> Outcome:
        """Deliver all events until each was answered 200 and is handled, and return what took effect."""
        begun = time.monotonic()
        async with STORES[self._store].server(folder) as location:
            job = self._job(location, folder)
            async with self._processes(job), self._session() as session, asyncio.TaskGroup() as kills:
                self._start_kill = lambda: kills.create_task(self._kill_one(job))
                await self._deliver_all(session)
                if self._plan.inbox:
                    job.healed.touch()
                    await self._drain(location)
            effects = await STORES[self._store].effects(location)
        return self._outcome(effects, job.journal, time.monotonic() - begun)

    async def answered(self, folder: Path) -> tuple[dict[str, bytes], Held]:
        """Deliver every event, kill all processes amid that, and return what was answered 200, and what is held."""
        bodies = {key_of(body): body for body in map(_event, _references(self._plan.events))}
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

    async def _deliver_all(self, session: aiohttp.ClientSession) -> None:
        turns = asyncio.Semaphore(self._plan.in_flight)
        async with asyncio.TaskGroup() as deliveries:
            for reference in _references(self._plan.events):
                await turns.acquire()
                task = deliveries.create_task(self._deliver(session, reference))
                task.add_done_callback(lambda _: turns.release())

    async def _deliver(self, session: aiohttp.ClientSession, reference: str) -> None:
        body = _event(reference)
        missing, was_handled = self._plan.copies, False
        while missing or not was_handled:
            posts = (
                self._post(session, self._random.choice(self._slots).port, body) for _ in range(self._plan.at_once)
            )
            answers = Counter(await asyncio.gather(*posts))
            self._answers += answers
            was_handled = was_handled or "200" in answers
            arrived = min(missing, answers.total() - answers[_DOWN])
            missing -= arrived
            self._advance(arrived)
            if "200" not in answers:
                await asyncio.sleep(self._random.uniform(0.02, 0.1))

    def _advance(self, deliveries: int) -> None:
        self._progress += deliveries
        while self._kills_at and self._kills_at[-1] <= self._progress:
            self._kills_at.pop()
            self._start_kill()

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

    async def _drain(self, location: str) -> None:
        """Kill on while the events that are held are handled, until none is left but dead letters."""
        self._held = await INBOXES[self._store].held(location)
        self._backlog = len(self._held.waiting)
        marks = range(1, self._backlog + 1)
        self._kills_at = sorted(self._random.sample(marks, min(self._plan.late_kills, self._backlog)))
        while self._held.waiting:
            while self._kills_at and len(self._held.waiting) <= self._kills_at[-1]:
                self._kills_at.pop()
                self._start_kill()
            await asyncio.sleep(0.1)
            self._held = await INBOXES[self._store].held(location)

    async def _kill_one(self, job: worker.Job) -> None:
        running = [slot for slot in self._slots if slot.port is not None]
        while not running:
            await asyncio.sleep(0.01)
            running = [slot for slot in self._slots if slot.port is not None]
        slot = self._random.choice(running)
        await slot.kill()
        self._kills += 1
        await slot.start(job)

    def _outcome(self, effects: Counter[str], journal: Path, seconds: float) -> Outcome:
        references = list(_references(self._plan.events))
        assert set(effects) <= set(references)
        return Outcome(
            store=self._store,
            order=self._order,
            seed=self._seed,
            events=self._plan.events,
            deliveries=self._answers.total() - self._answers[_DOWN],
            answers=self._answers,
            kills=self._kills,
            interrupted=_interrupted(journal),
            effects=effects,
            lost=[reference for reference in references if not effects[reference]],
            doubled=[reference for reference in references if effects[reference] > 1],
            backlog=self._backlog,
            dead=self._held.dead,
            seconds=round(seconds, 1),
        )


def _references(events: int) -> Iterable[str]:
    return (f"acme-shop-{number:05}" for number in range(events))


def _event(reference: str) -> bytes:
    return event(reference=reference, pspReference=reference)


def _interrupted(journal: Path) -> Counter[str]:
    """How often a handler of a reference began without an end: each of these was killed."""
    notes: Counter[str] = Counter()
    for line in journal.read_text("utf-8").splitlines():
        notes[line[1:].partition(":")[0]] += 1 if line[0] == "+" else -1
    return +notes
