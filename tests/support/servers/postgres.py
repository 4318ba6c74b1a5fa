"""A private PostgreSQL server: its own directory and socket, no port, as root too, gone afterwards."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import urlencode

import pytest

_PATIENCE = 20.0
# What a crash must not lose stays as users have it (fsync, synchronous_commit, full_page_writes).
_SETTINGS = """
listen_addresses = ''
max_connections = 200
shared_buffers = 64MB
max_wal_size = 2GB
jit = off
log_min_messages = warning
"""

_Stream = int | IO[bytes] | None
_Process = subprocess.Popen[bytes]


class PostgresServer:
    """A PostgreSQL server of our own; a context manager that starts it, and stops it and removes its files.

    Where it is not installed, making one skips the test, or fails it under ``CI=true``. Its *directory* has its socket.
    """

    def __init__(self) -> None:
        self._binaries = _binaries()
        self.directory = Path(tempfile.mkdtemp(prefix="vipps-pg-"))
        self._data = self.directory / "data"
        self._account = account()
        self._process: _Process | None = None
        self._watchman: _Process | None = None

    def url(self, schema: str = "public") -> str:
        """Return what asyncpg connects to; *schema* is where names without one are looked up."""
        return "postgresql://postgres@/postgres?" + urlencode({"host": str(self.directory), "search_path": schema})

    def __enter__(self) -> "PostgresServer":
        try:
            if self._account:
                shutil.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
            self._initialize()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        with (self.directory / "log").open("ab") as log:
            command = [self._binaries / "postgres", "-D", self._data, "-k", self.directory]
            self._process = self._popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        # A server outlives a test run that is killed; this shell notices, ends it and removes its files.
        script = 'read -r _; kill -QUIT "$0"; sleep 2; rm -rf "$1"'
        watch = ["/bin/sh", "-c", script, str(self._process.pid), self.directory]
        self._watchman = self._popen(watch, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server as an administrator does who does not wait for its clients."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Stop the server by an immediate shutdown, after which it has to recover."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Stop the server as a crash does: every one of its processes is killed."""
        if self._process is not None:
            # A stopped server starts no process that would escape.
            self._process.send_signal(signal.SIGSTOP)
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Crash the server, and start it again at the same place."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Make the server silent: it takes connections and bytes, and answers nothing, until `thaw`."""
        self._tell_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._tell_all(signal.SIGCONT)

    def _tell_all(self, what: signal.Signals) -> None:
        assert self._process is not None
        for process in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, what)

    def _initialize(self) -> None:
        options = [
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--username=postgres",
            "--locale=C",
            "--encoding=UTF8",
        ]
        command = [self._binaries / "initdb", "-D", self._data, *options]
        done = self._popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = done.communicate(timeout=_PATIENCE)
        if done.returncode:
            raise ChildProcessError(said.decode())
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(_SETTINGS)

    def _popen(self, command: list[Any], *, stdin: int, stdout: _Stream = None, stderr: _Stream) -> _Process:
        us = self._account
        # A session of its own: Ctrl-C in the terminal is for pytest, which then stops the server.
        return subprocess.Popen(
            command,
            cwd=self.directory,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            user=us and us.pw_uid,
            group=us and us.pw_gid,
            extra_groups=us and [],
        )

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._dismiss_watchman()
        family = _children(self._process.pid)
        self._process.send_signal(how)
        for child in family if how is signal.SIGKILL else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, how)
        self._process.wait(_PATIENCE)
        self._process = None
        _wait_until(lambda: not any(map(_is_alive, family)))

    def _dismiss_watchman(self) -> None:
        if self._watchman is not None:
            self._watchman.kill()
            self._watchman.communicate()
            self._watchman = None

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        try:
            _wait_until(lambda: process.poll() is not None or self._is_ready())
        finally:
            if not self._is_ready():
                self.kill()
                raise ChildProcessError((self.directory / "log").read_text())

    def _is_ready(self) -> bool:
        # The server's own account of itself: its process on line 1, its state on line 8.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            self._process is not None
            and len(lines) >= 8
            and (lines[0], lines[7].strip()) == (str(self._process.pid), "ready")
        )


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # an orphan that nobody has reaped yet


def _wait_until(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > limit:
            raise TimeoutError(f"PostgreSQL took more than {_PATIENCE} s")
        time.sleep(0.01)


def account() -> pwd.struct_passwd | None:
    """Return whom the server runs as if that is not us: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return unavailable("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything has to be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _binaries() -> Path:
    # Debian keeps the server's programs off the PATH, a directory a version.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(*re.findall(r"\d+", str(path))))
    on_path = shutil.which("initdb")
    candidates = [*reversed(versions), *([Path(on_path).resolve().parent] if on_path else [])]
    for directory in candidates:
        if all((directory / name).exists() for name in ("initdb", "postgres")):
            return directory
    return unavailable("PostgreSQL is not installed: apt-get install postgresql (Debian, Ubuntu)")


@pytest.fixture(scope="session", name="postgres_server")
def provide_postgres_server() -> Iterator[PostgresServer]:
    """A server; tests keep to a schema each (`PostgresServer.url`), and one that stops it leaves it running."""
    with PostgresServer() as server:
        yield server
