"""Which URLs may be given to Vipps MobilePay, and which this package may call. Performs no I/O."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_NO_URL = urlsplit("")
_NO_APP = frozenset({"javascript", "data"})


def is_loopback(host: str | None) -> bool:
    """Whether *host* is this machine, the only place that plain http may go to."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parsed(url: object) -> SplitResult:
    """Return the parts of *url*, empty ones where it is no URL."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and " " not in url else _NO_URL
        _ = parts.port  # raises for one that is no port
    except ValueError:
        return _NO_URL
    return parts


def is_web(url: object) -> bool:
    """Whether *url* is ``https://``, or ``http://`` to this machine."""
    return _is_web(parsed(url))


def _is_web(parts: SplitResult) -> bool:
    host = parts.hostname
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_web_or_app(url: object) -> bool:
    """Whether *url* is as `is_web` has it, or has a custom scheme such as an app's."""
    parts = parsed(url)
    scheme = parts.scheme
    if scheme in _NO_APP:
        return False
    # With "://", since a host whose scheme was forgotten looks like one otherwise: localhost:8000/return.
    return _is_web(parts) or (scheme not in {"http", "https", ""} and str(url).lower().startswith(f"{scheme}://"))
