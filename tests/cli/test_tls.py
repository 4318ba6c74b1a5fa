"""``sandbox --tls``: an authority of the user's own vouches for it, by Vipps MobilePay's own names too."""

import asyncio
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tests.support.running import Running, command
from vipps_async import Amount, ConnectionFailed, Credentials, Environment, RetryPolicy, VippsClient
from vipps_async._cli import tls
from vipps_async.cli import main

ONCE = RetryPolicy(attempts=1)


class Loopback(AbstractResolver):
    """Finds every name on this machine, as a line in the hosts file would."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return loopback."""
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def sandbox(folder: Path, *arguments: str) -> AsyncIterator[Running]:
    """Run a sandbox that serves https, whose user's directory is *folder*."""
    async with command("sandbox", "--tls", "--port", "0", *arguments, exports=5, XDG_DATA_HOME=str(folder)) as running:
        yield running


@asynccontextmanager
async def client(running: Running, base_url: str, authority: Path | None) -> AsyncIterator[VippsClient]:
    """Open a client that trusts an authority."""
    context = ssl.create_default_context(cafile=authority) if authority else ssl.create_default_context()
    connector = aiohttp.TCPConnector(ssl=context, resolver=Loopback())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        VippsClient(
            Credentials.from_env(running.environ), environment=Environment(base_url), session=session, retry=ONCE
        ) as vipps,
    ):
        yield vipps


async def create(vipps: VippsClient, reference: str) -> str:
    """Create a payment, and return where its user goes."""
    created = await vipps.epayment.create(
        amount=Amount(100, "NOK"), reference=reference, return_url="https://shop.example/"
    )
    return created.redirect_url


async def test_clients_that_trust_the_authority_call_it(tmp_path: Path) -> None:
    """By the machine's address and by either of Vipps MobilePay's names; its own links are https."""
    async with sandbox(tmp_path) as running:
        address = URL(running.environ["VIPPS_ENVIRONMENT"])
        assert address.scheme == "https"
        authority = tmp_path / "vipps-async" / "ca.pem"
        for number, host in enumerate(["127.0.0.1", "localhost", *tls.HOSTS]):
            async with client(running, str(address.with_host(host)), authority) as vipps:
                link = await create(vipps, f"order-000{number}")
                assert link.startswith(str(address / "landing"))


async def test_clients_that_do_not_trust_it_send_nothing(tmp_path: Path) -> None:
    """Nor does one that finds it by another name."""
    async with sandbox(tmp_path) as running:
        address = URL(running.environ["VIPPS_ENVIRONMENT"])
        authority = tmp_path / "vipps-async" / "ca.pem"
        for url, trusted in ((address, None), (address.with_host("api.example"), authority)):
            async with client(running, str(url), trusted) as vipps:
                with pytest.raises(ConnectionFailed, match="not sent"):
                    await create(vipps, "order-0001")


async def test_the_authority_is_kept(tmp_path: Path) -> None:
    """In files of its user's alone, so that it is trusted once; also by two that start together."""
    async with sandbox(tmp_path), sandbox(tmp_path):
        folder = tmp_path / "vipps-async"
        first = (folder / "ca.pem").read_bytes()
        assert b"PRIVATE KEY" not in first
        assert (folder.stat().st_mode & 0o777, (folder / "authority.pem").stat().st_mode & 0o777) == (0o700, 0o600)
        assert sorted(path.name for path in folder.iterdir()) == ["authority.pem", "ca.pem"]
    async with sandbox(tmp_path):
        assert (folder / "ca.pem").read_bytes() == first


async def test_how_it_is_trusted_and_found_is_said(tmp_path: Path) -> None:
    """The authority's file, and the line of the hosts file."""
    async with sandbox(tmp_path) as running:
        told = [await asyncio.wait_for(running.line(), 10) for _ in range(5)]
    text = "\n".join(told)
    assert f"NODE_EXTRA_CA_CERTS={tmp_path}/vipps-async/ca.pem" in text
    assert re.search(r"on port 443, and this is \d+:", text)
    assert "  127.0.0.1 apitest.vipps.no api.vipps.no" in told


async def test_a_name_of_one_s_own_is_served(tmp_path: Path) -> None:
    """That of the public URL."""
    async with sandbox(tmp_path, "--public-url", "https://sandbox.example:8443") as running:
        address = URL(running.environ["VIPPS_ENVIRONMENT"]).with_host("sandbox.example")
        async with client(running, str(address), tmp_path / "vipps-async" / "ca.pem") as vipps:
            assert (await create(vipps, "order-0001")).startswith("https://sandbox.example:8443/landing")


def test_without_trustme_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing, and how it is had."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert main(["sandbox", "--tls", "--port", "0"]) == 1
    assert "--tls needs trustme: pip install 'vipps-async[tls]'" in capsys.readouterr().err


def test_an_authority_that_another_process_made_first_is_kept(tmp_path: Path) -> None:
    """Whoever comes second reads what is there."""
    path = tmp_path / "authority.pem"
    tls._write_once(path, b"first")
    tls._write_once(path, b"second")
    assert path.read_bytes() == b"first"
