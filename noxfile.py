"""What `nox` runs: lint, layers, types and tests."""

import os
import shutil

import nox

nox.options.sessions = ["lint", "layers", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.needs_version = ">=2024.10"


def _install(session: nox.Session, *groups: str) -> None:
    pyproject = nox.project.load_toml("pyproject.toml")
    session.install("-e", ".", *nox.project.dependency_groups(pyproject, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports point down only."""
    _install(session, "lint")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Types, by two checkers."""
    _install(session, "types", "test", "bench", "nox")
    session.run("mypy")
    session.run("pyright")


def _install_servers(session: nox.Session) -> None:
    """Install the servers and the browser that tests need, where that can be done; tests say so where not."""
    wanted = {
        "redis-server": "redis-server",
        "postgresql": "pg_ctlcluster",
        "pgbouncer": "pgbouncer",
        "chromium": "chromium",
        "nginx": "nginx",
    }
    missing = [package for package, program in wanted.items() if shutil.which(program) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.getuid() != 0:
        session.warn(f"install {' and '.join(missing)} to run the tests that need them")
        return
    session.run("apt-get", "update", "-qq", external=True, silent=True)
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "install", "-y", "-qq", *missing, external=True, silent=True, env=quietly)


@nox.session
def tests(session: nox.Session) -> None:
    """Tests, the examples and the README included."""
    _install(session, "test")
    _install_servers(session)
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests again, slower, and what they leave out."""
    _install(session, "test")
    _install_servers(session)
    session.run("pytest", "--cov", "-n", "4", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def versions(session: nox.Session) -> None:
    """Tests on every Python that is installed."""
    _install(session, "test")
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What this package costs, relative to doing without it; ``nox -s bench -- --json FILE`` keeps the figures."""
    _install(session, "test", "bench")
    _install_servers(session)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Receivers are killed at random while events are delivered, for minutes."""
    _install(session, "test")
    _install_servers(session)
    session.run("pytest", "-s", "--timeout=0", "tests/chaos", *session.posargs, env={"VIPPS_CHAOS": "long"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutated deliveries, stalled connections, sequences of operations, and requests made of the documents."""
    _install(session, "test")
    modules = [
        "tests/webhooks/test_mutated_deliveries.py",
        "tests/webhooks/test_stalled_connections.py",
        "tests/sandbox/test_model.py",
        "tests/conformance/test_schema_fuzzer.py",
    ]
    session.run("pytest", "-s", "--timeout=0", *modules, *session.posargs, env={"VIPPS_FUZZ": "100000"})
