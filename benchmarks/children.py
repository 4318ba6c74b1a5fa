"""Processes that play the other end, so that what they cost is not in this process's CPU time."""

import asyncio
import sys
from collections.abc import AsyncIterator
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
async def child(module: str) -> AsyncIterator[Child]:
    """Run a module of this package until its standard input ends, which is with the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=pipe, stdout=pipe)
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
