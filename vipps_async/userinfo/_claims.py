"""What a user told of themselves. Source: Userinfo API, claims."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import attrs

from vipps_async._wire.converter import wire
from vipps_async._wire.open_enum import OpenEnum
from vipps_async._wire.serializable import Serializable

# What stands in the place of a claim once the time to fetch it is over.
_EXPIRED = "[Expired]"


class Gender(OpenEnum):
    """A user's gender, as the national register has it."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"


def _claim(name: str) -> Any:
    """Return a field that is ``None`` unless it was told, and in no repr: it is personal."""
    return attrs.field(default=None, repr=False, metadata=wire(also=name))


@attrs.frozen(kw_only=True)
class UserAddress(Serializable):
    """An address of a user; each line is ``None`` where it is not told.

    Attributes:
        address_type: ``"home"``, ``"work"`` or ``"other"``.
        street_address: with unit and floor after a line feed.
        postal_code: in the country's own format.
        region: the postal town.
        country: ISO 3166-1 alpha-2.
        formatted: the whole of it, with line feeds.
    """

    address_type: str | None = _claim("address_type")
    street_address: str | None = _claim("street_address")
    postal_code: str | None = _claim("postal_code")
    region: str | None = _claim("region")
    country: str | None = _claim("country")
    formatted: str | None = _claim("formatted")


@attrs.frozen(kw_only=True)
class UserInfo(Serializable):
    """A user, as far as they consented to tell. Nothing personal is in its repr.

    Attributes:
        sub: the user's identifier at this sales unit; stays the same when the phone number changes.
        name: the full name.
        given_name: first names.
        family_name: last name.
        birthdate: date of birth.
        email: e-mail address.
        email_verified: whether it was verified; in the test environment it never is.
        phone_number: MSISDN.
        phone_number_verified: whether it was verified.
        address: the one that the user chose.
        other_addresses: the others.
        gender: `Gender`.
        nin: national identity number.
        sid: of the user's session.
        raw: the claims as they came, all of them.
    """

    sub: str
    name: str | None = attrs.field(default=None, repr=False)
    given_name: str | None = _claim("given_name")
    family_name: str | None = _claim("family_name")
    birthdate: date | None = attrs.field(default=None, repr=False)
    email: str | None = attrs.field(default=None, repr=False)
    email_verified: bool | None = _claim("email_verified")
    phone_number: str | None = _claim("phone_number")
    phone_number_verified: bool | None = _claim("phone_number_verified")
    address: UserAddress | None = attrs.field(default=None, repr=False)
    other_addresses: tuple[UserAddress, ...] = attrs.field(
        default=(), repr=False, metadata=wire(also="other_addresses")
    )
    gender: Gender | None = attrs.field(default=None, repr=False)
    nin: str | None = attrs.field(default=None, repr=False)
    sid: str | None = attrs.field(default=None, repr=False)
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @property
    def is_expired(self) -> bool:
        """Whether the time to fetch the claims is over, so that they are told as ``"[Expired]"``."""
        return _EXPIRED in self.raw.values()
