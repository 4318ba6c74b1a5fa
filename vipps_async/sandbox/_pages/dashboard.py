"""Serves the page at ``/`` that shows what happens while it happens, and the feed that it follows."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from string import Template
from types import MappingProxyType

import attrs
from aiohttp import web

from vipps_async._wire.json import encode
from vipps_async.sandbox._pages.feed import MOST_SHOWN, SHOWN, Feed, Filter
from vipps_async.sandbox._pages.frame import HEADERS as FRAME_HEADERS
from vipps_async.sandbox._pages.sections import (
    delivery_faults,
    endpoints,
    every_fault,
    jumps,
    options,
    sections,
    templates,
)
from vipps_async.sandbox._platform.markup import joined
from vipps_async.sandbox._platform.replies import HTML, HttpReply
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import to_response

# Seconds between looks: what happened in between is told at once, and aiohttp has no event for a reader who has left.
_PACE = 0.1
_EVENT = b"retry: 500\ndata: %b\n\n"  # a page that lost the feed comes back after 500 ms
_STATIC = files("vipps_async.sandbox._pages") / "static"
_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"dashboard.js": "text/javascript", "landing.js": "text/javascript", "style.css": "text/css"}
)
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        **FRAME_HEADERS,
        "Content-Security-Policy": f"{_POLICY}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    }
)


@attrs.frozen
class Dashboard:
    """Serves the page of a sandbox, and the files that it and the landing page are made of."""

    state: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [
            web.get("/", self._show, allow_head=False),
            web.get("/sandbox/feed", self._follow, allow_head=False),
            web.get(f"/sandbox/{{name:{'|'.join(_MEDIA_TYPES)}}}", _send_file, allow_head=False),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        pages, routes = self.state.pages, self.state.routes
        parts = {
            "merchant": joined([self.state.merchant]),
            "jumps": jumps(pages),
            "states": options(dict.fromkeys(state for page in pages for state in page.states)),
            "apis": options(dict.fromkeys(route.operation.partition(".")[0] for route in routes)),
            "operations": options(dict.fromkeys(route.operation for route in routes)),
            "sections": sections(pages),
            "templates": templates(pages),
            "faults": delivery_faults(),
            "every_fault": every_fault(),
            "endpoints": endpoints(routes, pages),
        }
        return _response(Template(_read("dashboard.html")).substitute(parts), HTML)

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        """Send server-sent events until the reader has left."""
        feed = Feed(self.state, _filter_of(request.query))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while request.transport is not None and not request.transport.is_closing():
                if (news := feed.news()) is not None:
                    await response.write(_EVENT % encode(news))
                await asyncio.sleep(_PACE)
        return response


def _filter_of(query: Mapping[str, str]) -> Filter:
    limit = query.get("limit", "")
    return Filter(
        **{name: query.get(name, "") for name in ("reference", "state", "api", "only")},
        limit=min(int(limit), MOST_SHOWN) if limit.isascii() and limit.isdigit() and len(limit) < 9 else SHOWN,
    )


async def _send_file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    return _response(_read(name), _MEDIA_TYPES[name])


def _read(name: str) -> str:
    return (_STATIC / name).read_text("utf-8")


def _response(text: str, media_type: str) -> web.Response:
    return to_response(HttpReply(status=200, body=text.encode(), media_type=media_type, headers=_HEADERS))
