"""Amounts of APIs that have a bare number on the wire, and the currency somewhere else. Performs no I/O."""

from collections.abc import Mapping
from typing import Any

_AMOUNT = {"value", "currency"}


def with_amounts(document: Any, *names: str, currency: Any = None) -> Any:
    """Return a document in which the members *names* are amounts, as far as they are there.

    What is no object is returned as it is, for whoever reads it to say so.

    Args:
        document: a decoded object.
        names: members that are minor units.
        currency: of theirs; ``None``: what the document itself says.
    """
    if not isinstance(document, Mapping):
        return document
    told = document.get("currency") if currency is None else currency
    amounts = {name: _amount(document[name], told) for name in names if document.get(name) is not None}
    return {**document, **amounts}


def _amount(value: Any, currency: Any) -> dict[str, Any]:
    return {"value": value, "currency": currency}


def bare(payload: Any) -> Any:
    """Return a JSON-ready payload in which each amount is its bare value."""
    if isinstance(payload, dict):
        if payload.keys() == _AMOUNT:
            return payload["value"]
        return {name: bare(member) for name, member in payload.items()}
    return [bare(member) for member in payload] if isinstance(payload, list | tuple) else payload
