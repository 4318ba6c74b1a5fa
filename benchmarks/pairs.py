"""Compare two pieces of work by running them in turns, so that what else the machine does falls on both alike.

Figures are medians over the rounds. The ratio is the median of the rounds' own ratios, and its spread their quartiles:
the two runs of a round follow each other, and so share a slow moment. CPU time is this process's, all threads included,
and no server's.
"""

import gc
import inspect
import json
import platform
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

import attrs

Cell = str | float | Sequence[float]
Row = Mapping[str, Cell]
Tables = Mapping[str, Sequence[Row]]  # by title


@attrs.frozen
class Cost:
    """What a run took, in seconds, where it is the run itself that knows: it may be another process's."""

    wall: float
    cpu: float


Step = Callable[[], Awaitable[Cost | None] | Cost | None]


@attrs.frozen
class Work:
    """One of the two that are compared.

    Attributes:
        run: what is timed, unless it returns its `Cost`.
        prepare: what goes before each run, and is not timed.
    """

    run: Step
    prepare: Step = lambda: None


@attrs.frozen
class Times:
    """How many seconds each round took."""

    wall: list[float] = attrs.field(factory=list)
    cpu: list[float] = attrs.field(factory=list)


async def compare(base: Work, other: Work, *, rounds: int, units: int) -> Row:
    """Run both in turns, and return what a unit of work costs in each.

    Args:
        base: what the ratio is relative to.
        other: what is compared with it.
        rounds: how often each is run, after a first time that does not count; at least 2.
        units: how many units of work a run does.
    """
    base_times, other_times = Times(), Times()
    turns = [(base, base_times), (other, other_times)]
    for work in (base, other):
        await _measure(work, Times())
    gc.freeze()  # what is there before is no round's garbage to look through
    for _ in range(rounds):
        for work, times in turns:
            await _measure(work, times)
        turns.reverse()  # neither always runs in the other's wake
    gc.unfreeze()
    return {
        **_figures("", base_times.wall, other_times.wall, units),
        **_figures("CPU ", base_times.cpu, other_times.cpu, units),
    }


async def _measure(work: Work, times: Times) -> None:
    await _finish(work.prepare)
    gc.collect()  # each run collects its own garbage, and none of the other's
    wall, cpu = time.perf_counter(), time.process_time()
    told = await _finish(work.run)
    cost = told or Cost(time.perf_counter() - wall, time.process_time() - cpu)
    times.cpu.append(cost.cpu)
    times.wall.append(cost.wall)


async def _finish(step: Step) -> Cost | None:
    outcome = step()
    return await outcome if inspect.isawaitable(outcome) else outcome


def _figures(kind: str, base: list[float], other: list[float], units: int) -> Row:
    lower, middle, upper = quantiles([one / another for one, another in zip(other, base, strict=True)])
    return {
        f"{kind}base µs": median(base) / units * 1e6,
        f"{kind}µs": median(other) / units * 1e6,
        f"{kind}ratio": middle,
        f"{kind}spread": (lower, upper),
    }


def report(tables: Tables, file: Path | None) -> None:
    """Print *tables*, and write them to *file* as JSON; the rows of a table have the same columns."""
    for title, rows in tables.items():
        print(f"\n{title}\n\n{_table(rows)}")
    if file is not None:
        where = {"python": platform.python_version(), "machine": platform.platform()}
        file.write_text(json.dumps({**where, **tables}, indent=2, ensure_ascii=False) + "\n")


def _table(rows: Sequence[Row]) -> str:
    """Return *rows* as Markdown, aligned for reading as it is."""
    lines = [list(rows[0]), *([_text(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:.2f}" if isinstance(cell, (int, float)) else " to ".join(f"{part:.2f}" for part in cell)
