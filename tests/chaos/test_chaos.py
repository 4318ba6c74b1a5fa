"""Every event takes effect once, whatever dies; the two wrong orders beside it do not keep that promise.

The short form runs with all tests. The long form takes minutes and runs with ``VIPPS_CHAOS=long``; `VIPPS_CHAOS_SEED`
repeats the choices of a run that failed.
"""

import os
import secrets
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from tests.chaos.harness import Chaos, Outcome, Plan, out_of_order
from tests.chaos.stores import INBOXES, SERVERS, STORES, Written
from vipps_async.webhooks import InboxPolicy

SHORT = Plan(references=3, length=10, copies=12, processes=4, kills=8, pauses=2, crashes=1)
LONG = Plan(references=25, length=20, copies=16, processes=8, kills=120, pauses=30, crashes=12, before=0.05, after=0.01)
_INBOX = InboxPolicy(
    workers=2,
    attempts=10**6,
    initial_delay=timedelta(seconds=0.1),
    max_delay=timedelta(seconds=0.5),
    lease=timedelta(seconds=1),
    poll_interval=timedelta(seconds=0.1),
)
SHORT_INBOX = Plan(
    references=3, length=8, copies=4, processes=3, kills=5, pauses=2, crashes=1, before=0.1, inbox=_INBOX, late_kills=3
)
LONG_INBOX = attrs.evolve(LONG, before=0.3, inbox=attrs.evolve(_INBOX, max_delay=timedelta(seconds=5)), late_kills=40)
KEEPING = Plan(references=100, length=1, copies=1, processes=2, kills=0, inbox=_INBOX)
# Nearly all the time of these goes to handlers, so that kills hit some.
CONTROL = Plan(references=50, length=1, copies=4, processes=4, kills=12, before=0.1, after=0.1)

in_long_form_only = pytest.mark.skipif(
    os.environ.get("VIPPS_CHAOS") != "long", reason="takes minutes: runs with VIPPS_CHAOS=long"
)
of_every_store = pytest.mark.parametrize("store", STORES)
with_every_inbox = pytest.mark.parametrize("store", INBOXES)


@pytest.fixture
def seed() -> int:
    """A new one a run, or the one to repeat."""
    return int(os.environ.get("VIPPS_CHAOS_SEED", secrets.randbelow(10**6)))


def check(outcome: Outcome, plan: Plan) -> None:
    """Fail with the outcome, seed included, unless each event took effect as its store promises."""
    print(outcome)  # the figures, shown on failure and with -s
    assert outcome.kills >= plan.kills, outcome
    assert outcome.pauses == plan.pauses, outcome
    assert outcome.crashes == (plan.crashes if outcome.store in SERVERS else 0), outcome
    assert outcome.deliveries >= plan.events * plan.copies, outcome
    assert not outcome.lost, outcome
    assert outcome.is_excused, outcome
    assert not outcome.dead, outcome
    assert not outcome.out_of_order, outcome
    if STORES[outcome.store].is_exact:
        assert not outcome.doubled, outcome


@of_every_store
async def test_every_event_takes_effect_once_whatever_dies(store: str, seed: int, tmp_path: Path) -> None:
    """Receivers are killed and stopped, databases crash: no event is lost, doubled or out of order."""
    check(await Chaos(store, "together", SHORT, seed=seed).run(tmp_path), SHORT)


@in_long_form_only
@pytest.mark.timeout(3600)
@of_every_store
async def test_a_thousand_events_take_effect_once_whatever_dies(store: str, seed: int, tmp_path: Path) -> None:
    """The same with 50 payments of 20 events, 16 deliveries each, 8 processes, 120 kills, 30 pauses and 12 crashes."""
    check(await Chaos(store, "together", LONG, seed=seed).run(tmp_path), LONG)


@with_every_inbox
async def test_an_inbox_lets_every_event_take_effect_once_whatever_dies(store: str, seed: int, tmp_path: Path) -> None:
    """The same with events that are answered first and handled after: the kills go on until the inbox is empty."""
    outcome = await Chaos(store, "together", SHORT_INBOX, seed=seed).run(tmp_path)
    check(outcome, SHORT_INBOX)
    assert outcome.backlog >= SHORT_INBOX.events / 4, outcome


@in_long_form_only
@pytest.mark.timeout(3600)
@with_every_inbox
async def test_an_inbox_lets_a_thousand_events_take_effect_once(store: str, seed: int, tmp_path: Path) -> None:
    """The same with 1,000 events, 16 deliveries each, 8 processes and 120 to 160 kills, of which some come late."""
    outcome = await Chaos(store, "together", LONG_INBOX, seed=seed).run(tmp_path)
    check(outcome, LONG_INBOX)
    assert outcome.kills > LONG_INBOX.kills, outcome
    assert outcome.backlog >= LONG_INBOX.events / 4, outcome


@with_every_inbox
async def test_what_an_inbox_has_answered_is_in_its_table_after_kill_9(store: str, seed: int, tmp_path: Path) -> None:
    """Processes whose handlers never end are killed amid deliveries: every event that was answered 200 is held."""
    answered, held = await Chaos(store, "run without an end", KEEPING, seed=seed).answered(tmp_path)
    assert len(answered) >= KEEPING.events / 2
    assert answered.items() <= held.waiting.items()
    assert held.dead == []


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ([("1/a/000", 0), ("2/a/000", 0), ("1/a/001", 1)], []),
        ([("1/a/001", 0), ("1/a/000", 1)], ["1/a/001", "1/a/000"]),
        ([("1/a/000", 0), ("1/a/001", 0)], ["1/a/001"]),
        ([("1/a/000", None), ("1/a/001", None), ("1/a/000", None), ("1/a/002", None)], []),
    ],
)
def test_the_harness_sees_what_is_out_of_order(written: list[tuple[str, int | None]], wrong: list[str]) -> None:
    """A later event before an earlier one, and one that has not seen all before it, are told; doubles are not."""
    assert out_of_order([Written(*one) for one in written]) == wrong


async def test_marking_before_the_handler_loses_events(seed: int, tmp_path: Path) -> None:
    """Negative control: claim, run, no give-back. The harness sees the events without effect."""
    outcome = await Chaos("sqlite", "mark, then run", CONTROL, seed=seed).run(tmp_path)
    assert outcome.lost, outcome


async def test_marking_after_the_handler_doubles_effects(seed: int, tmp_path: Path) -> None:
    """Negative control: run, then mark. The harness sees the events with two effects, and which kills made them."""
    outcome = await Chaos("sqlite", "run, then mark", attrs.evolve(CONTROL, before=0), seed=seed).run(tmp_path)
    assert outcome.doubled, outcome
    assert not outcome.lost, outcome
    assert outcome.is_excused, outcome
