"""Which URLs are accepted from a merchant. Performs no I/O.

Source: knowledge base, URL validation. Unlike the real platform, a sandbox also takes ``http://`` towards loopback.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_CALLED_PORTS = frozenset({None, 80, 443, 8080})  # Webhooks API, registration

# A browser would run or read these instead of opening an app.
_NOT_APPS = frozenset({"http", "https", "javascript", "data", "vbscript", "file", "blob", "about"})


def is_callback_url(text: str) -> bool:
    """Whether the platform calls *text*: a server's URL, on a port that it sends requests to unless on loopback."""
    parts = _split(text)
    return _is_server_url(text) and parts is not None and (_is_local(parts) or parts.port in _CALLED_PORTS)


def _is_local(parts: SplitResult) -> bool:
    return parts.hostname is not None and is_loopback(parts.hostname)


def is_user_url(text: str) -> bool:
    """Whether a user can be sent to *text*: a server's URL, or an app's with its custom scheme."""
    parts = _split(text)
    return parts is not None and (_is_server_url(text) or _opens_an_app(text, parts))


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_server_url(text: str) -> bool:
    """Whether *text* can be called: https, or http towards loopback, without credentials in it."""
    parts = _split(text)
    if parts is None or parts.hostname is None or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_local(parts))


def _opens_an_app(text: str, parts: SplitResult) -> bool:
    return bool(parts.scheme) and parts.scheme not in _NOT_APPS and f"{parts.scheme}://" in text.lower()


def _split(text: str) -> SplitResult | None:
    if not (text.isascii() and text.isprintable() and " " not in text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        return None
    return parts
