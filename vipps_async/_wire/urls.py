"""Checks URLs that are given to Vipps MobilePay or called by this package, and gives them one form. Performs no I/O."""

import ipaddress
import re
import string
import unicodedata
from urllib.parse import SplitResult, quote, urlsplit

CALLED_RULE = (
    "must be https:// with a host that the internet knows, on port 80, 443 or 8080, and without credentials; "
    "within private networks http:// and any port will do"
)

_NO_URL = urlsplit("")
# A browser would run or read these instead of opening an app.
_NO_APP = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_CALLED_PORTS = frozenset({None, 80, 443, 8080})  # knowledge base, URL validation

# RFC 1918 and RFC 4193, and loopback.
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# RFC 2606, RFC 6761, RFC 6762, and ICANN's reservation of ``.internal``: names that the internet does not know.
_PRIVATE_DOMAINS = (".localhost", ".internal", ".local", ".test")

# RFC 1035 and RFC 1123, with the underscore that the DNS allows and names of containers have.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_NAME = 253
# URL Standard, "ends in a number": such a host is an address of IPv4, or none.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 3986, 6.2.2: a client resolves these segments before it sends the path, and then another path is signed.
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
# What nearly every address of a page looks like, in its one form; to take it apart costs eight times as much.
_ORDINARY = re.compile(
    r"https://(?=[^/]{1,253}(?:/|\Z))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}(?:/[!-~]*)?"
)


def normal_host(host: str) -> str:
    """Return the one form of *host*: lower case, letters such as ø as A-labels (``xn--…``), no dot at its end.

    Args:
        host: a name, or an address without brackets.

    Raises:
        ValueError: no host can be called so.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = _a_labels(host.lower().removesuffix("."))
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise ValueError("no host can be called so")
    return name


def _a_labels(name: str) -> str:
    if name.isascii() or len(name) > _LONGEST_NAME:
        return name
    encoded = name.encode("idna")
    # A letter that the versions of IDNA read differently, such as ß, would lead some clients to another host.
    if encoded.decode("idna") != unicodedata.normalize("NFC", name):
        raise ValueError("the name is ambiguous")
    return encoded.decode("ascii")


def is_private(host: str | None) -> bool:
    """Whether *host* is this machine or in a private network, such as a container's name: where plain http may go."""
    try:
        name = normal_host(host or "")
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_DOMAINS)
    return any(address in network for network in _PRIVATE_NETWORKS)


def parsed(url: object) -> SplitResult:
    """Return the parts of *url*, empty ones where it is no URL."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and " " not in url else _NO_URL
        _ = parts.port  # raises for one that is no port
    except ValueError:
        return _NO_URL
    return parts


def normal_url(url: str) -> str:
    """Return the one form of *url*, which is sent and signed; what is no web address is returned as it is.

    Scheme and host are in lower case, the host as `normal_host` has it, a port is there unless it is the scheme's own,
    and what is not ASCII is percent-encoded (RFC 3987, 3.1). All else is as it is written.
    """
    if isinstance(url, str) and _ORDINARY.fullmatch(url):
        return url
    parts = parsed(url)
    if not _is_web(parts):
        return url
    name = normal_host(parts.hostname or "")
    host = f"[{name}]" if ":" in name else name
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    path, query, fragment = (quote(part, safe=string.punctuation) for part in parts[2:])
    return SplitResult(parts.scheme, host + port, path, query, fragment).geturl()


def is_web(url: object) -> bool:
    """Whether *url* can be called as it is written: ``https://``, or ``http://`` within a private network."""
    parts = parsed(url)
    return _is_web(parts) and _DOT_SEGMENT.search(parts.path) is None


def _is_web(parts: SplitResult) -> bool:
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or parts.port == 0:
        return False
    try:
        host = normal_host(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "https" or is_private(host)


def is_called(url: object) -> bool:
    """Whether Vipps MobilePay calls *url*: as `is_web`, on a port that it sends requests to.

    Within a private network a sandbox calls every port; elsewhere an address has to be one of the internet.
    """
    if not is_web(url):
        return False
    parts = parsed(url)
    host = normal_host(parts.hostname or "")
    return is_private(host) or (parts.port in _CALLED_PORTS and _is_public(host))


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return address.is_global and not address.is_multicast


def is_web_or_app(url: object) -> bool:
    """Whether a user can be sent to *url*: a web address, or a custom scheme such as an app's."""
    if isinstance(url, str) and _ORDINARY.fullmatch(url):
        return True
    parts = parsed(url)
    scheme = parts.scheme
    if scheme in _NO_APP:
        return False
    # With "://", since a host whose scheme was forgotten looks like one otherwise: localhost:8000/return.
    return _is_web(parts) or (scheme not in {"http", "https", ""} and str(url).lower().startswith(f"{scheme}://"))


def shown(url: object) -> str:
    """Return what a message may say of *url*: scheme and host, or that it is none; the rest may hold a secret."""
    parts = parsed(url)
    host = parts.netloc.rpartition("@")[2]
    if not (parts.scheme and host):
        return f"<{type(url).__name__}, no URL>"
    rest = parts._replace(scheme="", netloc="").geturl().strip("/")
    return f"{parts.scheme}://{'…@' if '@' in parts.netloc else ''}{host}{'/…' if rest else ''}"
