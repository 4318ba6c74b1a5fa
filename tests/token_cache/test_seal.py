"""A sealed token opens for the same credentials and environment alone, and tells nothing to anybody else."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import attrs
import pytest

from tests.support.raw_server import KEYS, TOKEN
from vipps_async import Credentials, Environment
from vipps_async._http.token import AccessToken
from vipps_async.token_cache._seal import Seal

ISSUED = AccessToken.from_reply({"access_token": TOKEN, "expires_in": 3600}, asked_at=0.0)
OTHERS = {
    "client_id": "id-of-another",
    "client_secret": "c2VjcmV0LW9mLWFub3RoZXI=",
    "subscription_key": "subscription-of-another",
    "merchant_serial_number": "654321",
}


def seal_of(credentials: Credentials = KEYS, environment: Environment = Environment.TEST) -> Seal:
    """A seal as every process makes its own."""
    return Seal(credentials, environment)


def test_a_token_opens_in_another_process() -> None:
    """What one seal sealed, an equal one opens, with the expiry that it is told and the renewal as far ahead of it."""
    old = attrs.evolve(ISSUED, headers={"Authorization": f"Bearer {TOKEN}-old"}).refused()
    opened = seal_of().open(seal_of().seal(ISSUED, old=old), expires_at=5000.0)
    assert opened is not None
    assert opened.token == AccessToken(ISSUED.headers, renew_at=4700.0, expires_at=5000.0)
    assert opened.replaces == f"Bearer {TOKEN}-old"
    assert TOKEN not in repr(opened)
    assert seal_of().name == seal_of().name


@pytest.mark.parametrize("field", OTHERS)
def test_other_credentials_have_another_place_and_another_key(field: str) -> None:
    """Each of the four keys tells its owner's tokens apart, by name and by key."""
    other = seal_of(attrs.evolve(KEYS, **{field: OTHERS[field]}))
    assert other.name != seal_of().name
    assert other.open(seal_of().seal(ISSUED, old=None), expires_at=5000.0) is None


def test_another_environment_has_another_place_and_another_key() -> None:
    """A production token is not mistaken for one of the test environment."""
    other = seal_of(environment=Environment.PRODUCTION)
    assert other.name != seal_of().name
    assert other.open(seal_of().seal(ISSUED, old=None), expires_at=5000.0) is None


def test_whatever_was_altered_does_not_open() -> None:
    """A sealed token of which any byte was changed, or the end is missing, is none."""
    sealed = urlsafe_b64decode(seal_of().seal(ISSUED, old=None))
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        assert seal_of().open(urlsafe_b64encode(changed), expires_at=5000.0) is None
        assert seal_of().open(urlsafe_b64encode(sealed[:place]), expires_at=5000.0) is None


def test_two_sealed_tokens_are_never_alike() -> None:
    """Who looks at the cache does not learn whether a token was replaced by an equal one."""
    assert seal_of().seal(ISSUED, old=None) != seal_of().seal(ISSUED, old=None)
