"""A private PgBouncer before a private PostgreSQL server: its own directory and socket, no port, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from tests.support.servers.postgres import PostgresServer, account, unavailable

_PATIENCE = 10.0
_PORT = 6432  # names the socket
_SETTINGS = """
[databases]
postgres = host={server} user={role} pool_size={connections}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
pool_mode = {mode}
max_client_conn = 500
server_login_retry = 1
"""


class PgBouncer:
    """A PgBouncer of our own; a context manager that starts it, and stops it and removes its files.

    Where it is not installed, making one skips the test, or fails it under ``CI=true``. A pool of asyncpg's that
    connects to it needs ``statement_cache_size=0``.

    Args:
        server: where it connects to.
        role: the role that it connects as, whose settings hold for all: asyncpg resets a connection to them.
        mode: PgBouncer's ``pool_mode``.
        connections: how many it has for all its clients.
    """

    def __init__(
        self, server: PostgresServer, *, role: str = "postgres", mode: str = "transaction", connections: int = 3
    ) -> None:
        self._binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or unavailable(
            "PgBouncer is not installed: apt-get install pgbouncer (Debian, Ubuntu)"
        )
        self._directory = Path(tempfile.mkdtemp(prefix="vipps-pgbouncer-"))
        self._settings = _SETTINGS.format(
            server=server.directory,
            role=role,
            connections=connections,
            port=_PORT,
            directory=self._directory,
            mode=mode,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What asyncpg connects to."""
        return "postgresql://postgres@/postgres?" + urlencode({"host": str(self._directory), "port": _PORT})

    def __enter__(self) -> "PgBouncer":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
        shutil.rmtree(self._directory)

    def _start(self) -> None:
        us = account()
        (self._directory / "pgbouncer.ini").write_text(self._settings)
        if us:
            shutil.chown(self._directory, us.pw_uid, us.pw_gid)
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._binary, "pgbouncer.ini"],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=us and us.pw_uid,
                group=us and us.pw_gid,
                extra_groups=us and [],
            )
        limit = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise ChildProcessError((self._directory / "log").read_text())
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._directory / f".s.PGSQL.{_PORT}")) == 0
