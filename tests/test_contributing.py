"""What CONTRIBUTING.md names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
# Paths of the API that is added as an example are to be made.
PATHS = sorted(set(re.findall(r"`((?:vipps_async|tests|docs)/[\w./-]*|[A-Z]+\.md|pyproject\.toml)`", TEXT)))
TESTS = sorted(set(re.findall(r"(?<=[ `])tests/[\w/.]+", TEXT)))


@pytest.mark.parametrize("path", [*PATHS, *TESTS])
def test_every_path_exists(path: str) -> None:
    """Who follows the map arrives."""
    assert (ROOT / path).exists()


def test_the_map_is_large_enough_to_fail() -> None:
    """The paths are found in the text."""
    assert len(PATHS) > 30
    assert len(TESTS) > 15


def test_every_session_that_it_names_exists() -> None:
    """What is to be run can be run."""
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"nox -s (\w+)", TEXT)) <= sessions
