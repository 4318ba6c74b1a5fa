"""Serve the landing page of a payment, on which its user acts."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

import attrs
from aiohttp import web

from vipps_async.sandbox._epayment import page as pages
from vipps_async.sandbox._epayment.approval_details import DEFAULT_APPROVAL, ApprovalDetails
from vipps_async.sandbox._epayment.ledger import ActionRefused, UnknownReference
from vipps_async.sandbox._epayment.lifecycle import Action
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._epayment.shipping_forms import typed_address
from vipps_async.sandbox._platform.replies import Reply, of_html
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import read_body, to_response

LANDING = "/landing"


@attrs.frozen
class Landing:
    """Serves the landing pages of an installation."""

    installation: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [web.get(LANDING, self._show, allow_head=False), web.post(LANDING, self._act)]

    async def _show(self, request: web.Request) -> web.Response:
        return self._landing(200, self._payment(request), {})

    async def _act(self, request: web.Request) -> web.Response:
        form, payment = await _form(request), self._payment(request)
        perform = self._buttons.get(form.get("action", ""))
        if payment is None or perform is None:
            return self._landing(400, payment, form)
        try:
            location = await perform(payment, form)
        except ActionRefused as refused:
            return self._landing(409, self._payment(request), form, refused.reason)
        except UnknownReference:  # forgotten meanwhile
            return self._landing(404, None, form)
        return to_response(Reply(status=303, headers={"Location": location or str(request.rel_url)}))

    @property
    def _buttons(self) -> Mapping[str, Callable[[LedgerPayment, Mapping[str, str]], Awaitable[str | None]]]:
        return {"approve": self._approve, "reject": self._reject, "ship": self._ship}

    async def _approve(self, payment: LedgerPayment, form: Mapping[str, str]) -> str | None:
        return await self._finish(payment, Action.APPROVE, self._choice(payment, form))

    async def _reject(self, payment: LedgerPayment, _: Mapping[str, str]) -> str | None:
        return await self._finish(payment, Action.REJECT, DEFAULT_APPROVAL)

    async def _finish(self, payment: LedgerPayment, action: Action, choice: ApprovalDetails) -> str | None:
        await self.installation.act(payment.reference, action, choice)
        self.installation.choices.pop(payment.token, None)
        return payment.request.get("returnUrl")

    async def _ship(self, payment: LedgerPayment, form: Mapping[str, str]) -> None:
        choice = await self.installation.consider(payment.reference, typed_address(form))
        self.installation.choices[payment.token] = choice

    def _choice(self, payment: LedgerPayment, form: Mapping[str, str]) -> ApprovalDetails:
        settled = self.installation.choices.get(payment.token, DEFAULT_APPROVAL)
        return attrs.evolve(settled, shipping_option=form.get("shippingOption"))

    def _payment(self, request: web.Request) -> LedgerPayment | None:
        self.installation.expire_due()
        return self.installation.ledger.find_by_token(request.query.get("token", ""))

    def _landing(
        self, status: int, payment: LedgerPayment | None, form: Mapping[str, str], refusal: str | None = None
    ) -> web.Response:
        if payment is None:
            return _page(404, pages.not_found())
        page = pages.landing(
            payment,
            merchant=self.installation.merchant,
            now=self.installation.clock.now(),
            choice=self._choice(payment, form),
            typed=typed_address(form),
            refusal=refusal,
        )
        return _page(status, page)


async def _form(request: web.Request) -> dict[str, str]:
    fields = parse_qs((await read_body(request)).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _page(status: int, page: str) -> web.Response:
    return to_response(attrs.evolve(of_html(status, page), headers=pages.HEADERS))
