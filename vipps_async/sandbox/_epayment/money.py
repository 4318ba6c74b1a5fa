"""Amounts for people. Performs no I/O."""


def money(value: int, currency: str) -> str:
    """Return an amount for people: minor units in, ``1 234.50 NOK`` out, with spaces that do not break."""
    whole, rest = divmod(value, 100)
    return f"{whole:,}.{rest:02d} {currency}".replace(",", "\N{NO-BREAK SPACE}").replace(" ", "\N{NO-BREAK SPACE}")
