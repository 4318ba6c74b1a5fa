"""Encryption of the token that leaves the process, with a key that the credentials give. Performs no I/O.

The key comes from the client secret. Whoever has that can fetch tokens anyway, so the cache shows a token to nobody who
could not have one without it; there is no further secret to keep; and what an old client secret sealed, a new one does
not open. The client secret is random, not a password, so HKDF (RFC 5869) does without a work factor. The environment
and the other keys are part of the derivation: an entry that somebody moves to another sales unit's place does not open
there. Fernet encrypts and authenticates; the time that it notes is the writer's, and is not used.
"""

from base64 import urlsafe_b64encode

import attrs

from vipps_async._http.token import AccessToken
from vipps_async._wire.json import decode, encode
from vipps_async._wire.secret import Secret
from vipps_async.config import Credentials, Environment
from vipps_async.errors import ConfigurationError

_FORMAT = "vipps_async token cache 1"  # another format gets another number, and so other keys and names


@attrs.frozen
class SharedToken:
    """A token that another process may have fetched.

    Attributes:
        token: the token.
        replaces: the ``Authorization`` that the server had refused, if that was why the token was fetched.
    """

    token: AccessToken
    replaces: str | None

    def can_replace(self, old: AccessToken | None) -> bool:
        """Whether it is another token than *old*, and known to be good if *old* was refused."""
        if old is not None and old.is_refused:
            # Whatever else is there may have been revoked together with it, and a call is repeated only once.
            return self.replaces == old.headers["Authorization"]
        return old is None or self.token.headers != old.headers


class Seal:
    """Seals and opens tokens of one environment and one set of credentials.

    Attributes:
        name: where such tokens are kept; of the credentials it tells nothing.

    Raises:
        ConfigurationError: the library is not installed.
    """

    def __init__(self, credentials: Credentials, environment: Environment) -> None:
        try:
            from cryptography.fernet import Fernet  # noqa: PLC0415 - an extra: only who shares a token needs it
            from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - as above
        except ImportError as error:
            remedy = "pip install 'vipps-async[tokens]'"
            raise ConfigurationError(f"a token cache needs the cryptography library: {remedy}") from error
        others = (credentials.client_id, credentials.subscription_key, credentials.merchant_serial_number)
        # None of them can hold a line end.
        info = "\n".join((_FORMAT, environment.base_url, *others)).encode()
        derived = HKDF(SHA256(), length=64, salt=None, info=info).derive(credentials.client_secret.encode())
        self.name = derived[:32].hex()
        self._fernet = Fernet(urlsafe_b64encode(derived[32:]))

    def seal(self, token: AccessToken, *, old: AccessToken | None) -> bytes:
        """Return *token* encrypted, without its expiry, which is the cache's to tell.

        Args:
            token: what to seal.
            old: the token that it replaces.
        """
        document = {
            "authorization": token.headers["Authorization"],
            "renew_ahead": token.expires_at - token.renew_at,
            "refused": old.headers["Authorization"] if old and old.is_refused else None,
        }
        return self._fernet.encrypt(encode(document))

    def open(self, sealed: bytes, *, expires_at: float) -> SharedToken | None:
        """Return the token in *sealed*, or ``None`` if an equal seal is not on it.

        Args:
            sealed: anything.
            expires_at: when the token dies, on this process's monotonic clock.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as above

        try:
            document = decode(self._fernet.decrypt(sealed))
        except InvalidToken:
            return None
        bearer = {"Authorization": Secret(document["authorization"])}
        token = AccessToken(bearer, renew_at=expires_at - document["renew_ahead"], expires_at=expires_at)
        return SharedToken(token, replaces=document["refused"] and Secret(document["refused"]))
