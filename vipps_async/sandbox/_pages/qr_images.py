"""Serves the QR codes by which users open what they are to act on.

Source: ePayment API, create payment. A code lives as long as what it stands for: QR API, one-time QR.
"""

import attrs
from aiohttp import web

from vipps_async.sandbox._pages.qr_code import NotInstalled, as_png, as_svg
from vipps_async.sandbox._platform.pages import QrForm
from vipps_async.sandbox._platform.problems import plain
from vipps_async.sandbox._platform.replies import HttpReply
from vipps_async.sandbox._state import SandboxState
from vipps_async.sandbox._web.http import to_response

QR_IMAGES = "/qr"
_PNG, _SVG = "image/png", "image/svg+xml"
_SIZE = 1024  # pixels, unless the request says otherwise


@attrs.frozen
class QrImages:
    """Serves the QR codes of a sandbox."""

    state: SandboxState

    def routes(self) -> list[web.RouteDef]:
        """Return what the server routes here."""
        return [web.get(QR_IMAGES, self._show, allow_head=False)]

    async def _show(self, request: web.Request) -> web.Response:
        self.state.expire_due()
        token = request.query.get("token", "")
        form = next((form for page in self.state.pages if (form := page.qr_form(token)) is not None), None)
        if form is None:
            raise plain(404, "Nothing has this token, or nobody can use it any more.")
        try:
            return to_response(_image(form))
        except NotInstalled:
            raise plain(501, "QR images need the extra: pip install 'vipps-async[qr]'.") from None


def _image(form: QrForm) -> HttpReply:
    if form.as_png:
        return HttpReply(status=200, body=as_png(form.target, size=form.size or _SIZE), media_type=_PNG)
    return HttpReply(status=200, body=as_svg(form.target), media_type=_SVG)
