"""The container file and the compose file of the documentation, as far as they can be judged without a builder."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.running import command
from vipps_async import Credentials
from vipps_async.cli import main

ROOT = Path(__file__).parent.parent
LINES = [line for line in (ROOT / "Containerfile").read_text("utf-8").splitlines() if line and not line.startswith("#")]


def instructions(name: str) -> list[str]:
    """Return what follows an instruction, each time it is given."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def entry_point() -> list[str]:
    """Return the arguments of the command that it runs."""
    arguments: list[str]
    program, module, package, *arguments = json.loads(instructions("ENTRYPOINT")[0])
    assert (program, module, package) == ("/sandbox/bin/python", "-m", "vipps_async")
    return arguments


def compose() -> Any:
    """Return the compose file of the documentation."""
    (snippet,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "sandbox.md").read_text("utf-8"), flags=re.DOTALL)
    return yaml.safe_load(snippet)["services"]


def test_what_it_copies_is_there() -> None:
    """Each path of the checkout, and the package's build needs no other."""
    copied = [path for line in instructions("COPY") if "--from" not in line for path in line.split()[:-1]]
    assert all((ROOT / path).exists() for path in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "vipps_async"} == set(copied)


def test_it_runs_as_nobody_on_the_port_that_it_names() -> None:
    """Without rights, reachable from other containers."""
    assert instructions("USER") == ["65534:65534"]
    arguments = entry_point()
    assert arguments[arguments.index("--port") + 1] == instructions("EXPOSE")[0] == "8090"
    assert ipaddress.ip_address(arguments[arguments.index("--host") + 1]).is_unspecified


@pytest.mark.parametrize("more", [[], compose()["sandbox"]["command"]])
def test_its_command_is_one(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The arguments of both files are those of the command."""
    with pytest.raises(SystemExit) as ended:
        main([*entry_point(), *more, "--help"])
    assert ended.value.code == 0
    assert "usage: vipps-async sandbox" in capsys.readouterr().out


async def test_the_compose_file_gives_both_the_keys() -> None:
    """Those that the sandbox is started with are the shop's, and it takes them."""
    services = compose()
    keys = services["sandbox"]["environment"]
    shop = services["shop"]["environment"]
    assert {name: value for name, value in shop.items() if name != "VIPPS_ENVIRONMENT"} == keys
    assert str(Credentials.from_env(keys).client_id) == keys["VIPPS_CLIENT_ID"]
    async with command("sandbox", "--port", "0", exports=1, **keys) as running:
        assert list(running.environ) == ["VIPPS_ENVIRONMENT"]
