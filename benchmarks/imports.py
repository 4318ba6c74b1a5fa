"""What an import costs a new process, and what it costs to import aiohttp alone."""

import subprocess
import sys
from functools import partial

from benchmarks.pairs import Cost, Row, Work, compare

ROUNDS = 9
CHILD = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def cost_of(statement: str) -> Cost:
    """Return what *statement* costs in a process of its own, the interpreter's start not counted."""
    command = [sys.executable, "-c", CHILD.format(statement=statement)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a statement of ours
    return Cost(*map(float, told.stdout.split()))


async def compare_imports() -> list[Row]:
    """Compare the imports of an application."""
    rows: list[Row] = []
    for statement in ("from vipps_async import VippsClient", "from vipps_async.webhooks import WebhookReceiver"):
        base, other = (Work(partial(cost_of, one)) for one in ("import aiohttp", statement))
        figures = await compare(base, other, rounds=ROUNDS, units=1)
        rows.append({"work": statement, "base": "import aiohttp", "at most": 1.25, **figures})
    return rows
