"""Remembers answers, which a repeated request gets again. Performs no I/O.

Source: knowledge base, idempotency. Not documented, and chosen here: a key is known within the operation, and
within the resource that the path names, if it names one; keys are remembered until the sandbox is reset.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import attrs

from vipps_async.sandbox._platform.replies import HttpReply

# Not answers to pin to a key: the gateway gave them, or another operation was in the way. Knowledge base, errors.
_PASSING = frozenset({403, 423})

_SERVER_ERRORS = 500


@attrs.frozen
class Scope:
    """Within what a key is unique: the operation, and the resource that its path names, if it names one."""

    operation: str
    resource: str


@attrs.frozen(kw_only=True)
class GivenAnswer:
    """An answer that a repeated request gets again.

    Attributes:
        scope: within what its key is unique.
        key: the request's.
        fingerprint: of the request's body.
        reply: the answer.
    """

    scope: Scope
    key: str
    fingerprint: str
    reply: HttpReply


def is_remembered(status: int) -> bool:
    """Whether an answer with *status* is given again when its request is repeated."""
    return status < _SERVER_ERRORS and status not in _PASSING


class KeyReused(Exception):
    """A key was used before, with another body."""


class IdempotencyCache:
    """The answers that were given, by scope and key."""

    def __init__(self) -> None:
        self._given: dict[tuple[Scope, str], GivenAnswer] = {}

    def find(self, scope: Scope, key: str, body: Any) -> HttpReply | None:
        """Return the answer that this request got before, or ``None`` if it is new.

        Raises:
            KeyReused: the key was used with another body.
        """
        given = self._given.get((scope, key))
        if given is None:
            return None
        if given.fingerprint != _fingerprint(body):
            raise KeyReused
        return given.reply

    def remember(self, scope: Scope, key: str, body: Any, reply: HttpReply) -> None:
        """Have *reply* given again, if it is one that is."""
        if is_remembered(reply.status):
            self._given[scope, key] = GivenAnswer(scope=scope, key=key, fingerprint=_fingerprint(body), reply=reply)

    def all(self) -> list[GivenAnswer]:
        """Return every answer, oldest first."""
        return list(self._given.values())

    def restore(self, answers: Iterable[GivenAnswer]) -> None:
        """Have these given again too, but for keys that were used here since."""
        for each in answers:
            self._given.setdefault((each.scope, each.key), each)

    def clear(self) -> None:
        """Forget every key."""
        self._given.clear()


def _fingerprint(body: Any) -> str:
    # Of the parsed body: a repetition may order its members differently and still ask for the same.
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
