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

SCRIPTS = Path(__file__).parent
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


async def played(script: str, place: Path) -> list[dict[str, Any]]:
    """Run a script of the SDK against a sandbox, and return what each step was answered."""
    shutil.copy(SCRIPTS / script, place)
    (place / "package.json").write_text('{"type": "module"}')
    await run("npm", "install", "--no-audit", "--no-fund", PACKAGE, cwd=place)
    hosts = place / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(HOSTS)}\n")
    async with command("sandbox", "--tls", "--port", "443", exports=5, XDG_DATA_HOME=str(place)) as sandbox:
        keys = {name.removeprefix("VIPPS_"): value.strip("'") for name, value in sandbox.environ.items()}
        told = await run(
            *("unshare", "--mount", "sh", "-c", IN_NAMESPACE, "sh", str(hosts), script),
            cwd=place,
            NODE_EXTRA_CA_CERTS=str(place / "vipps-async" / "ca.pem"),
            **keys,
        )
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.usefixtures("needs")
@pytest.mark.timeout(180)
async def test_a_payment_s_whole_life(tmp_path: Path) -> None:
    """Created, approved, captured, refunded, cancelled and read; the ledger is what the calls add up to."""
    steps = await played("node_sdk.mjs", tmp_path)
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


@pytest.mark.usefixtures("needs")
@pytest.mark.timeout(180)
async def test_a_subscription_s_whole_life(tmp_path: Path) -> None:
    """Drafted, accepted, changed, charged in every way, refunded and stopped; the histories are what was called."""
    steps = await played("node_sdk_recurring.mjs", tmp_path)
    infos = [each["data"] for each in steps if each["step"] == "info"]
    assert [info["status"] for info in infos] == ["ACTIVE", "STOPPED"]
    assert (infos[1]["productName"], infos[1]["pricing"]["amount"]) == ("Gym, all clubs", 59900)
    (charges,) = (each["data"] for each in steps if each["step"] == "charges-list")
    told = {charge["id"]: (charge["status"], charge["summary"]) for charge in charges}
    initial = next(charge for charge in charges if charge["type"] == "INITIAL")
    assert told.pop(initial["id"]) == ("CHARGED", {"captured": 10000, "refunded": 0, "cancelled": 0})
    assert told == {
        "node-reserved": ("CHARGED", {"captured": 30000, "refunded": 0, "cancelled": 19900}),
        "node-direct": ("PARTIALLY_REFUNDED", {"captured": 49900, "refunded": 10000, "cancelled": 0}),
        "node-cancelled": ("CANCELLED", {"captured": 0, "refunded": 0, "cancelled": 49900}),
        "node-many": ("CANCELLED", {"captured": 0, "refunded": 0, "cancelled": 49900}),
    }
