"""Packages whose names are imported at their first use."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def importer(
    package: str, homes: Mapping[str, str], *, listed: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return what *package* is to have for its ``__getattr__`` and its ``__dir__``: PEP 562.

    Args:
        package: its ``__name__``.
        homes: public names, each with the module that defines it, relative to *package*.
        listed: modules below it, whose ``__all__`` names are public too; they are imported for other names only.
    """

    def find(name: str) -> Any:
        if name == "__all__":
            return names()
        home = homes.get(name) or next((home for home in listed if name in _all_of(home, name)), None)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{home}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    def _all_of(module: str, name: str) -> Sequence[str]:
        # Whoever looks at a module asks it for private names and for those of the language.
        return () if name.startswith("_") else import_module(f".{module}", package).__all__

    def names() -> list[str]:
        own = {"__version__"} & vars(sys.modules[package]).keys()
        below = (name for module in listed for name in import_module(f".{module}", package).__all__)
        return sorted({*homes, *own, *below})

    return find, lambda: sorted({*vars(sys.modules[package]), *names()})
