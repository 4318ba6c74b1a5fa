"""One operation of an API as one row: which request it is, what it checks, and how it is answered. Performs no I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any

import attrs

from vipps_async.sandbox._platform.leniency import Leniency
from vipps_async.sandbox._platform.replies import HttpReply
from vipps_async.sandbox._platform.schema import Check


class Key(Enum):
    """The use that an operation makes of an ``Idempotency-Key``."""

    REQUIRED = auto()
    OPTIONAL = auto()
    IGNORED = auto()


@attrs.frozen(kw_only=True)
class ApiRequest:
    """An admitted request.

    Attributes:
        resource: what the path names; the parts of a longer name are joined by ``/``.
        query: the parameters of the query.
        headers: case-insensitive.
        body: the decoded body, for what takes one.
        key: the idempotency key.
        now: the present, by the sandbox's clock.
        leniency: what it is let pass with.
        fails: whether what it asks for fails, once the rules have let it through.
    """

    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Any
    key: str | None
    now: datetime
    leniency: Leniency
    fails: bool = False


@attrs.frozen
class Route:
    """One operation.

    Attributes:
        operation: its name, with the API's before it: ``toy.ping``.
        method: the HTTP method.
        path: its variables are the resource.
        handle: answers an admitted request; it is given the API as `ApiDefinition.open` returned it.
        resource: the check of what the path names.
        key: what becomes of an idempotency key.
        key_conflict: the error code for a key that was used with another body.
        body: the check of a body, for what takes one.
        body_required: whether a request without a body is refused.
        subject: where a request tells what it is about: the resource, as ``{…}``, or a member of its body.
        amounts: the members of a body that may hold what it is about, in minor units.
        per_minute: how many requests about one subject are taken in a minute; ``None``: any number.
        in_all: whether *per_minute* is of all requests together.
        reads: whether it changes nothing.
        can_fail: whether it can fail after the rules have let it through.
        msn_required: whether the request must name the sales unit.
        subscription_required: whether the request must carry the subscription key; elsewhere it should not.
        answers_secret: whether its answer holds a secret, which is not shown.
        for_client: whether it is called with the client's keys, before there is a token.
    """

    operation: str
    method: str
    path: str
    handle: Callable[[Any, ApiRequest], HttpReply] = attrs.field(kw_only=True)
    resource: Check | None = attrs.field(default=None, kw_only=True)
    key: Key = attrs.field(default=Key.IGNORED, kw_only=True)
    key_conflict: str = attrs.field(default="", kw_only=True)
    body: Check | None = attrs.field(default=None, kw_only=True)
    body_required: bool = attrs.field(default=True, kw_only=True)
    subject: str = attrs.field(default="", kw_only=True)
    amounts: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    per_minute: int | None = attrs.field(default=None, kw_only=True)
    in_all: bool = attrs.field(default=False, kw_only=True)
    reads: bool = attrs.field(default=False, kw_only=True)
    can_fail: bool = attrs.field(default=False, kw_only=True)
    msn_required: bool = attrs.field(default=True, kw_only=True)
    subscription_required: bool = attrs.field(default=True, kw_only=True)
    answers_secret: bool = attrs.field(default=False, kw_only=True)
    for_client: bool = attrs.field(default=False, kw_only=True)

    def subject_of(self, resource: str, body: Mapping[str, Any]) -> str:
        """Return what a request is about; its body was not checked yet, so it may be anything."""
        told = resource if self.subject.startswith("{") else body.get(self.subject)
        return told if isinstance(told, str) else ""

    def amount_of(self, body: Mapping[str, Any]) -> int | None:
        """Return how much it is about, in minor units; its body may be anything."""
        told = next((body[name] for name in self.amounts if name in body), None)
        amount = told.get("value") if isinstance(told, dict) else told
        return amount if type(amount) is int else None


def is_named(operation: str, word: str) -> bool:
    """Whether *word* names an operation: its whole name, or the end of it, as ``ping`` names ``toy.ping``."""
    return operation == word or operation.endswith((f".{word}", f"-{word}"))
