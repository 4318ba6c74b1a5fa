"""The official SDK for Node, unmodified, from the registry, against a sandbox at the only host that it knows.

The hosts file of this machine is not touched: the client runs in a mount namespace of its own, which has another one.
"""

import asyncio
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import command
from vipps_async._cli.tls import HOSTS

SCRIPT = Path(__file__).with_name("node_sdk.mjs")
PACKAGE = "@vippsmobilepay/sdk@2.4.2"
IN_NAMESPACE = 'mount --bind "$1" /etc/hosts && exec node "$2"'

pytestmark = pytest.mark.skipif("VIPPS_FOREIGN" not in os.environ, reason="fetches clients: runs with VIPPS_FOREIGN=1")


def _port_443_is_free() -> bool:
    try:
        socket.create_server(("127.0.0.1", 443)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def needs() -> None:
    """What has to be here, and said where it is not."""
    for program in ("node", "npm", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0 or not _port_443_is_free():
        pytest.skip("the client's host is on port 443, which takes root, and has to be free")


async def run(*arguments: str, cwd: Path, **variables: str) -> str:
    """Run a program to its end, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.usefixtures("needs")
@pytest.mark.timeout(180)
async def test_a_payment_s_whole_life(tmp_path: Path) -> None:
    """Created, approved, captured, refunded, cancelled and read; the ledger is what the calls add up to."""
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    await run("npm", "install", "--no-audit", "--no-fund", PACKAGE, cwd=tmp_path)
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(HOSTS)}\n")
    async with command("sandbox", "--tls", "--port", "443", exports=5, XDG_DATA_HOME=str(tmp_path)) as sandbox:
        keys = {name.removeprefix("VIPPS_"): value.strip("'") for name, value in sandbox.environ.items()}
        told = await run(
            *("unshare", "--mount", "sh", "-c", IN_NAMESPACE, "sh", str(hosts), SCRIPT.name),
            cwd=tmp_path,
            NODE_EXTRA_CA_CERTS=str(tmp_path / "vipps-async" / "ca.pem"),
            **keys,
        )
    steps: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    infos = [each["data"] for each in steps if each["step"] == "info"]
    assert [info["state"] for info in infos] == ["AUTHORIZED", "TERMINATED"]
    sums = {name: amount["value"] for name, amount in infos[0]["aggregate"].items()}
    assert sums == {
        "authorizedAmount": 49900,
        "capturedAmount": 40000,
        "refundedAmount": 10000,
        "cancelledAmount": 9900,
    }
    (history,) = (each["data"] for each in steps if each["step"] == "history")
    assert [event["name"] for event in history] == ["CREATED", "AUTHORIZED", "CAPTURED", "REFUNDED", "CANCELLED"]
