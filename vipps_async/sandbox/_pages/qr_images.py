"""Serve the QR codes by which users of the ``QR`` flow open a payment.

Source: ePayment API, create payment. A code lives as long as its payment: QR API, one-time QR.
"""

import attrs
from aiohttp import web

from vipps_async.sandbox._epayment.lifecycle import State
from vipps_async.sandbox._epayment.payments import LedgerPayment
from vipps_async.sandbox._pages.qr_code import NotInstalled, as_png, as_svg
from vipps_async.sandbox._platform.problems import plain
from vipps_async.sandbox._platform.replies import Reply
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import to_response

QR_IMAGES = "/qr"
_PNG, _SVG = "image/png", "image/svg+xml"
_SIZE = 1024  # pixels, unless the request says otherwise


@attrs.frozen
class QrImages:
    """Serves the QR codes of an installation's payments."""

    installation: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [web.get(QR_IMAGES, self._show, allow_head=False)]

    async def _show(self, request: web.Request) -> web.Response:
        self.installation.expire_due()
        payment = self.installation.ledger.find_by_token(request.query.get("token", ""))
        if payment is None or payment.state is not State.CREATED:
            raise plain(404, "There is no payment with this token, or nobody can pay it any more.")
        try:
            return to_response(self._image(payment))
        except NotInstalled:
            raise plain(501, "QR images need the extra: pip install 'vipps-async[qr]'.") from None

    def _image(self, payment: LedgerPayment) -> Reply:
        target = self.installation.landing_page(payment.token)
        form = payment.request.get("qrFormat") or {}
        if form.get("format") == "IMAGE/PNG":
            return Reply(status=200, body=as_png(target, size=form.get("size") or _SIZE), media_type=_PNG)
        return Reply(status=200, body=as_svg(target), media_type=_SVG)
