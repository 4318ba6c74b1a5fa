"""Processes that play the other end, so that what they cost is not in this process's CPU time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs


@attrs.frozen
class Child:
    """A process that answers a line with a line."""

    _process: asyncio.subprocess.Process

    async def ask(self, line: str) -> str:
        """Send *line*, and return the answer to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        return await self.hear()

    async def hear(self) -> str:
        """Return the next line."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ChildProcessError("the process at the other end has ended")
        return line.decode().strip()


@asynccontextmanager
async def child(program: str, *arguments: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run a module of this package, or a file, until its standard input ends, which is with the block."""
    pipe = asyncio.subprocess.PIPE
    command = [program] if program.endswith(".py") else ["-m", program]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *arguments, stdin=pipe, stdout=pipe, env=environ
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
