"""Which URLs of a merchant's are called. Performs no I/O.

Source: knowledge base, URL validation. Unlike the real platform, a sandbox takes ``http://`` within private networks.
"""

from vipps_async._urls import is_private, is_web, parsed

_CALLED_PORTS = frozenset({None, 80, 443, 8080})  # Webhooks API, registration


def is_callback_url(text: str) -> bool:
    """Whether the platform calls *text*: a server's URL, on a port that it sends requests to unless it is private."""
    parts = parsed(text)
    return is_web(text) and (is_private(parts.hostname) or parts.port in _CALLED_PORTS)
