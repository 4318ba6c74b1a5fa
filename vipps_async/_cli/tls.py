"""Certificates for a sandbox that serves https: an authority of this machine's own vouches for them.

Clients are told to trust it once. Its key never leaves the user's directory.
"""

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from vipps_async.errors import ConfigurationError

# The hosts that some clients know, and no other.
HOSTS = ("apitest.vipps.no", "api.vipps.no")
_OWN = ("localhost", "127.0.0.1", "::1")


def server_context(names: Iterable[str]) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context, and the file of the authority that vouches for it.

    Args:
        names: hosts and addresses that the server is called by, beside this machine's and those of Vipps MobilePay.

    Raises:
        ConfigurationError: trustme is not installed.
        OSError: the user's directory cannot be written.
    """
    try:
        import trustme  # noqa: PLC0415 - of an extra
    except ImportError:
        raise ConfigurationError("--tls needs trustme: pip install 'vipps-async[tls]'") from None
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_and_certificate, certificate = folder / "authority.pem", folder / "ca.pem"
    if not key_and_certificate.exists():
        made = trustme.CA(organization_name="vipps-async sandbox")
        _write_once(key_and_certificate, made.private_key_pem.bytes() + made.cert_pem.bytes())
    pem = key_and_certificate.read_bytes()
    start = pem.index(b"-----BEGIN CERTIFICATE")
    authority = trustme.CA.from_pem(cert_bytes=pem[start:], private_key_bytes=pem[:start])
    certificate.write_bytes(authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*dict.fromkeys((*_OWN, *HOSTS, *names))).configure_cert(context)
    return context, certificate


def directory() -> Path:
    """Return where the authority is kept: the user's directory for data."""
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    return Path(base) / "vipps-async"


def _write_once(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, unless another process was quicker."""
    own = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()


def explained(certificate: Path, port: int) -> str:
    """Return how a client is brought to trust the authority, and to find the sandbox."""
    return (
        f"\nIts certificate is vouched for by {certificate}, which clients have to trust:\n"
        f"  NODE_EXTRA_CA_CERTS={certificate}  curl --cacert {certificate}  SSL_CERT_FILE={certificate}\n"
        f"A client that knows no other host finds it by this line in its hosts file, on port 443"
        f"{'' if port == 443 else f', and this is {port}'}:\n"
        f"  127.0.0.1 {' '.join(HOSTS)}\n"
    )
