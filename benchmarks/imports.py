"""What an import costs a new process, and what it costs to import aiohttp alone."""

import os
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory

from benchmarks.pairs import Cost, Row, Work, compare

ROUNDS = 21
STATEMENTS = (
    "import vipps_async",  # which imports nothing before its first use
    "from vipps_async import VippsClient",
    "from vipps_async.webhooks import WebhookReceiver",
)
CHILD = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def cost_of(statement: str, *, compiled: str) -> Cost:
    """Return what *statement* costs in a process of its own, the interpreter's start not counted.

    Args:
        statement: what is timed.
        compiled: the directory of compiled modules; the first process that needs one puts it there.
    """
    command = [sys.executable, "-X", f"pycache_prefix={compiled}", "-c", CHILD.format(statement=statement)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return Cost(*map(float, told.stdout.split()))


async def compare_imports() -> list[Row]:
    """Compare the imports of an application, all modules compiled before, as those of installed packages are."""
    rows: list[Row] = []
    with TemporaryDirectory() as compiled:
        for statement in STATEMENTS:
            base, other = (Work(partial(cost_of, one, compiled=compiled)) for one in ("import aiohttp", statement))
            figures = await compare(base, other, rounds=ROUNDS, units=1)
            rows.append({"work": statement, "base": "import aiohttp", "at most": 1.25, **figures})
    return rows
