"""A call carries its query and its headers, and its reader is given the reply's headers."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.support.raw_server import KEYS, TOKEN, served
from vipps_async import Environment, VippsClient
from vipps_async._http.call import read, write

PAGES = {"": (["a", "b"], "second"), "second": (["c"], "")}


def site(seen: list[tuple[str, Mapping[str, str]]]) -> web.Application:
    """A service that lists things by pages, of which a header tells the next, and notes what it was asked."""

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": TOKEN, "expires_in": "3600"})

    async def things(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers.copy()))
        items, following = PAGES[request.headers.get("Continuation-Token", "")]
        return web.json_response(items, headers={"Continuation-Token": following} if following else {})

    app = web.Application()
    app.router.add_post("/api/accessToken/get", token)
    app.router.add_route("*", "/api/things/v1", things)
    return app


def page_of(document: Any, headers: Mapping[str, str]) -> tuple[list[str], str | None]:
    """Read a page, and where the next one is."""
    return document, headers.get("continuation-token")


async def test_pages_are_read_by_a_header_of_the_reply() -> None:
    """Each call is fixed before it is sent, its headers and its query included; letters are quoted once."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    found: list[str] = []
    async with served(site(seen)) as url, VippsClient(KEYS, environment=Environment(f"{url}/api")) as vipps:
        following: str | None = ""
        while following is not None:
            headers = {"Continuation-Token": following} if following else {}
            call = read("list", "/things/v1", query={"status": "ACTIVE", "named": "blå & +"}, headers=headers)
            items, following = await vipps.session.send_for_headers(call, page_of)
            found += items
    assert found == ["a", "b", "c"]
    assert [path for path, _ in seen] == ["/api/things/v1?status=ACTIVE&named=bl%C3%A5+%26+%2B"] * 2
    assert [headers.get("Continuation-Token") for _, headers in seen] == [None, "second"]
    assert all(headers["Merchant-Serial-Number"] == "123456" for _, headers in seen)


async def test_a_call_s_own_headers_come_beside_the_others() -> None:
    """They do not change what other calls send, and its key and type are there all the same."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    async with served(site(seen)) as url, VippsClient(KEYS, environment=Environment(f"{url}/api")) as vipps:
        call = write("add", "/things/v1", {"a": 1}, key="key-1", headers={"Accept-Language": "nb"})
        await vipps.session.send(call, lambda document: document)
        await vipps.session.send(read("list", "/things/v1"), lambda document: document)
    (_, first), (_, second) = seen
    assert (first["Accept-Language"], first["Idempotency-Key"]) == ("nb", "key-1")
    assert first["Content-Type"] == "application/json"
    assert "Accept-Language" not in second
