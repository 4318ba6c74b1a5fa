"""The mutation of the modules that decide over money works, and finds them and their tests."""

from pathlib import Path

import pytest

from tests.support.mutation.__main__ import choose
from tests.support.mutation.equivalents import EQUIVALENT
from tests.support.mutation.judges import JUDGES, ROOT, judges
from tests.support.mutation.mutants import mutants_of

MODULE = '''"""A module."""

LIMIT: int = 5


def pay(amount: int, *, twice: bool = False) -> int:
    """Decide."""
    if amount > LIMIT and not twice:
        raise ValueError("too much")
    _logger.info("paid %d", 3)
    return amount + 1


class Shown:
    def __repr__(self) -> str:
        return "a" if 1 < 2 else "b"
'''


def test_every_decision_of_a_module_is_changed() -> None:
    """Comparisons, conditions, operators, numbers, flags, defaults and statements; not what is only shown or logged."""
    changes = {(mutant.line, mutant.before, mutant.after) for mutant in mutants_of("m.py", MODULE)}
    assert changes == {
        (3, "5", "6"),
        (6, "False", "True"),
        (8, "amount > LIMIT and not twice", "(not (amount > LIMIT and not twice))"),
        (8, " > ", " >= "),
        (8, " and ", " or "),
        (8, "not ", ""),
        (9, 'raise ValueError("too much")', "pass"),
        (11, " + ", " - "),
        (11, "1", "2"),
    }


def test_a_mutant_is_the_module_with_one_change() -> None:
    """All else stays as it is, whatever letters stand before the change."""
    source = "text = 'blåbær'; limit = 5\n"
    (mutant,) = mutants_of("m.py", source)
    assert mutant.source == "text = 'blåbær'; limit = 6\n"
    assert str(mutant) == "m.py:1: '5' -> '6'"


def test_the_very_moment_of_the_machines_clock_is_no_change_and_that_of_a_clock_passed_in_is() -> None:
    """A test can set the one and cannot meet the other; both conditions are changed all the same."""
    source = (
        "now = time.monotonic()\nlate = now > ends_at\nif time.monotonic() >= ends_at: pay()\nover = clock > ends_at\n"
    )
    assert {(mutant.line, mutant.before) for mutant in mutants_of("m.py", source)} == {
        (3, "time.monotonic() >= ends_at"),
        (3, "pay()"),
        (4, " > "),
    }


@pytest.mark.parametrize(("module", "beginning", "number"), EQUIVALENT)
def test_every_explained_change_is_one_that_could_be_made(module: str, beginning: str, number: str) -> None:
    """A line that is gone takes its explanation with it; and a row explains the number of one line, no more."""
    source = (ROOT / "vipps_async" / module).read_text("utf-8")
    lines = {
        each.line for each in mutants_of(module, source) if each.text.startswith(beginning) and each.before == number
    }
    assert len(lines) == 1
    assert not [each for each in choose(10_000, 1, module) if each.line in lines and each.before == number]


@pytest.mark.parametrize("pattern", JUDGES)
def test_every_pattern_finds_modules_and_tests(pattern: str) -> None:
    """A move leaves no module without its judges."""
    assert list((ROOT / "vipps_async").glob(pattern))
    assert all(Path(ROOT, test).exists() for test in JUDGES[pattern])


def test_the_same_seed_chooses_the_same_mutants() -> None:
    """So that a run can be repeated; and a choice covers what decides."""
    assert choose(20, 1) == choose(20, 1) != choose(20, 2)
    assert {mutant.module for mutant in choose(50, 1, "_http/*")} <= {
        module for module in judges() if "_http" in module
    }
