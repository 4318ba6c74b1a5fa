"""What users told merchants, whichever API asked them: the Userinfo API tells it again. Performs no I/O."""

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class Consent:
    """A user's consent.

    Attributes:
        sub: the user's identifier at the sales unit.
        scopes: what may be told: ``"name"``, ``"address"``, …
        phone_number: the user's, MSISDN.
        address: the one that the user chose.
        given_at: when, by the sandbox's clock.
    """

    sub: str
    scopes: frozenset[str]
    phone_number: str
    address: Mapping[str, str]
    given_at: datetime


class Consents:
    """The consents of all users, the latest of each."""

    def __init__(self) -> None:
        self._given: dict[str, Consent] = {}

    def give(self, consent: Consent) -> None:
        """Note a consent; what the user consented to before holds on."""
        before = self._given.get(consent.sub)
        scopes = consent.scopes | (before.scopes if before else frozenset())
        self._given[consent.sub] = attrs.evolve(consent, scopes=scopes)

    def find(self, sub: str) -> Consent | None:
        """Return the consent of the user of this identifier."""
        return self._given.get(sub)

    def clear(self) -> None:
        """Forget all."""
        self._given.clear()
