"""Run mutants against the tests of their modules.

    python -m tests.support.mutation [--count 200] [--seed SEED] [--least 97] [--only GLOB]

The modules are those of `judges.JUDGES`, which decide over money. A mutant is killed if a test fails, or does not end
in time. Each worker has a copy of the tree, so that nothing changed lies in the checkout. Survivors are printed, and
fewer killed than --least per cent end with status 1.
"""

import argparse
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.support.mutation.equivalents import is_equivalent
from tests.support.mutation.judges import ROOT, judges
from tests.support.mutation.mutants import Mutant, mutants_of

_TREE = ("vipps_async", "tests", "docs", "examples", "benchmarks", "README.md", "pyproject.toml", "noxfile.py")
_UNCHANGED = 4.0  # times as long as without a change may a run take, and some seconds
_SECONDS = 20.0


def main() -> int:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="how many mutants (default: 200)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of their choice")
    parser.add_argument("--least", type=float, default=97, help="per cent that are to be killed (default: 97)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="modules that match this, such as '_http/*'")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="at once")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chosen = choose(options.count, options.seed, options.only)
    survivors = [mutant for mutant, killed in run(chosen, options.workers) if not killed]
    share = 100 * (1 - len(survivors) / len(chosen))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed, {share:.1f} %; survivors:")
    for mutant in survivors:
        print(f"  {mutant}")
    return int(share < options.least)


def choose(count: int, seed: int, only: str = "*") -> list[Mutant]:
    """Return so many mutants of the judged modules, or all if there are fewer; none that nobody can notice."""
    modules = sorted(module for module in judges() if fnmatch(module, only))
    every = [mutant for module in modules for mutant in _mutants_of(module)]
    return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - to be repeated, not to be secret


@cache
def _mutants_of(module: str) -> tuple[Mutant, ...]:
    every = mutants_of(module, (ROOT / "vipps_async" / module).read_text("utf-8"))
    return tuple(mutant for mutant in every if not is_equivalent(mutant))


def run(mutants: list[Mutant], workers: int) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant, and whether it was killed."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            trees.put(_copy(Path(folder) / str(number)))
        runs = {
            tests: pool.submit(_time_unchanged, trees, tests) for tests in {judges()[each.module] for each in mutants}
        }
        limits = {tests: _UNCHANGED * run.result() + _SECONDS for tests, run in runs.items()}
        print("the tests pass as it is", flush=True)
        for mutant, killed in pool.map(lambda each: (each, _is_killed(trees, each, limits)), mutants):
            print("killed  " if killed else "SURVIVED", mutant, flush=True)
            yield mutant, killed


def _copy(tree: Path) -> Path:
    for name in _TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy(source, tree / name)
    return tree


def _time_unchanged(trees: "SimpleQueue[Path]", tests: tuple[str, ...]) -> float:
    began = time.monotonic()
    with _taken(trees) as tree:
        if not _passes(tree, tests, None):
            raise SystemExit(f"{' '.join(tests)} fail as it is")
    return time.monotonic() - began


def _is_killed(trees: "SimpleQueue[Path]", mutant: Mutant, limits: Mapping[tuple[str, ...], float]) -> bool:
    with _taken(trees) as tree:
        path = tree / "vipps_async" / mutant.module
        original = path.read_text("utf-8")
        path.write_text(mutant.source, "utf-8")
        try:
            tests = judges()[mutant.module]
            return not _passes(tree, tests, limits[tests])
        finally:
            path.write_text(original, "utf-8")


@contextmanager
def _taken(trees: "SimpleQueue[Path]") -> Iterator[Path]:
    tree = trees.get()
    try:
        yield tree
    finally:
        trees.put(tree)


def _passes(tree: Path, tests: tuple[str, ...], limit: float | None) -> bool:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *tests,
    ]
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=tree, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(limit) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return False


if __name__ == "__main__":
    sys.exit(main())
