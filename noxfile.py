"""What `nox` runs: lint, layers, types and tests."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import nox

nox.options.sessions = ["lint", "layers", "types", "lowest_in_short", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.needs_version = ">=2024.10"


PYPROJECT = nox.project.load_toml("pyproject.toml")


def _install(session: nox.Session, *groups: str) -> None:
    session.install("-e", ".", *_group(*groups))


def _group(*groups: str) -> list[str]:
    return [*nox.project.dependency_groups(PYPROJECT, *groups)]


def _lowest(session: nox.Session, requirements: Iterable[str]) -> str:
    """Write a file that holds pip to the lowest version that each requirement allows, and return its path."""
    found = [re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement) for requirement in requirements]
    constraints = sorted({f"{match[1]}=={match[2]}" for match in found if match})
    path = Path(session.create_tmp()) / "lowest.txt"
    path.write_text("\n".join(constraints), "utf-8")
    return str(path)


def _runtime() -> list[str]:
    """Return what the package and its extras require."""
    project = PYPROJECT["project"]
    return [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]


LOWEST_IN_SHORT = [
    "tests/_http/test_transport.py",
    "tests/epayment/test_api.py",
    "tests/sandbox/_webhooks/test_deliveries.py",
    "tests/webhooks/test_aiohttp_app.py",
]


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
    session.run("pytest", "tests/typing")


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
def lowest(session: nox.Session) -> None:
    """The tests with the lowest versions that are declared, of what the tests use too."""
    constraints = _lowest(session, [*_runtime(), *_group("test")])
    session.install("-e", ".", *_group("test"), "-c", constraints)
    _install_servers(session)
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """The tests with the newest versions that are declared, however old the environment is."""
    session.install("--upgrade", "--upgrade-strategy", "eager", "-e", ".", *_group("test"))
    _install_servers(session)
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """The tests notice changes of the modules that decide over money; --count, --seed, --only after ``--``."""
    _install(session, "test")
    _install_servers(session)
    session.run("python", "-m", "tests.support.mutation", *session.posargs)


@nox.session
def lowest_in_short(session: nox.Session) -> None:
    """The demo, and the tests that reach furthest into aiohttp, with the lowest versions of what the package needs."""
    runner = [each for each in _group("test") if re.match(r"(pytest|pytest-asyncio|pytest-timeout|hypothesis)>", each)]
    session.install("-e", ".[sqlite,postgres,redis,tokens]", *runner, "-c", _lowest(session, _runtime()))
    session.run("python", "-m", "vipps_async", "demo", silent=True)
    session.run("pytest", "-q", *LOWEST_IN_SHORT, *session.posargs)


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
def foreign(session: nox.Session) -> None:
    """Clients that others wrote, unmodified, against the sandbox; needs Node.js, npm and root."""
    _install(session, "test")
    session.run("pytest", "-s", "-ra", "tests/foreign", *session.posargs, env={"VIPPS_FOREIGN": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutated deliveries, stalled connections, sequences of operations, and requests made of the documents."""
    _install(session, "test")
    modules = [
        "tests/webhooks/test_mutated_deliveries.py",
        "tests/webhooks/test_stalled_connections.py",
        "tests/sandbox/_epayment/test_model.py",
        "tests/_http/test_outcomes.py",
        "tests/conformance/test_schema_fuzzer.py",
    ]
    session.run("pytest", "-s", "--timeout=0", *modules, *session.posargs, env={"VIPPS_FUZZ": "100000"})
