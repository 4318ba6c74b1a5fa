"""The amount of a capture that was left out: all that remains. Performs no I/O."""

from typing import Final

from vipps_async.errors import InvalidRequest
from vipps_async.money import Amount


class _AllThatRemains(Amount):
    """Stands for an amount that was left out, as no value that a forgotten variable can have does."""

    def __repr__(self) -> str:
        """Tell what leaving the amount out means, in ``help()`` too."""
        return "all that remains"


ALL_THAT_REMAINS: Final[Amount] = _AllThatRemains(0, "XXX")  # ISO 4217: no currency


def check_given(amount: Amount) -> Amount:
    """Return an amount that was given to capture, if it is one.

    Raises:
        InvalidRequest: it is none, such as the ``None`` of a forgotten variable.
    """
    if not isinstance(amount, Amount):
        rule = 'must be an Amount, such as Amount(1000, "NOK"); to capture all that remains, leave it out'
        raise InvalidRequest("amount", amount, rule)
    return amount
