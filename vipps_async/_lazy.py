"""Packages whose names are imported at their first use."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return what *package* is to have for its ``__getattr__``: PEP 562.

    Args:
        package: its ``__name__``.
        homes: its public names, each with the module that defines it, relative to *package*.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{homes[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
