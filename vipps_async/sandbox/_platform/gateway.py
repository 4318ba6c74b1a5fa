"""Answer API requests: admit, read, and perform each once. Performs no I/O: a call in, an answer out.

The order of checks, which is not documented: gateway, token, rate limit, headers, idempotency key, JSON, fields,
business rules.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from vipps_async.config import Credentials
from vipps_async.sandbox._epayment.dialects import Dialect
from vipps_async.sandbox._epayment.operations import Operations, Request
from vipps_async.sandbox._platform import auth
from vipps_async.sandbox._platform.bodies import parse
from vipps_async.sandbox._platform.clock import Clock
from vipps_async.sandbox._platform.idempotency import IdempotencyCache, Scope
from vipps_async.sandbox._platform.problems import Problem, ProblemError
from vipps_async.sandbox._platform.rate_limits import RateLimits, counted_reference
from vipps_async.sandbox._platform.replies import PROBLEM, GatewayRefusal, Reply, of_json
from vipps_async.sandbox._platform.routes import Key, Route
from vipps_async.sandbox._platform.tokens import Tokens

_READS = frozenset({"get", "events", "list"})


@attrs.frozen(kw_only=True)
class Call:
    """A request as it arrived, read to its end.

    Attributes:
        route: the operation that it is for.
        path: as it was sent.
        resource: the reference, or the id of a webhook, in the path.
        headers: case-insensitive.
        body: the bytes.
        fails: whether what it asks for fails, once the rules have let it through.
    """

    route: Route
    path: str
    resource: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    fails: bool = False


@attrs.frozen
class Answer:
    """A reply, and whether the operation was performed for it: not when refused, repeated, or only reading."""

    reply: Reply
    took_effect: bool = False


@attrs.frozen(kw_only=True)
class Api:
    """The APIs as one sales unit sees them.

    Attributes:
        dialect: which version is spoken.
        credentials: the sales unit's keys.
        clock: the present.
        tokens: the access tokens.
        rate_limits: how often a payment was called about.
        answers: what idempotency keys were answered.
        operations: what is done for an admitted request.
    """

    dialect: Dialect
    credentials: Credentials
    clock: Clock
    tokens: Tokens
    rate_limits: RateLimits
    answers: IdempotencyCache
    operations: Operations

    def answer(self, call: Call) -> Answer:
        """Do what *call* asks for, unless the rules forbid it, and return what to reply."""
        try:
            self._admit(call)
            return self._answer_once(call)
        except GatewayRefusal as denied:
            return Answer(denied.reply)
        except ProblemError as refused:
            return Answer(self.tell(refused.problem, call.path))

    def tell(self, problem: Problem, path: str) -> Reply:
        """Return *problem* in the words of the dialect, as it occurred at *path*."""
        instance = path.removeprefix("/epayment").removeprefix("/webhooks")
        trace_id = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        return of_json(problem.status, self.dialect.problem(problem, instance, trace_id), media_type=PROBLEM)

    def _admit(self, call: Call) -> None:
        now = self.clock.now()
        auth.check_subscription(call.headers, self.credentials)
        operation = call.route.operation
        if operation == "token":
            auth.check_client(call.headers, self.credentials, now=now)
        else:
            auth.check_token(call.headers, self.tokens, now=now)
        self.rate_limits.admit(operation, counted_reference(operation, call.resource, call.body), now=now)
        auth.check_headers(call.headers, self.credentials, msn_required=call.route.msn_required)

    def _answer_once(self, call: Call) -> Answer:
        key = self._key(call)
        try:
            body = self._body(call)
        except ProblemError as refused:
            refusal = Answer(self.tell(refused.problem, call.path))
            # What cannot be read is repeated byte for byte.
            return self._remembered(call, key, call.body.decode("latin-1"), lambda: refusal)
        return self._remembered(call, key, body, lambda: self._perform(call, body, key))

    def _remembered(self, call: Call, key: str | None, body: Any, answer: Callable[[], Answer]) -> Answer:
        """Return what the key of *call* was answered before, or else a new *answer*."""
        if key is None:
            return answer()
        scope = Scope(call.route.operation, call.resource)
        given = self.answers.find(scope, key, body)
        if given is not None:
            return Answer(given)
        new = answer()
        self.answers.remember(scope, key, body, new.reply)
        return new

    def _key(self, call: Call) -> str | None:
        if call.route.key is Key.IGNORED:
            return None
        return auth.idempotency_key(call.headers, required=call.route.key is Key.REQUIRED)

    def _body(self, call: Call) -> Any:
        if call.route.body is None:
            return None
        return parse(call.body, call.headers, required=call.route.body_required)

    def _perform(self, call: Call, body: Any, key: str | None) -> Answer:
        now = self.clock.now()
        request = Request(route=call.route, resource=call.resource, body=body, key=key, now=now, fails=call.fails)
        try:
            reply = self.operations.perform(request)
        except ProblemError as refused:
            return Answer(self.tell(refused.problem, call.path))
        return Answer(reply, took_effect=call.route.operation not in _READS)
