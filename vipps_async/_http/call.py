"""An API call as a value, fixed before its first attempt. Performs no I/O."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import attrs

from vipps_async._wire.converter import unstructure
from vipps_async._wire.json import encode
from vipps_async.errors import InvalidRequest

_VISIBLE_ASCII = re.compile(r"[!-~]+")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class ApiRules:
    """The declarations of an API to the layer that sends its calls.

    Attributes:
        hints: what to do next about an error, by its code; ``{}`` stands for "with the same idempotency key".
        conclusive_codes: error codes that tell that no attempt of a call took effect: what they say was so each time.
        limits: how often it may be called, in words.
        key_alphabet: what an idempotency key is made of.
        longest_key: characters that it may have.
        traces_problems: whether its problems have a trace, by which they are told from those of what lies in between.
    """

    hints: Mapping[str, str] = _NOTHING
    conclusive_codes: frozenset[str] = frozenset()
    limits: str = ""
    key_alphabet: re.Pattern[str] = _VISIBLE_ASCII
    longest_key: int = 40
    traces_problems: bool = True

    def checked_key(self, key: str) -> str:
        """Return a key that a caller gave, if the API takes it.

        Raises:
            InvalidRequest: it is empty, too long, or has other characters.
        """
        if not (isinstance(key, str) and self.key_alphabet.fullmatch(key) and len(key) <= self.longest_key):
            is_wide = self.key_alphabet is _VISIBLE_ASCII
            kind = "visible ASCII characters" if is_wide else f"characters of {self.key_alphabet.pattern}"
            rule = f"must be 1 to {self.longest_key} {kind}; 40 of [A-Za-z0-9-] suit every API"
            raise InvalidRequest("idempotency_key", key, rule)
        return str.__str__(key)  # what a text enum shows is something else


@attrs.frozen(kw_only=True)
class Call:
    """One API operation: every attempt at it sends this method, path, key and body.

    Attributes:
        operation: what errors and logs call it: ``"capture"``.
        method: the HTTP method.
        path: absolute path below the environment's base URL, already quoted, without a query.
        query: its parameters.
        headers: beside those that every request carries.
        left_out: headers that every other request carries, and this one does not.
        body: the encoded JSON, or ``None`` for no body.
        idempotency_key: sent as ``Idempotency-Key``.
        writes: whether it can change something, so that silence leaves its outcome unknown.
        expects_body: whether its reply has a documented body.
        only_status: the one status below 300 that tells that it took effect; ``None``: any.
        is_sensitive: whether its reply carries a secret, which no traceback may show.
        may_be_a_repeat: whether its key came from the caller, who may have sent it with it before.
        rules: what its API says of itself.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    left_out: frozenset[str] = frozenset()
    body: bytes | None = None
    idempotency_key: str | None = None
    writes: bool = False
    expects_body: bool = True
    only_status: int | None = None
    is_sensitive: bool = False
    may_be_a_repeat: bool = False
    rules: ApiRules = ApiRules()


def read(operation: str, path: str, **facts: Any) -> Call:
    """Return a GET; *facts* are what else `Call` has."""
    return Call(operation=operation, method="GET", path=path, **facts)


def encoded(payload: Any) -> bytes:
    """Return the bytes that send a model."""
    return encode(unstructure(payload))


def write(operation: str, path: str, payload: Any = None, *, key: str | None = None, **facts: Any) -> Call:
    """Return a call that changes something, a POST unless *facts* say otherwise; *payload* is a model or ``None``."""
    return Call(
        operation=operation,
        path=path,
        idempotency_key=key,
        writes=True,
        **{"method": "POST", "body": None if payload is None else encoded(payload), **facts},
    )


def fresh_key() -> str:
    """Return a new idempotency key, for an operation that is a new one each time it is asked for."""
    return str(uuid4())
