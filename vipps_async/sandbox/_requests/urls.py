"""Which URLs are accepted from a merchant. Performs no I/O.

Source: knowledge base, URL validation. Unlike the real platform, a sandbox takes ``http://`` within private networks.
"""

from urllib.parse import SplitResult, urlsplit

from vipps_async._urls import is_private

_CALLED_PORTS = frozenset({None, 80, 443, 8080})  # Webhooks API, registration

# A browser would run or read these instead of opening an app.
_NOT_APPS = frozenset({"http", "https", "javascript", "data", "vbscript", "file", "blob", "about"})


def is_callback_url(text: str) -> bool:
    """Whether the platform calls *text*: a server's URL, on a port that it sends requests to unless it is private."""
    parts = _split(text)
    return _is_server_url(text) and parts is not None and (is_private(parts.hostname) or parts.port in _CALLED_PORTS)


def is_user_url(text: str) -> bool:
    """Whether a user can be sent to *text*: a server's URL, or an app's with its custom scheme."""
    parts = _split(text)
    return parts is not None and (_is_server_url(text) or _opens_an_app(text, parts))


def _is_server_url(text: str) -> bool:
    """Whether *text* can be called: https, or http within a private network, without credentials in it."""
    parts = _split(text)
    if parts is None or parts.hostname is None or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_private(parts.hostname))


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
