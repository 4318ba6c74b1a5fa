"""Which URLs may be given to Vipps MobilePay, and which this package may call. Performs no I/O."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

CALLED_RULE = (
    "must be https:// with a host that the internet knows, on port 80, 443 or 8080, and without credentials; "
    "within private networks http:// and any port will do"
)

_NO_URL = urlsplit("")
_NO_APP = frozenset({"javascript", "data"})

# RFC 1918 and RFC 4193, and loopback.
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# RFC 2606, RFC 6761, RFC 6762, and ICANN's reservation of ``.internal``: names that the internet does not know.
_PRIVATE_DOMAINS = (".localhost", ".internal", ".local", ".test")
_CALLED_PORTS = frozenset({None, 80, 443, 8080})  # knowledge base, URL validation
# RFC 1035, and the underscore that containers' names have.
_NAME = re.compile(r"(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.?")
_NAME_LIMIT = 253
# What nearly every address of a page looks like; to take it apart costs eight times as much.
_ORDINARY = re.compile(
    r"https://(?=[^/]{1,253}(?:/|\Z))(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}(?:/[!-~]*)?"
)
_LABEL = re.compile(r"[a-z](?:[a-z0-9_-]*[a-z0-9_])?")


def is_private(host: str | None) -> bool:
    """Whether *host* is this machine or in a private network, such as a container's name: where plain http may go."""
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith(_PRIVATE_DOMAINS) or _LABEL.fullmatch(host) is not None
    return any(address in network for network in _PRIVATE_NETWORKS)


def parsed(url: object) -> SplitResult:
    """Return the parts of *url*, empty ones where it is no URL."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and " " not in url else _NO_URL
        _ = parts.port  # raises for one that is no port
    except ValueError:
        return _NO_URL
    return parts


def is_web(url: object) -> bool:
    """Whether *url* is ``https://``, or ``http://`` within a private network."""
    return _is_web(parsed(url))


def _is_web(parts: SplitResult) -> bool:
    return _has_host(parts) and (parts.scheme == "https" or (parts.scheme == "http" and is_private(parts.hostname)))


def is_called(url: object) -> bool:
    """Whether Vipps MobilePay calls *url*: as `is_web`, without credentials, on a port that it sends requests to.

    Within a private network a sandbox calls every port; elsewhere an address has to be one of the internet.
    """
    parts = parsed(url)
    host = parts.hostname or ""
    if not _is_web(parts) or "@" in parts.netloc:
        return False
    return is_private(host) or (parts.port in _CALLED_PORTS and _is_public(host))


def is_web_or_app(url: object) -> bool:
    """Whether *url* is as `is_web` has it, or has a custom scheme such as an app's."""
    if isinstance(url, str) and _ORDINARY.fullmatch(url):
        return True
    parts = parsed(url)
    scheme = parts.scheme
    if scheme in _NO_APP:
        return False
    # With "://", since a host whose scheme was forgotten looks like one otherwise: localhost:8000/return.
    return _is_web(parts) or (scheme not in {"http", "https", ""} and str(url).lower().startswith(f"{scheme}://"))


def _has_host(parts: SplitResult) -> bool:
    """Whether the host can be a name, national letters among it, or is an address."""
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return _is_address(host)
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return False
    return len(name) <= _NAME_LIMIT and _NAME.fullmatch(name) is not None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(host: str) -> bool:
    """Whether the internet can know *host*: a name of several labels, or a global address."""
    if _is_address(host):
        address = ipaddress.ip_address(host)
        return address.is_global and not address.is_multicast
    return not host.rstrip(".").rpartition(".")[2].isdigit()  # as that of 1.2.3, which is neither
