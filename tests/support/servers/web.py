"""Web servers as merchants run them, in processes of their own, and nginx in front of them."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest

_PATIENCE = 40.0  # seconds: many tests start servers on one machine
_NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream}/behind/a/proxy;
      proxy_set_header Host shop.internal;
      proxy_set_header Authorization "Basic c3RhZ2luZzpvcGVuLXNlc2FtZQ==";
    }}
  }}
}}
"""


@attrs.frozen
class WebServer:
    """A server in a process of its own.

    Attributes:
        port: where it listens.
        output: what it and its children have written so far.
    """

    port: int
    process: asyncio.subprocess.Process
    output: bytearray

    @property
    def url(self) -> str:
        """Where deliveries go."""
        return f"http://127.0.0.1:{self.port}/vipps/events"

    async def has_said(self, text: str) -> None:
        """Wait until it has written *text*."""
        async with asyncio.timeout(_PATIENCE):
            while text.encode() not in self.output:
                await asyncio.sleep(0.02)

    async def terminate(self) -> None:
        """End it as a service manager does, and wait for its end.

        Raises:
            TimeoutError: it goes on for long.
        """
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_PATIENCE):
            await self.process.wait()


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def running(*command: str, port: int, **environ: str) -> AsyncIterator[WebServer]:
    """Run a server until the block ends; it listens on *port* from the start of the block."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | environ,
        start_new_session=True,
    )
    server = WebServer(port, process, bytearray())
    reading = asyncio.create_task(_read(server))
    try:
        await _listens(server)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its children too
        await process.wait()
        await reading


@asynccontextmanager
async def python(module: str, arguments: Sequence[str], *, file: Path) -> AsyncIterator[WebServer]:
    """Run a server that is a Python module, for the shop whose effects are in *file*; ``PORT`` stands for its port."""
    port = free_port()
    given = [argument.replace("PORT", str(port)) for argument in arguments]
    async with running(sys.executable, "-m", module, *given, port=port, SHOP_FILE=str(file)) as server:
        yield server


@asynccontextmanager
async def nginx(upstream: WebServer) -> AsyncIterator[WebServer]:
    """Run nginx before *upstream*, which it gives another host, another path and credentials of its own.

    Where it is not installed the test is skipped, or fails under ``CI=true``.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="vipps-nginx-") as directory:
        port, settings = free_port(), Path(directory) / "nginx.conf"
        settings.write_text(_NGINX.format(directory=directory, port=port, upstream=upstream.port))
        async with running(program, "-p", directory, "-e", "stderr", "-c", str(settings), port=port) as server:
            yield server


def _program() -> str:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        missing = "nginx is not installed: apt-get install nginx"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return program


async def _read(server: WebServer) -> None:
    assert server.process.stdout is not None
    while part := await server.process.stdout.read(10_000):
        server.output.extend(part)


async def _listens(server: WebServer) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            assert server.process.returncode is None, server.output.decode()
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
