"""Finds where a user is sent to pay, by the flow that the merchant chose. Performs no I/O.

Source: ePayment API, create payment. A push message leads nowhere: the app asks the user by itself.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vipps_async.sandbox._platform.api import Destination

_AS_TEXT = "TEXT/TARGETURL"


FLOWS: Mapping[str, Destination] = MappingProxyType(
    {
        "WEB_REDIRECT": Destination.LANDING_PAGE,
        "NATIVE_REDIRECT": Destination.APP,
        "QR": Destination.QR_IMAGE,
    }
)
DRAFT_FLOWS: Mapping[str, Destination] = MappingProxyType(
    {"WEB_REDIRECT": Destination.LANDING_PAGE, "NATIVE_REDIRECT": Destination.LANDING_PAGE}
)


def destination_of(body: Mapping[str, Any], flows: Mapping[str, Destination]) -> Destination | None:
    """Return where a create request's *body* sends the user, ``None`` for nowhere."""
    destination = flows.get(body["userFlow"])
    wants_text = (body.get("qrFormat") or {}).get("format") == _AS_TEXT
    return Destination.LANDING_PAGE if wants_text and destination is Destination.QR_IMAGE else destination
