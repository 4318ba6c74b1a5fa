"""The test user, who is invented. Performs no I/O."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType

EMAIL = "user@example.com"
FIRST_NAME, LAST_NAME = "Ada", "Lovelace"
PHONE_NUMBER = "4798765432"
UNKNOWN_PHONE_NUMBER = "4700000000"  # no Norwegian subscriber's begins with 0
BIRTH_DATE = date(1988, 12, 3)
ADDRESS: Mapping[str, str] = MappingProxyType(
    {
        "addressLine1": "Robert Levins gate 5",
        "city": "Oslo",
        "country": "NO",
        "postCode": "0154",
    }
)

_USERS = uuid.UUID("6d5ab6a4-1bd5-4d0e-9d0e-0f6a7c2b9f51")


def sub_of(phone_number: str) -> str:
    """Return a user's identifier, which is one at a sales unit, whatever is bought; source: Userinfo API, sub."""
    return str(uuid.uuid5(_USERS, phone_number))


def is_younger(least: int | None, now: datetime) -> bool:
    """Whether the user is younger than *least* years; ``None`` asks for no age."""
    had_birthday = (now.month, now.day) >= (BIRTH_DATE.month, BIRTH_DATE.day)
    return least is not None and now.year - BIRTH_DATE.year - (not had_birthday) < least
