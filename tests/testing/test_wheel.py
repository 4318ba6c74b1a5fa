"""The plugin in a project of its own, which has nothing of this package but the installed wheel.

The project's tests are the snippets of docs/testing.md, and some that belong to one plugin for asyncio.
"""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent.parent

SETTINGS = """
[pytest]
filterwarnings = error
addopts = --strict-markers --strict-config
"""
INSTALLED = """
import sys
from pathlib import Path

import pytest

import vipps_async


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


def pytest_report_header():
    assert Path(vipps_async.__file__).is_relative_to(sys.prefix)
"""
OF_PYTEST_AIOHTTP = """
from aiohttp import web

from vipps_async.webhooks import WebhookReceiver
from vipps_async.webhooks.stores.memory import MemoryStore


async def test_deliveries_reach_a_test_server(aiohttp_server, aiohttp_client, vipps_event, vipps_sandbox, vipps_client):
    heard = []
    receiver = WebhookReceiver(url=vipps_event.url, secrets=[vipps_event.secret], store=MemoryStore())

    @receiver.on_all
    async def hear(event):
        heard.append(event.name)

    app = web.Application()
    receiver.setup(app, "/hook")
    server = await aiohttp_server(app)
    delivery = vipps_event("CAPTURED")
    assert (await delivery.post(str(server.make_url("/hook")))).status == 200
    client = await aiohttp_client(server)
    answer = await client.post("/hook", data=delivery.body, headers=delivery.headers)
    assert answer.status == 200
    assert heard == ["CAPTURED"]
"""

RUNS = {
    "pytest-asyncio": [
        "-p",
        "no:anyio",
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    ],
    "anyio": ["-p", "no:asyncio", "-p", "no:aiohttp", "-o", "anyio_mode=auto", "--ignore=test_pytest_aiohttp.py"],
}


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command to its end; it has to succeed."""
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and the plugins for asyncio; its interpreter."""
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", place / "venv", cwd=place)
    python = place / "venv" / "bin" / "python"
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, ROOT, cwd=place)
    (wheel,) = place.glob("*.whl")
    run(python, "-m", "pip", "install", "--quiet", wheel, "pytest-asyncio", "pytest-aiohttp", "anyio", cwd=place)
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project."""
    place = tmp_path_factory.mktemp("project")
    (place / "pytest.ini").write_text(SETTINGS)
    (place / "conftest.py").write_text(INSTALLED)
    (place / "test_pytest_aiohttp.py").write_text(OF_PYTEST_AIOHTTP)
    page = (ROOT / "docs" / "testing.md").read_text()
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)):
        (place / f"test_documented_{number}.py").write_text(snippet)
    return place


@pytest.mark.timeout(300)  # for pip
def test_documented_tests_pass_with_the_installed_wheel(python: Path, project: Path) -> None:
    """Every test that docs/testing.md shows passes, without a warning, whichever plugin runs it; none is left out."""
    written = "".join(module.read_text() for module in project.glob("test_documented_*.py"))
    for plugin, options in RUNS.items():
        report = project / f"{plugin}.xml"
        run(python, "-I", "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *options, cwd=project)
        cases = ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it
        passed = {case.attrib["name"].partition("[")[0] for case in cases if not len(case)}
        assert set(re.findall(r"def (test_\w+)", written)) <= passed
