"""An API call as a value, fixed before its first attempt. Performs no I/O."""

from typing import Any
from uuid import uuid4

import attrs

from vipps_async._wire import json as _json
from vipps_async._wire.converter import unstructure
from vipps_async.errors import InvalidRequest

_KEY_LIMIT = 50  # ePayment API, Idempotency-Key


@attrs.frozen(kw_only=True)
class Call:
    """One API operation: every attempt at it sends this method, path, key and body.

    Attributes:
        operation: what errors and logs call it: ``"capture"``.
        method: the HTTP method.
        path: absolute path below the environment's base URL, already quoted.
        body: the encoded JSON, or ``None`` for no body.
        idempotency_key: sent as ``Idempotency-Key``.
        writes: whether it can change something, so that silence leaves its outcome unknown.
        expects_body: whether its reply has a documented body.
        is_sensitive: whether its reply carries a secret, which no traceback may show.
        may_be_a_repeat: whether its key came from the caller, who may have sent it with it before.
        conclusive_codes: error codes that tell that no attempt of it took effect: what they say was so each time.
    """

    operation: str
    method: str
    path: str
    body: bytes | None = None
    idempotency_key: str | None = None
    writes: bool = False
    expects_body: bool = True
    is_sensitive: bool = False
    may_be_a_repeat: bool = False
    conclusive_codes: frozenset[str] = frozenset()


def read(operation: str, path: str) -> Call:
    """A GET."""
    return Call(operation=operation, method="GET", path=path)


def encoded(payload: Any) -> bytes:
    """The bytes that send a model."""
    return _json.encode(unstructure(payload))


def write(operation: str, path: str, payload: Any = None, *, key: str | None = None, **facts: Any) -> Call:
    """A call that changes something, a POST unless *facts* say otherwise; *payload* is a model or ``None``."""
    return Call(
        operation=operation,
        path=path,
        idempotency_key=key,
        writes=True,
        **{"method": "POST", "body": None if payload is None else encoded(payload), **facts},
    )


def fresh_key() -> str:
    """A new idempotency key, for an operation that is a new one each time it is asked for."""
    return str(uuid4())


def check_key(key: str) -> str:
    """Return a key that a caller gave, if the API takes it.

    Raises:
        InvalidRequest: it is empty, longer than 50 characters, or not visible ASCII.
    """
    visible = isinstance(key, str) and key.isascii() and key.isprintable() and " " not in key
    if not (visible and 0 < len(key) <= _KEY_LIMIT):
        raise InvalidRequest(
            "idempotency_key",
            key,
            f"must be 1 to {_KEY_LIMIT} visible ASCII characters; 40 of [A-Za-z0-9._:-] suit every API",
        )
    return str.__str__(key)  # what a text enum shows is something else
