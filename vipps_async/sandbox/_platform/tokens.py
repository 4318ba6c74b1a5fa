"""Access tokens: issued, checked, revoked. Performs no I/O and takes the clock as an argument.

Source: Access Token API.
"""

import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from vipps_async._wire.json import encode

_CLOCK_SLACK = timedelta(minutes=5)  # documented answers were valid from some minutes before they were issued
_SIGNATURE_BYTES, _PADDING_BYTES = 256, 384  # an RS256 signature, and claims that make it as long as a real token


class Tokens:
    """The access tokens of the sales unit.

    Args:
        lifetime: how long one is valid.
    """

    def __init__(self, lifetime: timedelta) -> None:
        self._lifetime = lifetime
        self._expiries: dict[str, datetime] = {}

    def issue(self, *, now: datetime) -> dict[str, str]:
        """Return the body that answers a token request: every number in it is text."""
        expires_at = now + self._lifetime
        self._expiries = {token: expiry for token, expiry in self._expiries.items() if expiry > now}
        token = _jwt(now, expires_at)
        self._expiries[token] = expires_at
        lifetime = str(int(self._lifetime.total_seconds()))
        return {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "expires_on": str(int(expires_at.timestamp())),
            "not_before": str(int((now - _CLOCK_SLACK).timestamp())),
            "resource": "00000002-0000-0000-c000-000000000000",
            "access_token": token,
        }

    def is_valid(self, token: str, *, now: datetime) -> bool:
        """Whether *token* was issued here, has not expired and was not revoked."""
        expires_at = self._expiries.get(token)
        return expires_at is not None and now < expires_at

    def revoke(self, token: str) -> None:
        """Make *token* invalid, if it is valid."""
        self._expiries.pop(token, None)

    def revoke_all(self) -> None:
        """Make every token that was issued invalid."""
        self._expiries.clear()


def _jwt(now: datetime, expires_at: datetime) -> str:
    header = {"typ": "JWT", "alg": "RS256"}
    claims = {
        "iss": "sandbox",
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": secrets.token_urlsafe(_PADDING_BYTES),
    }
    parts = (encode(header), encode(claims), secrets.token_bytes(_SIGNATURE_BYTES))
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
