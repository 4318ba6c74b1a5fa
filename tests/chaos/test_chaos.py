"""Every event takes effect once, whatever dies; the two wrong orders beside it do not keep that promise.

The short form runs with all tests. The long form takes minutes and runs with ``VIPPS_CHAOS=long``; `VIPPS_CHAOS_SEED`
repeats the choices of a run that failed.
"""

import os
import secrets
from pathlib import Path

import attrs
import pytest

from tests.chaos.harness import Chaos, Outcome, Plan
from tests.chaos.stores import STORES

SHORT = Plan(events=60, copies=16, processes=4, kills=8)
LONG = Plan(events=1000, copies=16, processes=8, kills=120, before=0.05, after=0.01)
# Nearly all the time of these goes to handlers, so that kills hit some.
CONTROL = Plan(events=100, copies=4, processes=4, kills=12, before=0.1, after=0.1)

in_long_form_only = pytest.mark.skipif(
    os.environ.get("VIPPS_CHAOS") != "long", reason="takes minutes: runs with VIPPS_CHAOS=long"
)
of_every_store = pytest.mark.parametrize("store", STORES)


@pytest.fixture
def seed() -> int:
    """A new one a run, or the one to repeat."""
    return int(os.environ.get("VIPPS_CHAOS_SEED", secrets.randbelow(10**6)))


def check(outcome: Outcome, plan: Plan) -> None:
    """Fail with the outcome, seed included, unless each event took effect as its store promises."""
    print(outcome)  # the figures, shown on failure and with -s
    assert outcome.kills == plan.kills, outcome
    assert outcome.deliveries >= plan.events * plan.copies, outcome
    assert not outcome.lost, outcome
    assert outcome.is_excused, outcome
    if STORES[outcome.store].is_exact:
        assert not outcome.doubled, outcome


@of_every_store
async def test_every_event_takes_effect_once_whatever_dies(store: str, seed: int, tmp_path: Path) -> None:
    """Receiver processes are killed at random moments: no event is lost, and none takes effect twice."""
    check(await Chaos(store, "together", SHORT, seed=seed).run(tmp_path), SHORT)


@in_long_form_only
@pytest.mark.timeout(3600)
@of_every_store
async def test_a_thousand_events_take_effect_once_whatever_dies(store: str, seed: int, tmp_path: Path) -> None:
    """The same with 1,000 events, 16 deliveries each, 8 processes and 120 kills."""
    check(await Chaos(store, "together", LONG, seed=seed).run(tmp_path), LONG)


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
