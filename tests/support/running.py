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
    said: list[str] = attrs.field(factory=list)

    async def line(self) -> str:
        """Return the next line of standard output."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().rstrip("\n")

    def close_output(self) -> None:
        """Read its standard output no more, as ``head`` does after some lines."""
        pipe = self.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]  # asyncio has no public way
        pipe.close()

    async def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """Press Ctrl-C; return what it said since, and its standard error. It has to end well."""
        self.process.send_signal(number)
        out, errors = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode == 0, errors
        return out.decode(), errors.decode()


def environ(**variables: str) -> dict[str, str]:
    """Return the environment of this run with *variables*, and without what it says to this package."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VIPPS_")} | variables


@asynccontextmanager
async def command(*arguments: str, exports: int, **variables: str) -> AsyncIterator[Running]:
    """Run a command, and read what it prints until it has set so many variables."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vipps_async", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environ(**variables),
    )  # fmt: skip
    running = Running(process, {})
    try:
        while len(running.environ) < exports:
            line = await running.line()
            assert line or not process.stdout or not process.stdout.at_eof(), await process.communicate()
            running.said.append(line)
            name, _, value = line.removeprefix("export ").partition("=")
            if line.startswith("export "):
                running.environ[name] = value
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
