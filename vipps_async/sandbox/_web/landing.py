"""Serve the landing page of a payment, on which its user acts."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs

import attrs
from aiohttp import web

from vipps_async.sandbox._installation import Installation
from vipps_async.sandbox._ledger.ledger import ActionRefused
from vipps_async.sandbox._ledger.lifecycle import Action
from vipps_async.sandbox._ledger.payments import LedgerPayment
from vipps_async.sandbox._replies import Reply, of_html
from vipps_async.sandbox._web import pages
from vipps_async.sandbox._web.http import read_body, to_response

LANDING = "/landing"

_BUTTONS: Mapping[str, Action] = MappingProxyType({"approve": Action.APPROVE, "reject": Action.REJECT})


@attrs.frozen
class Landing:
    """Serves the landing pages of an installation."""

    installation: Installation

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [web.get(LANDING, self._show, allow_head=False), web.post(LANDING, self._act)]

    async def _show(self, request: web.Request) -> web.Response:
        return self._landing(200, self._payment(request))

    async def _act(self, request: web.Request) -> web.Response:
        form = parse_qs((await read_body(request)).decode("utf-8", "replace"))
        payment = self._payment(request)
        action = _BUTTONS.get(form.get("action", [""])[0])
        if payment is None or action is None:
            return self._landing(400, payment)
        try:
            await self.installation.act(payment.reference, action)
        except ActionRefused:
            return self._landing(409, payment)
        back = payment.request.get("returnUrl") or str(request.rel_url)
        return to_response(Reply(status=303, headers={"Location": back}))

    def _payment(self, request: web.Request) -> LedgerPayment | None:
        self.installation.expire_due()
        return self.installation.ledger.find_by_token(request.query.get("token", ""))

    def _landing(self, status: int, payment: LedgerPayment | None) -> web.Response:
        if payment is None:
            return _page(404, pages.not_found())
        return _page(status, pages.landing(payment, merchant=self.installation.merchant))


def _page(status: int, page: str) -> web.Response:
    return to_response(attrs.evolve(of_html(status, page), headers=pages.HEADERS))
