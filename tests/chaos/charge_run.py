"""One day's charge run of examples/subscriptions.py, in a process of its own: ``charge_run.py BOOKS TODAY``."""

import asyncio
import sys
from datetime import date
from pathlib import Path

from tests.test_examples import load
from vipps_async import VippsClient


async def charge(books: Path, today: date) -> None:
    """Create what is due, for the credentials that the environment has."""
    subscriptions = load("subscriptions")
    async with VippsClient.from_env() as vipps:
        await subscriptions.charge_members(vipps, books, today)


if __name__ == "__main__":
    asyncio.run(charge(Path(sys.argv[1]), date.fromisoformat(sys.argv[2])))
