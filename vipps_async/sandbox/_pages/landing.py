"""Serves the landing pages, on which users act."""

from collections.abc import Mapping
from urllib.parse import parse_qs

import attrs
from aiohttp import web

from vipps_async.sandbox._pages.frame import HEADERS, framed
from vipps_async.sandbox._platform.markup import Markup, element
from vipps_async.sandbox._platform.pages import ApiPage
from vipps_async.sandbox._platform.problems import ActionRefused, UnknownReference
from vipps_async.sandbox._platform.replies import HttpReply, of_html
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import read_body, to_response

LANDING = "/landing"


@attrs.frozen
class Landing:
    """Serves the landing pages of a sandbox."""

    state: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [web.get(LANDING, self._show, allow_head=False), web.post(LANDING, self._submit)]

    async def _show(self, request: web.Request) -> web.Response:
        return self._landing(request, 200, {})

    async def _submit(self, request: web.Request) -> web.Response:
        form, page = await _form(request), self._page(request)
        if page is None:
            return self._landing(request, 404, form)
        try:
            location = await page.submit(_token(request), form)
        except KeyError:
            return self._landing(request, 400, form)
        except ActionRefused as refused:
            return self._landing(request, 409, form, refused.reason)
        except UnknownReference:  # forgotten meanwhile
            return self._landing(request, 404, form)
        return to_response(HttpReply(status=303, headers={"Location": location or str(request.rel_url)}))

    def _page(self, request: web.Request) -> ApiPage | None:
        self.state.expire_due()
        token = _token(request)
        return next((page for page in self.state.pages if page.reference_of_token(token) is not None), None)

    def _landing(
        self, request: web.Request, status: int, form: Mapping[str, str], refusal: str | None = None
    ) -> web.Response:
        page = self._page(request)
        if page is None:
            heading = element("h1", "Not found")
            return _response(404, framed("Not found", heading, element("p", "This link leads to nothing here.")))
        body = page.landing(_token(request), form, refusal)
        return _response(status, framed(self.state.merchant, element("h1", self.state.merchant), body))


def _token(request: web.Request) -> str:
    return request.query.get("token", "")


async def _form(request: web.Request) -> dict[str, str]:
    fields = parse_qs((await read_body(request)).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _response(status: int, page: Markup) -> web.Response:
    return to_response(attrs.evolve(of_html(status, page), headers=HEADERS))
