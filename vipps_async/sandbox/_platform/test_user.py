"""The test user, who is invented. Performs no I/O."""

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


def is_younger(least: int | None, now: datetime) -> bool:
    """Whether the user is younger than *least* years; ``None`` asks for no age."""
    had_birthday = (now.month, now.day) >= (BIRTH_DATE.month, BIRTH_DATE.day)
    return least is not None and now.year - BIRTH_DATE.year - (not had_birthday) < least
