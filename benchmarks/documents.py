"""What the two ends say to each other, as bytes."""

import json
from typing import Any


def _bytes(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _nok(value: int) -> dict[str, Any]:
    return {"currency": "NOK", "value": value}


REFERENCE = b"acme-shop-123-order123abc"  # which whoever answers puts another in the place of


def _payment(captured: int) -> dict[str, Any]:
    totals = {"authorized": 49900, "captured": captured, "refunded": 0, "cancelled": 0}
    return {
        "reference": REFERENCE.decode(),
        "pspReference": "37c34d8c-2649-448e-864b-060d5d93e4c4",
        "state": "AUTHORIZED",
        "amount": _nok(49900),
        "aggregate": {f"{name}Amount": _nok(value) for name, value in totals.items()},
    }


TOKEN = _bytes({"access_token": "a-token-of-nobody", "expires_in": "86400"})
CREATED = _bytes({"reference": REFERENCE.decode(), "redirectUrl": "https://landing.example/?token=abc"})
CAPTURED = _bytes(_payment(49900))
PAYMENT = _bytes({**_payment(0), "paymentMethod": {"type": "WALLET"}, "profile": {}})
