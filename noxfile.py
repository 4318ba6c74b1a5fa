"""What `nox` runs: lint, layers, types and tests."""

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
    _install(session, "types", "test", "nox")
    session.run("mypy")
    session.run("pyright")


@nox.session
def tests(session: nox.Session) -> None:
    """Tests with coverage, the examples and the README included."""
    _install(session, "test")
    session.run("pytest", "--cov", "-n", "4", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def versions(session: nox.Session) -> None:
    """Tests on every Python that is installed."""
    _install(session, "test")
    session.run("pytest", "-n", "4", *session.posargs)
