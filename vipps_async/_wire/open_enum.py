"""Text enums that survive a value nobody has told them of."""

from enum import StrEnum
from typing import Self

from vipps_async.errors import InvalidRequest


class OpenEnum(StrEnum):
    """A text enum for wire values: an unknown text becomes a member of its own, equal to that text.

    A member's alias counts as its text too, which is how the draft API's spellings are read.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        if not isinstance(value, str):
            raise InvalidRequest(cls.__name__, value, f"must be one of {', '.join(cls)}")
        text = str(value)
        if text in cls.__members__:
            return cls.__members__[text]
        member = str.__new__(cls, text)
        member._name_ = text
        member._value_ = text
        return member

    @property
    def is_known(self) -> bool:
        """Whether this package knows the value; code that lists all members has to expect others."""
        return self._name_ in type(self)._member_map_
