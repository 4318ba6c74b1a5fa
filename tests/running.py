"""Commands in processes of their own, as a user runs them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs


@attrs.frozen
class Running:
    """A command that runs until it is stopped."""

    process: asyncio.subprocess.Process
    environ: dict[str, str]

    async def line(self) -> str:
        """Return the next line of standard output."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().rstrip("\n")

    async def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """Press Ctrl-C; return what it said since, and its standard error. It has to end well."""
        self.process.send_signal(number)
        out, errors = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode == 0, errors
        return out.decode(), errors.decode()


@asynccontextmanager
async def command(*arguments: str, exports: int, **variables: str) -> AsyncIterator[Running]:
    """Run a command, and read what it prints until it has set so many variables."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vipps_async", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **variables},
    )  # fmt: skip
    running = Running(process, {})
    try:
        while len(running.environ) < exports:
            line = await running.line()
            assert line or not process.stdout or not process.stdout.at_eof(), await process.communicate()
            name, _, value = line.removeprefix("export ").partition("=")
            if line.startswith("export "):
                running.environ[name] = value
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
