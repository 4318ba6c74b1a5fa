"""A private Redis server: its own port, password and directory, nothing kept unless asked, gone afterwards."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from redis.asyncio import Redis

_PATIENCE = 10.0
_CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext keyUsage=critical,digitalSignature,keyCertSign"
)


class NoTls(Exception):
    """The installed redis-server was built without TLS."""


class RedisServer:
    """A redis-server of our own; a context manager that starts it, and stops it and removes its files.

    Where redis-server is not installed the test is skipped, or fails under ``CI=true``.

    Args:
        tls: speak TLS only, with a certificate of our own (`certificate`).
        is_persistent: keep what was written across a restart, `kill` included.
        in_cluster: be a node of a cluster, at first of itself alone and without slots (`meet`).
    """

    def __init__(self, *, tls: bool = False, is_persistent: bool = False, in_cluster: bool = False) -> None:
        self.password = secrets.token_hex(8)
        self.port = 0
        self._binary = _binary()
        self._tls = tls
        self._is_persistent = is_persistent
        self._bus = _free_port() if in_cluster else None
        self._directory = Path(tempfile.mkdtemp(prefix="vipps-redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def certificate(self) -> Path:
        """The certificate to trust."""
        return self._directory / "server.crt"

    @property
    def url(self) -> str:
        """The server's URL, password included; for TLS with the certificate to trust."""
        scheme, trust = ("rediss", f"?ssl_ca_certs={self.certificate}") if self._tls else ("redis", "")
        return f"{scheme}://:{self.password}@127.0.0.1:{self.port}/0{trust}"

    async def meet(self, other: "RedisServer") -> None:
        """Join the cluster of *other*, and return once both are connected."""
        async with self.client(decode_responses=True) as mine, other.client(decode_responses=True) as others:
            await _cluster(mine, "MEET", "127.0.0.1", other.port, other._bus)
            for client in (mine, others):
                while not await _knows_another(client):
                    await asyncio.sleep(0.05)

    def client(self, **settings: Any) -> Redis:
        """Return a new client, which its caller closes."""
        client: Redis = Redis.from_url(self.url, **settings)
        return client

    def __enter__(self) -> "RedisServer":
        try:
            if self._tls:
                self._make_certificate()
            self._start_on_a_free_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        """Start the server, on its port, and wait until it answers."""
        (self._directory / "redis.conf").write_text(self._configuration())
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._binary, "redis.conf"], cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server as an administrator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop the server as a crash does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Crash the server, and start it again on the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Make the server silent: it takes connections and bytes, and answers nothing, until `thaw`."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._tell(signal.SIGCONT)

    def _tell(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE)
            self._process = None

    def _start_on_a_free_port(self) -> None:
        for attempts_left in reversed(range(5)):
            self.port = _free_port()
            try:
                self.start()
            except ChildProcessError as error:
                # Another process can take the port before the server does.
                if "in use" not in str(error) or not attempts_left:
                    raise
            else:
                break

    def _configuration(self) -> str:
        lines = ["bind 127.0.0.1", f"requirepass {self.password}", 'save ""', "daemonize no"]
        if self._bus is not None:
            lines += ["cluster-enabled yes", f"cluster-port {self._bus}"]
        if self._is_persistent:
            lines += ["appendonly yes", "appendfsync always"]
        if self._tls:
            lines += ["port 0", f"tls-port {self.port}", "tls-auth-clients no", "tls-cert-file server.crt"]
            return "\n".join([*lines, "tls-key-file server.key", "tls-ca-cert-file server.crt", ""])
        return "\n".join([*lines, f"port {self.port}", ""])

    def _make_certificate(self) -> None:
        if (openssl := shutil.which("openssl")) is None:
            _unavailable("openssl is not installed: apt-get install openssl")
        command = [openssl, *_CERTIFICATE.split(), "-keyout", "server.key", "-out", "server.crt"]
        subprocess.run(command, cwd=self._directory, check=True, capture_output=True)

    def _wait_until_ready(self) -> None:
        limit = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > limit:
                self.kill()
                said = self._log()
                raise NoTls(said) if "Bad directive" in said and "tls-" in said else ChildProcessError(said)
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as plain:
                return self._pongs(self._trusting().wrap_socket(plain) if self._tls else plain)
        except OSError:
            return False

    def _pongs(self, connection: socket.socket) -> bool:
        # A password of our own tells our server from a stranger's on the same port.
        with connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            said = b""
            while b"PONG" not in said and (more := connection.recv(100)):
                said += more
            return said == b"+OK\r\n+PONG\r\n"

    def _trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        return context

    def _log(self) -> str:
        return (self._directory / "log").read_text()


async def _cluster(client: Any, *arguments: object) -> Any:
    return await client.execute_command("CLUSTER", *arguments)


async def _knows_another(client: Redis) -> bool:
    nodes = (await _cluster(client, "NODES")).splitlines()
    return len([line for line in nodes if line.split()[7] == "connected" and "handshake" not in line]) == 2


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _binary() -> str:
    found = shutil.which("redis-server")
    return found or _unavailable("redis-server is not installed: apt-get install redis-server (Debian, Ubuntu)")


@pytest.fixture(scope="session", name="redis_server")
def provide_redis_server() -> Iterator[RedisServer]:
    """A server with a password that keeps nothing across a restart; a test that fills or stops it leaves it running."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session", name="redis_persistent_server")
def provide_redis_persistent_server() -> Iterator[RedisServer]:
    """A server with a password that keeps what was written across a restart."""
    with RedisServer(is_persistent=True) as server:
        yield server


@pytest.fixture(scope="session", name="redis_tls_server")
def provide_redis_tls_server() -> Iterator[RedisServer]:
    """A server with a password and TLS."""
    try:
        with RedisServer(tls=True) as server:
            yield server
    except NoTls:
        _unavailable("redis-server was built without TLS: apt-get install redis-server (Debian, Ubuntu)")
